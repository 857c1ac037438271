"""sample: draws from the prior, or around an image, as PNG files."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import DENSE, GAN, HYBRID, refused, typed

from vaegan.commands import sample
from vaegan.run.trained import open_run
from vaegan.seeds import generator_for


@pytest.fixture(scope="module")
def runs(shared_run):
    """Runs by what they are."""
    flags = {
        "vae": DENSE,
        "averaged": HYBRID,
        "gan": GAN,
        "colour": f"{DENSE} --dataset cartoon:60 --batch-size 24",
    }
    return {name: shared_run(each) for name, each in flags.items()}


def images_in(folder) -> torch.Tensor:
    """The folder's images in the order of their names, [N, H, W] or [N, H, W, C]."""
    return torch.stack(
        [torch.from_numpy(np.array(Image.open(file))) for file in sorted(folder.glob("*.png"))]
    )


def as_levels(x) -> torch.Tensor:
    """Pixels in [0, 1], [N, 1, H, W], as levels from 0 to 255."""
    return (x * 255).round().squeeze(1)


def noise(count, seed=0) -> torch.Tensor:
    return torch.randn(count, 3, generator=generator_for(seed, "sample"))


def test_draws_from_the_prior(runs, tmp_path, capfd):
    out = tmp_path / "new" / "samples"
    status, output, errors = typed(capfd, "sample", runs["vae"], "--out", out, "--count", 5, "--seed", 3)
    assert (status, errors) == (0, "")
    assert sorted(file.name for file in out.glob("*.png")) == [f"000{i}.png" for i in range(5)]
    decoder = open_run(runs["vae"], "cpu").players.decoder
    expected = as_levels(torch.sigmoid(decoder(noise(5, seed=3))))
    assert expected.std() > 1
    torch.testing.assert_close(images_in(out).float(), expected, atol=1, rtol=0)
    assert "as trained" in output and f"5 from the prior, in {out};" in output


def test_the_averaged_decoder_draws_where_there_is_one(runs, tmp_path, capfd):
    _, output, _ = typed(capfd, "sample", runs["averaged"], "--out", tmp_path / "out", "--count", 4)
    players = open_run(runs["averaged"], "cpu").players
    with torch.autocast("cpu", torch.bfloat16):  # the precision of the run
        logits = [decoder(noise(4)).float() for decoder in (players.ema.module, players.decoder)]
    average, last = (as_levels(torch.sigmoid(each)) for each in logits)
    assert (average - last).abs().max() > 3
    torch.testing.assert_close(images_in(tmp_path / "out").float(), average, atol=1, rtol=0)
    assert "averaged (decay 0.9 a step)" in output


def test_draws_around_an_image(runs, tmp_path, capfd):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    arguments = ("--out", tmp_path / "out", "--count", 6, "--near", tmp_path / "image.png")
    status, output, _ = typed(capfd, "sample", runs["vae"], *arguments)
    assert status == 0 and f"the posterior around {tmp_path / 'image.png'}" in output
    players = open_run(runs["vae"], "cpu").players
    mu, logvar = players.encoder(torch.from_numpy(pixels)[None, None] / 255)
    posterior = torch.distributions.Normal(mu, logvar.exp().sqrt())
    expected = as_levels(torch.sigmoid(players.decoder(posterior.loc + posterior.scale * noise(6))))
    torch.testing.assert_close(images_in(tmp_path / "out").float(), expected, atol=1, rtol=0)
    grid = np.array(Image.open(tmp_path / "out.png").convert("L"))  # tiles enlarged six times, 2 pixels apart
    assert np.array_equal(grid[2:98:6, 2:98:6], pixels)  # the image itself comes first


def test_a_gan_draws_in_its_own_range(runs, tmp_path, capfd):
    assert typed(capfd, "sample", runs["gan"], "--out", tmp_path / "out", "--count", 3)[0] == 0
    pixels = torch.tanh(open_run(runs["gan"], "cpu").players.decoder(noise(3)))
    torch.testing.assert_close(
        images_in(tmp_path / "out").float(), as_levels((pixels + 1) / 2), atol=1, rtol=0
    )


def test_colours_stay(runs, tmp_path, capfd):
    assert typed(capfd, "sample", runs["colour"], "--out", tmp_path / "out", "--count", 3)[0] == 0
    pixels = torch.sigmoid(open_run(runs["colour"], "cpu").players.decoder(noise(3)))
    torch.testing.assert_close(
        images_in(tmp_path / "out").float(), as_levels(pixels).movedim(1, 3), atol=1, rtol=0
    )


def test_as_many_as_asked_for_and_a_square_of_the_first(runs, tmp_path, capfd):
    typed(capfd, "sample", runs["vae"], "--out", tmp_path / "out", "--count", 300)
    assert len(list((tmp_path / "out").glob("*.png"))) == 300
    assert Image.open(tmp_path / "out.png").size == (8 * (96 + 2) + 2,) * 2


def test_what_is_there_is_left_alone(runs, tmp_path, capfd):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    (tmp_path / "seen.png").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    line = refused(capfd, "sample", runs["vae"], "--out", tmp_path / "full")
    assert line == f"--out {tmp_path / 'full'}: exists already; name a new or an empty folder"
    assert "seen.png exists already" in refused(capfd, "sample", runs["vae"], "--out", tmp_path / "seen")
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / "seen.png").read_text() == "mine"


def test_without_a_name_the_runs_is_taken_and_nothing_overwritten(runs, tmp_path, capfd, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = f"{runs['vae'].name}-samples"
    (tmp_path / f"{name}-2.png").write_text("mine")
    for _ in range(2):
        assert typed(capfd, "sample", runs["vae"], "--count", 1)[0] == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        *(name, f"{name}.png", f"{name}-2.png", f"{name}-3", f"{name}-3.png"),
    }
    assert (tmp_path / f"{name}-2.png").read_text() == "mine"


def test_an_interruption_leaves_nothing(runs, tmp_path, capfd, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample, "save_png", interrupted)
    assert typed(capfd, "sample", runs["vae"], "--out", tmp_path / "out")[0] == 130
    assert list(tmp_path.iterdir()) == []


def test_mistakes(runs, tmp_path, capfd):
    (tmp_path / "broken.png").write_text("no image")
    out = ("--out", tmp_path / "out")
    near = ("--near", tmp_path / "broken.png")
    for arguments, expected in (
        ((tmp_path / "gone", *out), f"{tmp_path / 'gone'}: no such folder"),
        ((tmp_path, *out), f"{tmp_path}: not a run's folder: it has no config.yaml and no environment.json"),
        (
            (runs["gan"], *out, *near),
            f"--near {near[1]}: a GAN has no encoder; leave it out, or name a VAE's run",
        ),
        (
            (runs["vae"], *out, "--count", 0),
            "--count 0: not a whole number of at least 1 and at most 1000000",
        ),
    ):
        assert refused(capfd, "sample", *arguments) == expected
    assert f"--near {near[1]}: cannot be read (" in refused(capfd, "sample", runs["vae"], *out, *near)
    assert "--checkpoint none: no such" in refused(capfd, "sample", runs["vae"], *out, "--checkpoint", "none")
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]
