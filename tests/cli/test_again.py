"""Printed commands: they work in the user's directory and with the same Python."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from vaegan.cli import again

ROOT = again.PROGRAM.parent


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A working directory beside the project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def not_activated(monkeypatch, tmp_path):
    """Another `python` comes first, and nothing of the environment is in the path."""
    other = tmp_path / "bin" / "python"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\nexit 3\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", str(other.parent))


@pytest.fixture
def installed(monkeypatch):
    """As from a wheel: the package holds `datasets`, and no folder of the project is at hand."""
    monkeypatch.setattr(again, "IN_A_CHECKOUT", False)


def test_in_the_project_s_folder_they_are_those_of_the_readme(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert again.training("--resume", Path("runs/a b")) == "python train_vaegan.py --resume 'runs/a b'"
    assert again.command("evaluate", "runs/a") == "python -m vaegan evaluate runs/a"


def test_elsewhere_they_name_the_files(elsewhere):
    assert again.training("--resume", "a") == f"python {ROOT}/train_vaegan.py --resume a"
    assert again.command("evaluate", "a") == f"python {ROOT}/vaegan evaluate a"


def test_above_the_project_they_begin_with_its_folder(monkeypatch):
    monkeypatch.chdir(ROOT.parent)
    assert again.training("--resume", "a") == f"python {ROOT.name}/train_vaegan.py --resume a"
    assert again.command("evaluate", "a") == f"python {ROOT.name}/vaegan evaluate a"


def test_from_a_wheel_they_begin_with_the_installed_program(elsewhere, installed, monkeypatch):
    monkeypatch.setattr(again, "_is_at_hand", lambda program: True)
    assert again.training("--resume", "a") == "vaegan train --resume a"
    assert again.command("evaluate", "a") == "vaegan evaluate a"
    assert again.training("--resume", "a", processes=2) == (
        "torchrun --nproc-per-node 2 -m vaegan train --resume a"
    )


def test_where_python_is_another_one_they_name_the_one_that_runs(elsewhere, installed, not_activated):
    assert again.command("evaluate", "a") == f"{sys.executable} -m vaegan evaluate a"
    assert again.training(processes=2) == (
        f"{sys.executable} -m torch.distributed.run --nproc-per-node 2 -m vaegan train"
    )
    assert again.wandb() == f"{sys.executable} -m wandb"


def test_an_environment_below_the_user_is_named_as_in_the_readme(elsewhere, installed, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(elsewhere / ".venv/bin/python"))
    assert again.command("evaluate", "a") == ".venv/bin/python -m vaegan evaluate a"


def test_the_printed_command_runs_from_anywhere_without_an_installation(elsewhere):
    line = again.command("nonsense")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(shlex.split(line), capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.startswith("nonsense: unknown command; ")
