"""The main command as a user runs it."""

import pytest

from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS

TINY = "--latent-dim 2 --image-size 16 --epochs 2"
FEW = f"{TINY} --train-images 192"
KNOBS = {
    "dense": "hidden-dim 4",
    "conv": "base-channels 4",
    "deep_conv": "base-channels 4",
    "resnet": "base-channels 4",
}
BACKBONE = "timm:mobilenetv3_small_050"


def names(registry):
    return [BACKBONE if name == "timm:NAME" else name for name, _ in registry.entries()]


@pytest.mark.parametrize("encoder", names(ENCODERS))
def test_each_encoder_trains_two_epochs(command, encoder):
    knob = f"--{KNOBS[encoder]}" if encoder in KNOBS else ""
    status, output, errors = command(f"{FEW} --encoder {encoder} --decoder dense {knob}")
    assert status == 0, errors
    assert "epoch 2/2 solo" in output


@pytest.mark.parametrize("decoder", names(DECODERS))
def test_each_decoder_trains_two_epochs(command, decoder):
    status, output, errors = command(f"{FEW} --encoder dense --decoder {decoder} --hidden-dim 4")
    assert status == 0, errors
    assert "epoch 2/2 solo" in output


@pytest.mark.parametrize("disc", names(DISCRIMINATORS))
def test_each_discriminator_trains_a_solo_and_a_combo_epoch(command, disc):
    knob = f"--disc-{KNOBS[disc]}" if disc in KNOBS else ""
    status, output, errors = command(f"{FEW} --vae dense --hidden-dim 4 --disc {disc} {knob}")
    assert status == 0, errors
    assert "epoch 1/2 solo" in output and "epoch 2/2 combo" in output
    assert "discriminator's loss" in output


def test_a_last_image_alone_does_not_break_batch_norm_on_maps_of_one_pixel(command):
    flags = (
        "--vae conv --depth 4 --base-channels 2 --latent-dim 2 --image-size 16 --batch-size 359 --epochs 1"
    )
    status, _, errors = command(flags)  # 1437 images: four batches and one image
    assert status == 0, errors


def test_a_dry_run_shows_everything_and_writes_nothing(command, tmp_path):
    status, output, _ = command(
        "--vae dense --hidden-dim 512 --latent-dim 2 --dataset mnist --data-dir nowhere --dry-run"
    )
    assert status == 0
    assert (
        "403,972 parameters" in output and "403,728 parameters" in output and "807,700 parameters" in output
    )
    assert "1 x 28 x 28" in output
    assert "60,000 training, 10,000 held out" in output
    assert "938 an epoch" in output
    assert str(tmp_path / "runs" / "mnist_dense-1") in output
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_shows_the_published_parameter_count_on_cifar10(command):
    _, output, _ = command(
        "--vae dense --hidden-dim 512 --latent-dim 2 --dataset cifar10 --data-dir nowhere --dry-run"
    )
    assert "3,152,900 parameters" in output
    assert "50,000 training, 10,000 held out" in output


def test_a_dry_run_shows_the_weight_of_every_term_over_the_epochs(command):
    _, output, _ = command(
        "--disc conv --epochs 200 --solo-epochs 100 --pbp-decay 0.95 --pbp-decay-every 25 --dry-run"
    )
    table = output.split("# weights")[1].split("# run folder")[0]
    assert [line.split() for line in table.strip().splitlines()] == [
        ["epochs", "phase", "gen/pbp", "gen/kl", "gen/adv", "disc/real", "disc/fake"],
        ["1-100", "solo", "1", "1", "0", "0", "0"],
        ["101-125", "combo", "1", "1", "10", "1", "1"],
        ["126-150", "combo", "0.95", "1", "10", "1", "1"],
        ["151-175", "combo", "0.9025", "1", "10", "1", "1"],
        ["176-200", "combo", "0.857375", "1", "10", "1", "1"],
    ]


def test_a_dry_run_of_faces_that_are_not_there_says_so(command):
    status, output, _ = command("--dataset faces --data-dir nowhere --dry-run")
    assert status == 0
    assert "3 x 64 x 64" in output
    assert "unknown (no folder nowhere/anime_faces)" in output


def test_unreadable_files_are_named_and_counted(command, tmp_path):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(12):
        Image.new("RGB", (20, 20), (20 * i, 0, 0)).save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"")
    status, output, errors = command(f"--vae dense --hidden-dim 4 --dataset {folder} {TINY} --batch-size 4")
    assert status == 0, errors
    assert f"skipped {folder / 'broken.png'}: " in output
    assert "skipped 1 file in all" in output
    assert "9 training and 3 held-out images" in output
