"""Runs that begin with the weights of another run."""

import json
import shutil

import pytest
import torch
import yaml
from tiny_runs import plain, tiny_run

import train_vaegan
from vaegan.commands.ablate import complete
from vaegan.config.make import make_config
from vaegan.training.checkpoint import last_checkpoint, newest

TINY = "--image-size 16 --latent-dim 3 --epochs 1 --train-images 128 --device cpu --evaluate false"
CONV = f"{TINY} --vae conv --base-channels 4"
DISC = "--disc conv --disc-base-channels 4"


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs"), f"{CONV} {DISC} --solo-epochs 0 --ema 0.9")


@pytest.fixture
def say(capsys):
    """Runs `train_vaegan.py`; returns (exit status, output, errors)."""

    def run(flags, *more):
        capsys.readouterr()
        status = train_vaegan.main(plain([*flags.split(), *map(str, more)]))
        return status, *capsys.readouterr()

    return run


def test_a_run_begins_with_what_fits_notes_it_and_goes_on_without_the_other(source, tmp_path, say):
    other = shutil.copytree(source, tmp_path / "other")
    where = ("--runs-dir", tmp_path, "--run-name", "new")
    flags = f"{CONV} --disc resnet --disc-base-channels 4 --lr 0.005"
    status, out, err = say(flags, "--init-from", other, *where)
    assert (status, err) == (0, "")
    (line,) = [line for line in out.splitlines() if line.startswith("begins with")]
    stem = last_checkpoint(other / "checkpoints").stem
    assert line.startswith(
        f"begins with the encoder and the decoder (averaged) of {other}, {stem}; "
        "not taken: disc (another network"
    )
    assert yaml.safe_load((tmp_path / "new/config.yaml").read_text())["init_from"] == f"{other}:{stem}"
    note = json.loads((tmp_path / "new/environment.json").read_text())["init_from"]
    assert (note["taken"], list(note["not_taken"]), len(note["sha256"])) == (
        ["encoder", "decoder"],
        ["disc"],
        64,
    )
    shutil.rmtree(other)
    assert say("--epochs 2", "--resume", tmp_path / "new")[0] == 0


def test_the_weights_are_the_others_before_the_first_step_and_saved_at_once(
    source, tmp_path, say, monkeypatch
):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaegan.training.loop.Step.__call__", stop)
    where = ("--runs-dir", tmp_path, "--run-name", "new")
    say(f"{CONV} {DISC} --ema 0.5", "--init-from", source, *where)
    begun, theirs = (newest(folder / "checkpoints").tensors for folder in (tmp_path / "new", source))
    for name, value in begun.items():
        expected = theirs[name.replace("decoder.", "ema.module.", name.startswith("decoder."))]
        assert torch.equal(value, expected), name


def test_a_gan_begins_with_the_decoder_and_d_of_a_vae(source, say):
    flags = f"{TINY} --gan conv --base-channels 4 {DISC} --dry-run"
    status, out, _ = say(flags, "--init-from", source)
    line = out.splitlines()[-1]
    assert (status, line.split(" of ")[0]) == (0, "begins with the decoder (averaged) and the disc")
    assert "encoder (this run has none)" in line
    assert "--pixel-range 01, and this run has pm1" in line


@pytest.mark.parametrize(
    ("flags", "suffix", "start", "parts"),
    [
        (CONV, "x", "--init-from {}x: no such folder", ("did you mean",)),
        (CONV, ":bets", "--init-from {}:bets: no checkpoint bets", ("There: step-",)),
        (CONV, "/figures", "--init-from {}/figures: no run's folder", ("accepted",)),
        (
            CONV.replace("--latent-dim 3", "--latent-dim 4"),
            "",
            "--init-from {}: no network of ",
            (
                "encoder (head.logvar.bias is [3] there, [4] here)",
                "decoder (body.0.linear.weight is [",
                "disc (this run has none)",
            ),
        ),
        (f"{CONV} --init-parts disc encoder", "", "--init-parts disc encoder: not to be had", ("disc (",)),
        (f"{CONV} --init-parts encodr", "", "--init-parts encodr: unknown value", ('"encoder"?',)),
    ],
)
def test_what_cannot_be_taken_is_said_in_a_line(source, say, tmp_path, flags, suffix, start, parts):
    status, _, err = say(flags, "--runs-dir", tmp_path / "runs", "--init-from", f"{source}{suffix}")
    assert (status, (tmp_path / "runs").exists()) == (2, False)
    (line,) = err.splitlines()
    assert line.startswith(start.format(source))
    for part in parts:
        assert part in line


def test_parts_without_a_run_are_refused(say):
    status, _, err = say(f"{CONV} --init-parts encoder")
    assert (status, err) == (
        2,
        "--init-parts encoder: there is no run to take them from; add --init-from RUN\n",
    )


def test_arms_of_an_ablation_begin_with_one_checkpoint(source):
    options = {
        "dataset": "digits",
        "image_size": 16,
        "latent_dim": 3,
        "vae": "conv",
        "base_channels": 4,
        "ema": 0.9,
    }
    config = complete(make_config(options | {"init_from": str(source)}))
    assert config.init_from == f"{source}:{last_checkpoint(source / 'checkpoints').stem}"
    assert complete(make_config(options | {"init_from": config.init_from})) == config
