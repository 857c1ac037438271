"""Start-up time of the command line, against `import torch` alone: `python benchmarks/start.py`.

One command after the other, then all again, so that whatever else the machine does meets all alike. The time
of processors (that of all threads) is told as well: it changes less where the machine is busy.
"""

import argparse
import os
import resource
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
    "train --dry-run, digits": [
        TRAIN,
        "--vae",
        "conv",
        "--disc",
        "resnet",
        "--dataset",
        "digits",
        "--dry-run",
    ],
    "train, a typing mistake": [TRAIN, "--disc", "resnt"],
    "python -m vaegan --help": ["-m", "vaegan", "--help"],
}


def seconds(arguments: list[str], environment: dict[str, str], folder: str) -> tuple[float, float]:
    """The seconds that Python takes for that command line, and those of processors."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, cwd=folder, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    processors = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - started, processors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10)
    repeats = parser.parse_args().repeats
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        for i in range(repeats + 1):
            for name, arguments in COMMANDS.items():
                one = seconds(arguments, environment, folder)
                if i:  # the first time files are read from the disk and compiled
                    taken[name].append(one)
    print(f"{f'median of {repeats}':28}{'seconds':>9}{'ratio':>8}{'of processors':>15}{'ratio':>8}")
    alone = [median(each) for each in zip(*taken[YARDSTICK], strict=True)]
    for name, each in taken.items():
        whole, processors = (median(one) for one in zip(*each, strict=True))
        ratios = whole / alone[0], processors / alone[1]
        print(f"{name:28}{whole:9.2f}{ratios[0]:8.2f}{processors:15.2f}{ratios[1]:8.2f}")


if __name__ == "__main__":
    main()
