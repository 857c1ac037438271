"""Figures on real MNIST; minutes each, so only with `pytest -m long`."""

import json

import pytest

pytestmark = pytest.mark.long
RECIPE = "--latent-dim 20 --batch-size 128 --epochs 10 --dataset mnist"


def bound(command, tmp_path, flags, data_dir):
    """The test bound after the last epoch, in nats an image."""
    status, _, errors = command(f"{RECIPE} {flags} --run-name run --data-dir {data_dir}")
    assert status == 0, errors
    last = json.loads((tmp_path / "runs" / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    return last["test/gen/pbp"] + last["test/gen/kl"]


def test_the_dense_vae_reaches_106_nats(command, tmp_path, data_dir):
    assert bound(command, tmp_path, "--vae dense --hidden-dim 400", data_dir) <= 106


def test_the_conv_vae_is_better_than_the_dense_one(command, tmp_path, data_dir):
    assert bound(command, tmp_path, "--vae conv", data_dir) < 105
