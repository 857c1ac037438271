"""The same conv VAE without and with a ResNet discriminator: what the learned loss changes, over three seeds.

Prints a table with mean and standard deviation of each figure. Runs go into --runs-dir, and those that are
there already are not made again.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from vaegan.evaluation import FILE, flat_values

SEEDS = (0, 1, 2)
DATA = {
    "mnist": "--dataset mnist --train-images 10000 --epochs 10",
    "faces": "--dataset faces --image-size 32 --train-images 2000 --latent-dim 64 --epochs 30",
}
ARMS = {"vae": "", "hybrid": "--disc resnet --disc-weight 10"}
FIGURES = (
    # what it is called, the keys that it may have, digits
    ("PSNR, dB", ("reconstruction/psnr",), 2),
    ("SSIM", ("reconstruction/ssim",), 3),
    ("excess BCE, nats", ("reconstruction/excess_bce",), 1),
    ("sharpness", ("reconstruction/sharpness",), 3),
    ("edge correlation", ("reconstruction/edge_correlation",), 3),
    ("high frequencies", ("reconstruction/high_frequency_ratio",), 3),
    ("Fréchet, reconstructions", ("distances/reconstructions/frechet", "distances/reconstructions/fid"), 3),
    ("Fréchet, samples", ("distances/samples/frechet", "distances/samples/fid"), 3),
    ("kernel, reconstructions", ("distances/reconstructions/kernel", "distances/reconstructions/kid"), 4),
    ("kernel, samples", ("distances/samples/kernel", "distances/samples/kid"), 4),
    ("precision, samples", ("distances/samples/precision",), 3),
    ("recall, samples", ("distances/samples/recall",), 3),
    ("coverage, samples", ("distances/samples/coverage",), 3),
    ("detectable, share right", ("detectability/accuracy",), 3),
)


def run(name: str, flags: str, seed: int, runs_dir: Path) -> dict[str, float]:
    """The evaluation of a run, which is trained and evaluated where that has not been done."""
    folder = runs_dir / name
    if not (folder / "VAE_model.pth").exists():
        _python("train_vaegan.py", "--vae", "conv", *flags.split(), "--seed", str(seed),
                "--runs-dir", str(runs_dir), "--run-name", name)  # fmt: skip
    if not (folder / FILE).exists():
        _python("-m", "vaegan", "evaluate", str(folder))
    return flat_values(json.loads((folder / FILE).read_text(encoding="utf-8")))


def _python(*arguments: str) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=sys.stderr)


def row(title: str, keys: tuple[str, ...], digits: int, arms: list[list[dict[str, Any]]]) -> str | None:
    """A line of the table; None for a figure that these runs do not have."""
    cells = []
    for runs in arms:
        values = [values[f"eval/{key}"] for values in runs for key in keys if f"eval/{key}" in values]
        if len(values) < 2:
            return None
        cells.append(f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}")
    return f"| {title} | " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs-dir", type=Path, default=Path("runs/learned_loss"))
    parser.add_argument("--data", choices=DATA, nargs="+", default=list(DATA))
    arguments = parser.parse_args()
    for data in arguments.data:
        arms = [
            [run(f"{data}_{arm}_{seed}", f"{DATA[data]} {flags}", seed, arguments.runs_dir) for seed in SEEDS]
            for arm, flags in ARMS.items()
        ]
        print(f"\n{data}, n = {len(SEEDS)}: mean ± standard deviation\n")
        print("| figure | VAE alone | with the discriminator |\n| --- | --- | --- |")
        for figure in FIGURES:
            if line := row(*figure, arms):
                print(line)


if __name__ == "__main__":
    main()
