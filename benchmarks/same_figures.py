"""Tells whether a change of the code changed what runs compute.

python benchmarks/same_figures.py FOLDER

The first time it trains five small runs and keeps each one's metrics.jsonl in FOLDER; after that it trains
them again and compares, digit for digit, all but times and memory. Exit status 1 where a figure differs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SHARED = (
    "--preset none --dataset digits --train-images 512 --seed 3 --device cpu --wandb disabled "
    "--evaluate false --batch-size 64"
)
RUNS = {
    "hybrid": "--vae conv --disc resnet --disc-weight 10 --epochs 3 --solo-epochs 1",
    "gan": "--gan conv --disc conv --epochs 2",
    "wgan-gp": "--gan dense --disc dense --adv wgan-gp --disc-steps 2 --epochs 2",
    "vae": "--vae dense --pbp mse --latent-dim 2 --epochs 3",
    "weights": "--vae dense --disc conv --adv hinge --epochs 5 --solo-epochs 1 --beta 0.5 --pbp-weight 2 "
    "--pbp-decay 0.5 --pbp-decay-every 2 --disc-weight 3 --r1 1 --r2 0.5 --penalty-every 2 --ema 0.9 "
    "--instance-noise 0.1 --instance-noise-epochs 3 --max-disc-loss 2.01 --diffaug colour --disc-steps 2",
}
LEFT_OUT = ("time/", "memory/")


def main() -> int:
    """Creates the records, or compares with them; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="records to compare with, made the first time")
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    differ = 0
    for name, options in RUNS.items():
        kept, now = folder / f"{name}.jsonl", train(options)
        if not kept.exists():
            kept.write_text(now, encoding="utf-8")
            print(f"{name:10}kept")
            continue
        found = differences(kept.read_text(encoding="utf-8"), now)
        differ += bool(found)
        print(f"{name:10}{'; '.join(found[:5]) or 'the same'}", flush=True)
    return int(differ > 0)


def train(options: str) -> str:
    """The metrics.jsonl of a run with these options."""
    with tempfile.TemporaryDirectory() as runs:
        command = [sys.executable, ROOT / "train_vaegan.py", *options.split(), *SHARED.split()]
        command += ["--runs-dir", runs, "--run-name", "a"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return (Path(runs) / "a" / "metrics.jsonl").read_text(encoding="utf-8")


def differences(before: str, after: str) -> list[str]:
    """Each figure that differs between two metrics.jsonl, with both values; new figures may have come."""
    pairs = zip(map(figures, before.splitlines()), map(figures, after.splitlines()), strict=True)
    return [
        f"epoch {old['epoch'] + 1}: {key}: {old.get(key)} before, {new.get(key)} now"
        for old, new in pairs
        for key in old
        if old[key] != new.get(key)
    ]


def figures(line: str) -> dict[str, Any]:
    """An epoch's record without the figures that differ from run to run."""
    return {key: value for key, value in json.loads(line).items() if not key.startswith(LEFT_OUT)}


if __name__ == "__main__":
    sys.exit(main())
