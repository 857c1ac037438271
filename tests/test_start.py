"""The imports of the command line before it has work to do: no slow library that is not used."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vaegan.__main__ import names

ROOT = Path(__file__).resolve().parent.parent
TRAIN = str(ROOT / "train_vaegan.py")
# each takes from a tenth of the time that PyTorch takes to several times as long
SLOW = {
    *(
        "timm",
        "kornia",
        "torchvision",
        "sklearn",
        "scipy",
        "matplotlib",
        "torchmetrics",
        "wandb",
        "tensorboard",
    ),
    *("pandas", "sympy", "onnx", "ray", "submitit", "torch._dynamo", "torch._inductor", "torch.onnx"),
}


def imported(*arguments: str, status: int = 0) -> set[str]:
    """The modules that Python has loaded by the end of such a command line."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], env=environment, capture_output=True, text=True
    )
    assert done.returncode == status, done.stderr[-2000:]
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("--help", 0),
        ("--vae conv --disc resnet --dataset digits --ema 0.999 --dry-run", 0),
        ("--gan deep_conv --disc deep_conv --dataset mnist --lr-schedule cosine --dry-run", 0),
        ("--disc resnt", 2),
    ],
)
def test_the_main_command_loads_nothing_slow_but_pytorch(line, status):
    modules = imported(TRAIN, *line.split(), status=status)
    assert {"torch", "pydantic", "vaegan.config.schema"} <= modules
    assert modules & SLOW == set()


def test_the_overview_of_commands_loads_not_even_pytorch():
    modules = imported("-m", "vaegan", "--help")
    assert "vaegan.commands" in modules
    assert not modules & {"torch", "numpy", "pydantic", *SLOW}


def test_a_command_that_does_not_exist_is_refused_before_pytorch_is_loaded():
    assert "torch" not in imported("-m", "vaegan", "evalute", status=2)


def test_all_commands_together_load_nothing_slow_but_pytorch():
    commands = {f"vaegan.commands.{name.replace('-', '_')}" for name in names()}
    modules = imported("-c", f"import {', '.join(commands)}")
    assert commands <= modules
    assert modules & SLOW == set()


def test_the_package_alone_loads_nothing():
    modules = imported("-c", "import vaegan")
    assert "vaegan" in modules
    assert not modules & {"torch", "numpy", "pydantic", "yaml", *SLOW}
