"""Sets of few images: batch sizes that fit them, and batches of one image."""

import pytest
import torch
import yaml
from PIL import Image

from vaegan.commands.ablate import complete
from vaegan.config.make import fitting_batch_size, make_config

CONV = "--vae conv --base-channels 4"
DENSE = "--vae dense --hidden-dim 4"
SINGLE = {
    "dense": DENSE,
    "group norm": f"{CONV} --norm group",
    "learned loss": f"{CONV} --norm none --disc conv --disc-base-channels 4 --adv wgan-gp --solo-epochs 0",
    "GAN": "--gan dense --hidden-dim 4 --disc dense --disc-hidden-dim 4 --adv wgan-gp --disc-steps 2",
}


def photos(folder, n, n_broken=0):
    folder.mkdir()
    for number in range(n):
        noise = torch.randint(256, (8, 8), generator=torch.Generator().manual_seed(number)).byte()
        Image.fromarray(noise.numpy()).save(folder / f"{number:03}.png")
    for number in range(n_broken):
        (folder / f"broken-{number}.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def train(command, tmp_path):
    """Trains on so many photos; returns (exit status, output, errors) and config.yaml's content, if any."""

    def run(n, flags, n_broken=0):
        folder = photos(tmp_path / "photos", n, n_broken)
        given = f"--dataset {folder} --image-size 8 --epochs 1 --latent-dim 2 --device cpu {flags}"
        result = command(given, "--run-name", "run")
        path = tmp_path / "runs/run/config.yaml"
        return *result, yaml.safe_load(path.read_text()) if path.exists() else None

    return run


@pytest.mark.parametrize(
    ("n_train", "expected"),
    [(None, 64), (1437, 64), (128, 64), (127, 32), (48, 16), (8, 4), (4, 2), (3, 1), (2, 1), (1, 1), (0, 1)],
)
def test_a_batch_is_the_largest_power_of_two_of_which_there_are_two(n_train, expected):
    assert fitting_batch_size(n_train) == expected


def test_the_batch_fits_60_photos_and_says_so(train, command, tmp_path):
    status, out, err, config = train(60, f"{CONV} --augment hflip")
    assert (status, err) == (0, "")
    (note,) = [line for line in out.splitlines() if line.startswith("note: batches of ")]
    assert note == (
        "note: batches of 16, not 64: of 48 training images these make two or more; --batch-size sets it"
    )
    assert config["batch_size"] == 16
    status, out, err = command(f"--resume {tmp_path / 'runs/run'} --epochs 2")
    assert (status, err) == (0, "")
    assert "batches of" not in out


def test_a_dry_run_shows_the_batch_that_the_run_would_have(train):
    status, out, err, config = train(60, f"{CONV} --dry-run")
    assert (status, err, config) == (0, "", None)
    assert "note: batches of 16, not 64" in out
    assert "batch_size: 16" in out
    assert "steps     3 an epoch" in out


def test_files_that_cannot_be_read_are_not_counted(train):
    status, out, err, config = train(20, DENSE, n_broken=20)
    assert (status, err) == (0, "")
    assert "note: batches of 8, not 64: of 16 training images" in out
    assert config["batch_size"] == 8


def test_a_batch_size_that_was_typed_is_not_changed(train):
    status, _, err, _ = train(60, f"{DENSE} --batch-size 32")
    assert status == 2
    assert err == "--batch-size 32: there are 48 training images, fewer than two batches of 32\n"


def test_an_arm_of_an_ablation_has_the_batch_that_its_run_would_have(tmp_path):
    folder = photos(tmp_path / "photos", 20, n_broken=20)
    options = {"dataset": str(folder), "image_size": 8, "vae": "dense"}
    assert complete(make_config(options)).batch_size == 8
    assert complete(make_config(options | {"batch_size": 4})).batch_size == 4


@pytest.mark.parametrize("flags", SINGLE.values(), ids=SINGLE)
def test_batches_of_one_image_train(train, flags):
    status, _, err, config = train(6, f"{flags} --batch-size 1")
    assert (status, err) == (0, "")
    assert config["batch_size"] == 1


@pytest.mark.parametrize(
    ("flags", "parts"),
    [
        (CONV, ("of the encoder and the decoder", "or --norm group")),
        (f"{DENSE} --disc conv", ("of the disc,", "or --disc-norm group")),
        (f"{CONV} --disc timm:resnet10t", ("the decoder and the disc", "--norm group and another --disc")),
    ],
)
def test_batch_norm_does_not_take_single_images(train, flags, parts):
    status, _, err, config = train(6, f"{flags} --batch-size 1")
    assert (status, config) == (2, None)
    (line,) = err.splitlines()
    assert line.startswith("--batch-size 1: batch norm, here ")
    assert "process" not in line
    for part in (*parts, "two images or more", "larger batch"):
        assert part in line


def test_a_set_whose_batches_are_too_small_for_the_networks_is_named(train, tmp_path):
    status, _, err, _ = train(4, CONV)
    assert status == 2
    start = f"--dataset {tmp_path / 'photos'}: 3 training images make batches of one, and batch norm, here of"
    assert err.startswith(start)


def test_parts_of_a_batch_that_fits_keep_two_images(train):
    status, _, err, _ = train(60, f"{DENSE} --accumulate 16")
    assert (status, err) == (2, "--accumulate 16: a batch of 16 has fewer than 2 images for each part\n")
