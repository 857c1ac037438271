"""How long the command line takes to start, against `import torch` alone: `python benchmarks/start.py`.

One command after the other, then all again, so that whatever else the machine does meets all alike.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
TRAIN = str(ROOT / "train_vaegan.py")
YARDSTICK = "import torch"
COMMANDS = {
    YARDSTICK: ["-c", "import torch"],
    "import vaegan": ["-c", "import vaegan"],
    "train --help": [TRAIN, "--help"],
    "train --dry-run, digits": [TRAIN, "--vae", "conv", "--disc", "resnet", "--dry-run"],
    "train, a typing mistake": [TRAIN, "--disc", "resnt"],
    "python -m vaegan --help": ["-m", "vaegan", "--help"],
}


def seconds(arguments: list[str], environment: dict[str, str], folder: str) -> float:
    """How long Python takes to do that, in a folder of its own."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], env=environment, cwd=folder, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(repeats + 1):
            for name, arguments in COMMANDS.items():
                one = seconds(arguments, environment, folder)
                if i:  # the first time files are read from the disk and compiled
                    taken[name].append(one)
    torch_alone = median(taken[YARDSTICK])
    print(f"{'median of ' + str(repeats):28}{'seconds':>9}{'of import torch':>18}")
    for name, each in taken.items():
        print(f"{name:28}{median(each):9.2f}{median(each) / torch_alone:18.2f}")


if __name__ == "__main__":
    main()
