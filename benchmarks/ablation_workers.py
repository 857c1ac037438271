"""Compares several runs of an ablation at the same time with one run after the other.

Trains four small runs with each number of workers. The workers share a CPU's cores; each uses the whole
GPU. Prints the wall times and the ratio to one worker. Evaluations are included, as in every ablation.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from vaegan.cli.again import PACKAGE
from vaegan.devices import cores

SPEC = """
options:
  vae: conv
  base_channels: 16
  disc: resnet
  disc_base_channels: 8
  dataset: cartoon:1000
  image_size: 32
  latent_dim: 64
  epochs: {epochs}
  solo_epochs: 0
  figure_epochs: [{epochs}]
  device: {device}
  wandb: disabled
grid:
  disc_weight: [1, 10]
seeds: [0, 1]
"""


def seconds(folder: Path, workers: int) -> float:
    """The wall time of the ablation with this number of workers."""
    command = [sys.executable, "-m", "vaegan", "ablate", str(folder.parent / "spec.yaml")]
    places = ["--runs-dir", str(folder), "--workers", str(workers)]
    started = time.perf_counter()
    subprocess.run([*command, *places], check=True, cwd=PACKAGE.parent, stdout=sys.stderr)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--epochs", type=int, default=4)
    default = "cuda" if torch.cuda.is_available() else "cpu"
    parser.add_argument("--device", choices=("cpu", "cuda"), default=default)
    arguments = parser.parse_args()
    taken = {}
    with tempfile.TemporaryDirectory() as name:
        text = SPEC.format(epochs=arguments.epochs, device=arguments.device)
        (Path(name) / "spec.yaml").write_text(text, encoding="utf-8")
        seconds(Path(name) / "warm-up", max(arguments.workers))  # draws the images, fills caches
        for workers in arguments.workers:
            taken[workers] = seconds(Path(name) / str(workers), workers)
    what = torch.cuda.get_device_name() if arguments.device == "cuda" else f"{cores()} CPU cores"
    print(f"4 runs of {arguments.epochs} epochs on {what}\n")
    print("| workers | wall time, s | times as fast |\n| ---: | ---: | ---: |")
    for workers, each in taken.items():
        print(f"| {workers} | {each:.0f} | {taken[arguments.workers[0]] / each:.2f} |")


if __name__ == "__main__":
    main()
