"""The imports of the command line before it has work to do: no slow library that is not used."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from vaegan.__main__ import names

ROOT = Path(__file__).resolve().parent.parent
TRAIN = str(ROOT / "train_vaegan.py")
COMMANDS = {f"vaegan.commands.{name.replace('-', '_')}" for name in names()}
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


# one after the other in one process: none may load what the ones after it must not find either
LINES = {
    "--help": 0,
    "--vae conv --disc resnet --dataset digits --ema 0.999 --dry-run": 0,
    "--gan deep_conv --disc deep_conv --dataset mnist --lr-schedule cosine --dry-run": 0,
    "--disc resnt": 2,
}
ONE_BY_ONE = """
import json, sys, importlib
from train_vaegan import main
loaded = {}
for line in sys.argv[1:]:
    try:
        status = main(line.split())
    except SystemExit as ended:
        status = ended.code
    loaded[line] = [status, *sys.modules]
for name in sys.stdin.read().split():
    importlib.import_module(name)
loaded["all commands"] = [0, *sys.modules]
print("loaded:", json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory) -> dict[str, list]:
    """The exit status and the modules loaded so far after each line, and after the import of all commands."""
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, *LINES],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        input=" ".join(COMMANDS),
        cwd=tmp_path_factory.mktemp("nowhere"),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.rpartition("loaded: ")[2])


@pytest.mark.parametrize("line", LINES)
def test_the_main_command_loads_nothing_slow_but_pytorch(loaded, line):
    status, *modules = loaded[line]
    assert status == LINES[line]
    assert {"torch", "pydantic", "vaegan.config.schema"} <= {*modules}
    assert SLOW & {*modules} == set()


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_the_script_loads_nothing_slow_but_pytorch(line):
    modules = imported(TRAIN, *line.split(), status=LINES[line])
    assert {"torch", "pydantic", "vaegan.config.schema"} <= modules
    assert modules & SLOW == set()


def test_all_commands_together_load_nothing_slow_but_pytorch(loaded):
    _, *modules = loaded["all commands"]
    assert {*modules} >= COMMANDS
    assert SLOW & {*modules} == set()


def test_the_overview_of_commands_loads_not_even_pytorch():
    modules = imported("-m", "vaegan", "--help")
    assert "vaegan.commands" in modules
    assert not modules & {"torch", "numpy", "pydantic", *SLOW}


def test_a_command_that_does_not_exist_is_refused_before_pytorch_is_loaded():
    assert "torch" not in imported("-m", "vaegan", "evalute", status=2)


def test_the_package_alone_loads_nothing():
    modules = imported("-c", "import vaegan")
    assert "vaegan" in modules
    assert not modules & {"torch", "numpy", "pydantic", "yaml", *SLOW}
