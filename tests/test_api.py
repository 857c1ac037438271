"""The Python API: a run is trained, opened and used with images of any kind, and mistakes are exceptions."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import vaegan

SMALL = {
    "dataset": "digits",
    "image_size": 16,
    "hidden_dim": 8,
    "latent_dim": 3,
    "epochs": 1,
    "train_images": 128,
    "device": "cpu",
    "evaluate": False,
    "wandb": "disabled",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A dense VAE trained for an epoch."""
    return vaegan.train(vae="dense", runs_dir=tmp_path_factory.mktemp("runs"), run_name="a", **SMALL)


@pytest.fixture(scope="module")
def gan(tmp_path_factory):
    """A dense GAN trained for an epoch."""
    runs = tmp_path_factory.mktemp("runs")
    return vaegan.train(gan="dense", disc="dense", disc_hidden_dim=8, runs_dir=runs, run_name="g", **SMALL)


def test_importing_it_loads_next_to_nothing():
    code = (
        "import sys, vaegan; print(sorted(set(sys.modules) & {'torch', 'numpy', 'pydantic', 'rich', 'yaml'}))"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"
    assert {"load", "train", "UserError", "TrainedRun"} <= set(dir(vaegan))
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = vaegan.trian


def test_training_is_what_the_command_does(run, tmp_path, command):
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in SMALL.items()]
    status, _, errors = command("", "--vae", "dense", "--run-name", "b", *flags)
    assert status == 0, errors
    (ours,), (theirs,) = run.records(), vaegan.load(tmp_path / "runs" / "b").records()
    timed = ("time/", "memory/")
    assert {k: v for k, v in ours.items() if not k.startswith(timed)} == {
        k: v for k, v in theirs.items() if not k.startswith(timed)
    }


def test_what_made_the_run_is_noted_as_a_command(run):
    command = json.loads((run.folder / "environment.json").read_text())["command"]
    assert command.startswith("python -c ") and "vaegan.train(vae=" in command


def test_a_run_shows_its_options_figures_and_networks(run):
    assert run.config.vae == "dense"
    assert [record["epoch"] for record in run.records()] == [0]
    assert run.evaluation() is None
    assert run.image_shape == (1, 16, 16)
    assert not run.players.training
    assert str(run.folder) in repr(run) and "1 epoch (step-" in repr(run)


def test_a_string_and_a_checkpoint_lead_to_the_same_networks(run, tmp_path):
    copy = tmp_path / "alone.safetensors"
    copy.write_bytes(run.checkpoint.read_bytes())
    z = torch.ones(2, 3)
    for other in (vaegan.load(str(run.folder)), vaegan.load(copy)):
        assert torch.equal(other.decode(z), run.decode(z))


def test_images_of_every_kind_are_taken(run, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    tensor = torch.from_numpy(pixels)[None]
    Image.fromarray(pixels).save(tmp_path / "a.png")
    expected = run.encode(tensor)
    assert expected.shape == (1, 3)
    kinds = [
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        Image.fromarray(pixels),
        pixels,
        pixels[None],
        pixels[..., None],
        pixels[None, ..., None],
        pixels / 255,
        tensor[None],
        tensor.float() / 255,
    ]
    for each in kinds:
        assert torch.allclose(run.encode(each), expected, atol=1e-6), each
    assert run.encode(kinds).shape == (len(kinds), 3)


def test_larger_and_coloured_images_are_cut_and_resized(run):
    tall = Image.new("RGB", (20, 40), "red")
    red = run.encode(tall)
    assert torch.allclose(run.encode(np.array(tall)), red)
    assert torch.allclose(run.encode(torch.from_numpy(np.array(tall)).permute(2, 0, 1)), red)
    assert not torch.allclose(run.encode(Image.new("RGB", (20, 40), "white")), red)


def test_reconstructions_samples_and_ways_between_images(run):
    images = torch.rand(5, 1, 16, 16)
    x_hat = run.reconstruct(images)
    assert x_hat.shape == images.shape and 0 <= x_hat.min() <= x_hat.max() <= 1
    assert torch.equal(x_hat, run.decode(run.encode(images)))
    assert torch.equal(run.sample(4, seed=1), run.sample(4, seed=1))
    assert not torch.equal(run.sample(4, seed=1), run.sample(4, seed=2))
    way = run.interpolate(images[:1], images[1:2], steps=9)
    assert way.shape == (9, 1, 16, 16)
    assert torch.equal(way[[0, -1]], x_hat[:2])
    assert run.interpolate(torch.zeros(3), torch.ones(3), 3, path="spherical").shape == (3, 1, 16, 16)
    assert run.decode([0.0, 0.0, 0.0]).shape == (1, 1, 16, 16)


def test_samples_are_those_of_the_command(run, tmp_path):
    out = tmp_path / "samples"
    arguments = ["sample", str(run.folder), "--count", "2", "--seed", "5", "--out", str(out)]
    subprocess.run([sys.executable, "-m", "vaegan", *arguments], check=True, capture_output=True)
    drawn = [np.array(Image.open(out / f"000{i}.png")) for i in range(2)]
    assert torch.equal((run.sample(2, seed=5)[:, 0] * 255).round().byte(), torch.tensor(np.stack(drawn)))


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        ("nowhere.png", r"^nowhere\.png: cannot be read \(no such file\)$"),
        ([], "none were given"),
        (7, "int; files, PIL images, arrays and tensors are accepted"),
        (torch.zeros(2, 2), r"Tensor of shape \[2, 2\]"),
        (torch.zeros(2, 5, 16, 16), r"Tensor of shape \[2, 5, 16, 16\]"),
        (torch.full((1, 16, 16), 2.0), "another range"),
        (torch.full((1, 16, 16), -1), "another range"),
        (torch.full((1, 16, 16), torch.nan), "another range"),
    ],
)
def test_what_is_no_image_is_refused_in_a_line(run, images, problem):
    with pytest.raises(vaegan.UserError, match=problem):
        run.encode(images)


def test_a_gan_samples_and_reconstructs_nothing(gan):
    assert gan.sample(3).shape == (3, 1, 16, 16)
    assert gan.interpolate(torch.zeros(3), torch.ones(3), 4).shape == (4, 1, 16, 16)
    with pytest.raises(vaegan.UserError, match="a GAN has no encoder"):
        gan.reconstruct(torch.zeros(1, 16, 16))


@pytest.mark.parametrize(
    ("use", "problem"),
    [
        (lambda run: run.decode(torch.zeros(2, 4)), r"latents of shape \[2, 4\]; \[N, 3\] is accepted"),
        (lambda run: run.interpolate(torch.zeros(3), torch.ones(3), 1), "at least 2"),
        (lambda run: run.interpolate(torch.zeros(3), torch.ones(3), path="round"), "linear and spherical"),
        (
            lambda run: run.interpolate(torch.zeros(2, 1, 16, 16), torch.ones(3)),
            "2 images, where one is an end",
        ),
        (lambda run: vaegan.load(run.folder, checkpoint="bets"), "no such checkpoint"),
        (lambda run: vaegan.load(run.checkpoint, checkpoint="best"), "is one already"),
        (lambda run: vaegan.load(run.folder / "nowhere"), "no such folder"),
        (lambda run: vaegan.train(disc="resnt"), r'^--disc resnt: unknown .*did you mean "resnet"'),
        (lambda run: vaegan.train(dics="resnet"), r'^--dics resnet: unknown option; did you mean "disc"'),
        (lambda run: vaegan.train(lr="fast"), "^--lr fast: not a finite number"),
        (lambda run: vaegan.train(resume=str(run.folder), lr=0.5), "^--lr 0.5: the run was made with"),
    ],
)
def test_a_mistake_is_an_exception_with_the_command_s_text(run, use, problem):
    with pytest.raises(vaegan.UserError, match=problem) as caught:
        use(run)
    assert "\n" not in str(caught.value)


def test_empty_and_missing_values_are_taken_as_in_a_call(run, capsys):
    assert vaegan.train(vae="dense", dry_run=True, plugins=None, augment=[], **SMALL) is None
    assert "# run folder" in capsys.readouterr().out
    assert vaegan.load(run.checkpoint, plugins=None).records() == run.records()
    way = run.interpolate(np.zeros(3), np.ones(3), steps=3)
    assert torch.equal(way, run.interpolate(torch.zeros(3), torch.ones(3), steps=3))


def test_a_run_goes_on(run, tmp_path):
    options = {**SMALL, "runs_dir": str(tmp_path), "run_name": "c"}
    vaegan.train(vae="dense", **options)
    more = vaegan.train(resume=tmp_path / "c", epochs=2)
    assert [record["epoch"] for record in more.records()] == [0, 1]
