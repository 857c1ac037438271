"""interpolate: a strip of images from one to another."""

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import DENSE, GAN, refused, tiny_run, typed

from vaegan.datasets import Request, open_source
from vaegan.run.trained import open_run
from vaegan.seeds import generator_for

TILE, GAP = 96, 2  # pixels; an image of 16 is enlarged six times


@pytest.fixture(scope="module")
def runs(shared_run):
    """Runs by what they are."""
    return {name: shared_run(flags) for name, flags in {"vae": DENSE, "gan": GAN}.items()}


@pytest.fixture
def interpolate(tmp_path, capfd, monkeypatch):
    """Runs the command in the test's folder; returns (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: typed(capfd, "interpolate", *arguments)


def strip(file) -> torch.Tensor:
    """The images of a strip, [N, 16, 16]."""
    pixels = torch.from_numpy(np.array(Image.open(file).convert("L"))).float()
    assert len(pixels) == TILE + 2 * GAP
    lefts = range(GAP, pixels.shape[1] - GAP, TILE + GAP)
    return torch.stack([pixels[GAP : GAP + TILE : 6, left : left + TILE : 6] for left in lefts])


def decoded(run, z) -> torch.Tensor:
    return (torch.sigmoid(open_run(run, "cpu").players.decoder(z)) * 255).round().squeeze(1)


def mu_of(run, images) -> torch.Tensor:
    """images: uint8 [N, 1, H, W]."""
    return open_run(run, "cpu").players.encoder(images / 255)[0]


def test_between_two_files(runs, interpolate, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 16, 16), dtype=np.uint8)
    for name, image in zip("ab", pixels, strict=True):
        Image.fromarray(image).save(f"{name}.png")
    status, output, errors = interpolate(
        runs["vae"], "--steps", 5, "--files", "a.png", "b.png", "--out", "strip.png"
    )
    assert (status, errors) == (0, "")
    assert "linear, 5 steps between a.png and b.png: strip.png" in output
    a, b = mu_of(runs["vae"], torch.from_numpy(pixels).unsqueeze(1))
    expected = decoded(runs["vae"], torch.stack([a + (b - a) * t for t in (0, 0.25, 0.5, 0.75, 1)]))
    assert (expected[0] - expected[-1]).abs().max() > 5
    torch.testing.assert_close(strip("strip.png"), expected, atol=1, rtol=0)


@pytest.mark.parametrize(("flags", "pair"), [((), [0, 1]), (("--pair", 5, 3), [5, 3])])
def test_between_held_out_images(runs, interpolate, flags, pair):
    status, output, _ = interpolate(runs["vae"], *flags)
    assert status == 0
    file = f"{runs['vae'].name}-interpolation.png"
    assert f"10 steps between held-out images {pair[0]} and {pair[1]}: {file}" in output
    images = open_source(Request("digits", 16)).load().test.images[pair]
    images_at_ends = decoded(runs["vae"], mu_of(runs["vae"], images))
    shown = strip(file)
    assert len(shown) == 10
    torch.testing.assert_close(shown[[0, -1]], images_at_ends, atol=1, rtol=0)


def test_a_gan_goes_between_two_noises_on_the_arc(runs, interpolate):
    status, output, _ = interpolate(runs["gan"], "--seed", 4, "--path", "spherical", "--steps", 3)
    assert status == 0 and "spherical, 3 steps between two noises" in output
    a, b = torch.randn(2, 3, generator=generator_for(4, "interpolate"))
    angle = torch.arccos(a @ b / a.norm() / b.norm())
    middle = (a + b) / (2 * torch.cos(angle / 2))  # Shoemake's formula at one half
    decoder = open_run(runs["gan"], "cpu").players.decoder
    expected = ((torch.tanh(decoder(torch.stack([a, middle, b]))) + 1) / 2 * 255).round().squeeze(1)
    torch.testing.assert_close(strip(f"{runs['gan'].name}-interpolation.png"), expected, atol=1, rtol=0)


def test_no_strip_is_overwritten(runs, interpolate, tmp_path, capfd):
    for _ in range(3):
        assert interpolate(runs["gan"], "--steps", 2)[0] == 0
    name = f"{runs['gan'].name}-interpolation"
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}{end}.png" for end in ("", "-2", "-3")}
    line = refused(capfd, "interpolate", runs["gan"], "--out", f"{name}.png")
    assert line == f"--out {name}.png: exists already; name another file"
    assert "no folder gone" in refused(capfd, "interpolate", runs["gan"], "--out", "gone/strip.png")


def test_mistakes_leave_nothing(runs, interpolate, tmp_path, capfd):
    (tmp_path / "broken.png").write_text("no image")
    vae, gan = runs["vae"], runs["gan"]
    for arguments, expected in (
        ((gan, "--pair", 0, 1), f"{gan}: a GAN has no encoder for images; --seed sets its two noises"),
        ((vae, "--pair", 0, 360), "--pair 360: the 360 held-out images are counted from 0"),
        ((vae, "--pair", 0, 1.5), "--pair 1.5: not a whole number of at least 0"),
        ((vae, "--steps", 1), "--steps 1: not a whole number of at least 2 and at most 1000"),
        (
            (vae, "--seed", 1),
            "--seed 1: sets a GAN's noises; this run's ends are images: --files or --pair",
        ),
    ):
        assert refused(capfd, "interpolate", *arguments) == expected
    line = refused(capfd, "interpolate", vae, "--files", "broken.png", "broken.png")
    assert line.startswith("broken.png: cannot be read (")
    assert "not allowed with" in refused(capfd, "interpolate", vae, "--seed", 1, "--pair", 0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["broken.png"]


def test_data_that_are_gone(tmp_path, capfd, interpolate):
    images = tmp_path / "images"
    images.mkdir()
    for i in range(10):
        Image.fromarray(np.full((16, 16, 3), 20 * i, np.uint8)).save(images / f"{i}.png")
    run = tiny_run(tmp_path, f"{DENSE} --dataset {images} --batch-size 4")
    images.rename(tmp_path / "elsewhere")
    line = refused(capfd, "interpolate", run)
    assert line == (
        f"{run}/config.yaml: dataset: {images}: neither a data set nor a folder or file; "
        "--files takes two images"
    )
    files = (tmp_path / "elsewhere" / "1.png", tmp_path / "elsewhere" / "9.png")
    assert interpolate(run, "--files", *files)[0] == 0
