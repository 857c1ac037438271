"""Runs of about a second, and the commands that users apply to them."""

import hashlib
from pathlib import Path

import pytest
from filelock import FileLock

import train_vaegan
from vaegan.__main__ import main

TINY = "--image-size 16 --latent-dim 3 --batch-size 64 --epochs 1 --lr 0.01"
DENSE = f"{TINY} --vae dense --hidden-dim 32 --beta 0.01"
HYBRID = (
    f"{TINY} --vae conv --base-channels 4 --disc conv --disc-base-channels 4 --solo-epochs 0 --ema 0.9 "
    "--beta 0.01 --spectral-norm --precision bf16 --train-images 640"
)
GAN = f"{TINY} --gan dense --hidden-dim 32 --disc dense --disc-hidden-dim 8"


class Records:
    """A watcher of a training that keeps the records."""

    def __init__(self):
        self.records = []

    def on_step(self, *_):
        pass

    def on_epoch(self, record, pictures):
        self.records.append(record)


def plain(given: list[str]) -> list[str]:
    """The arguments of a training on digits without a preset, where they do not say otherwise.

    So tests of one option name it alone, and presets, which may change, are tested by themselves.
    """
    if {"--config", "--resume"} & {argument.partition("=")[0] for argument in given}:
        return given
    return ["--preset", "none", "--dataset", "digits", *given]


def tiny_run(folder: Path, flags: str) -> Path:
    """The folder of a run with these flags, below that folder; evaluated only if they say so."""
    before = set(folder.iterdir())
    given = [*flags.split(), "--runs-dir", str(folder)]
    given += [] if "--evaluate" in given else ["--evaluate", "false"]
    assert train_vaegan.main(plain(given)) == 0
    (made,) = set(folder.iterdir()) - before
    return made


def shared_tiny_run(place: Path, flags: str) -> Path:
    """The folder of a run with these flags; the first test or process that asks for it trains it.

    place: a folder that all processes of a test session share.
    """
    own = place / hashlib.sha256(flags.encode()).hexdigest()[:16]
    runs, done = own / "runs", own / "name"
    runs.mkdir(parents=True, exist_ok=True)
    with FileLock(own / "lock"):
        if not done.exists():
            done.write_text(tiny_run(runs, flags).name)
    return runs / done.read_text()


def changed_since_training(place: Path) -> list[Path]:
    """The files and folders of shared runs that a test has written."""
    return [
        path
        for done in place.glob("*/name")
        for path in (done.parent / "runs").rglob("*")
        if path.stat().st_mtime_ns > done.stat().st_mtime_ns
    ]


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
