"""Shared fixtures: real data if available, small runs, the command as a user types it."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_runs import changed_since_training, plain, shared_tiny_run

import train_vaegan
from vaegan.figures.curves import save_curves

os.environ["WANDB_MODE"] = "disabled"  # a run of each test's own would take a second or two
# as in an activated environment, whose `python` and `wandb` printed commands name
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
DRAWS_CURVES = "vaegan.run.folder.save_curves"
torch.set_num_threads(1)  # the tests' networks are too small for two threads to pay


@pytest.fixture
def data_dir() -> Path:
    """The folder of real data that $VAEGAN_DATA names; the test is skipped where there is none."""
    path = os.environ.get("VAEGAN_DATA")
    if not path or not Path(path).is_dir():
        pytest.skip(
            "needs real data: set VAEGAN_DATA to the folder that holds MNIST, CIFAR-10 and anime_faces"
        )
    return Path(path)


@pytest.fixture
def no_downloads(monkeypatch, tmp_path):
    """torch.hub has an empty folder of its own, and what it would download cannot be had."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))

    def refuse(*arguments, **more):
        raise OSError("no network here")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)


@pytest.fixture
def in_float64():
    """Tensors are float64 by default, for comparisons with autograd."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session", autouse=True)
def blank_curves():
    """The curves of runs are a blank picture: to draw them takes four fifths of a tiny run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DRAWS_CURVES, lambda path, *_: Image.new("L", (8, 8)).save(path))
        yield


@pytest.fixture
def real_curves(blank_curves, monkeypatch):
    """The test's runs draw their curves as a user's do."""
    monkeypatch.setattr(DRAWS_CURVES, save_curves)


@pytest.fixture(scope="session")
def shared_run(tmp_path_factory):
    """Gives the folder of a tiny run with these flags, which is trained once in a session.

    Tests that write into it make a copy first.
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # each process has a folder of its own in the session's
        place = place.parent
    place /= "shared-runs"
    yield partial(shared_tiny_run, place)
    assert changed_since_training(place) == []


@pytest.fixture
def command(tmp_path, capsys):
    """Runs `train_vaegan.py` with flags given as one string; returns (exit status, output, errors).

    Runs go into `runs` below the test's own folder. They are on digits and without a preset where the flags
    name none. They are evaluated where the flags say so: it takes longer than a small run.
    """

    def run(flags: str, *more: str) -> tuple[int, str, str]:
        capsys.readouterr()
        given = [*plain([*flags.split(), *more]), "--runs-dir", str(tmp_path / "runs")]
        status = train_vaegan.main(given if "--evaluate" in given else [*given, "--evaluate", "false"])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
