"""Runs of about a second, and the commands that users apply to them."""

from pathlib import Path

import pytest

import train_vaegan
from vaegan.__main__ import main

TINY = "--image-size 16 --latent-dim 3 --batch-size 64 --epochs 1 --lr 0.01"
DENSE = f"{TINY} --vae dense --hidden-dim 32 --beta 0.01"
HYBRID = (
    f"{TINY} --vae conv --base-channels 4 --disc conv --disc-base-channels 4 --solo-epochs 0 --ema 0.9 "
    "--beta 0.01 --spectral-norm --precision bf16 --train-images 640"
)
GAN = f"{TINY} --gan dense --hidden-dim 32 --disc dense --disc-hidden-dim 8"


def tiny_run(folder: Path, flags: str) -> Path:
    """The folder of a run with these flags, below that folder."""
    before = set(folder.iterdir())
    assert train_vaegan.main([*flags.split(), "--runs-dir", str(folder)]) == 0
    (made,) = set(folder.iterdir()) - before
    return made


def typed(capfd: pytest.CaptureFixture, *arguments) -> tuple[int, str, str]:
    """`python -m vaegan` with these arguments: (exit status, output, errors), from exporters' C++ as well."""
    capfd.readouterr()
    status = main(list(map(str, arguments)))
    captured = capfd.readouterr()
    return status, captured.out, captured.err


def refused(capfd: pytest.CaptureFixture, *arguments) -> str:
    """The one line that a user's mistake comes to."""
    status, _, errors = typed(capfd, *arguments)
    assert status == 2
    (line,) = errors.splitlines()
    return line
