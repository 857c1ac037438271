"""PyTorch's `vae` and `dcgan` examples, run as they are from a clone, and train_vaegan.py on the same data.

Every run is a process of two epochs, of which the second counts: theirs by the time of the lines that it
prints, ours by what the run folder says.
"""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from torchvision.datasets import FakeData

ROOT = Path(__file__).resolve().parent.parent
TRAIN_SHARE = 0.8  # of a folder's images, which train_vaegan.py trains on


class Skipped(Exception):
    """The reason why an example cannot be run."""


@dataclass(frozen=True)
class Speed:
    """images_per_s: of the second epoch. peak_mib: of the process; None if the system does not report it."""

    images_per_s: float
    peak_mib: float | None


class Example(Protocol):
    """One of the examples; `theirs` and `ours` each make a run."""

    def theirs(self) -> Speed: ...

    def ours(self) -> Speed: ...


class VaeExample:
    """The dense VAE on MNIST: 400 hidden units, 20 latent dimensions, batch 128 (on a GPU 64)."""

    n_images = 60_000

    def __init__(self, clone: Path, place: Path, device: str):
        """place: an empty folder to work in."""
        self.script = find_script(clone, "vae")
        self.device = device
        self.place = place
        self.batch_size = "64" if device == "cuda" else "128"
        raw = Path(os.environ.get("VAEGAN_DATA") or "data").expanduser() / "MNIST" / "raw"
        if not any(raw.glob("train-images*")):
            raise Skipped("no MNIST/raw in $VAEGAN_DATA")
        links = place / "data" / "MNIST" / "raw"  # where the script unpacks archives
        links.mkdir(parents=True)
        for file in raw.iterdir():
            (links / file.name).symlink_to(file.resolve())
        (place / "vae" / "results").mkdir(parents=True)  # it reads ../data and writes results/

    def theirs(self) -> Speed:
        flags = ["--epochs", "2", "--batch-size", self.batch_size]
        flags += ["--no-accel"] if self.device == "cpu" else []
        printed = run_script(self.script, flags, self.place / "vae")
        began = next(line.at for line in printed if line.text.startswith("====> Test set loss"))
        ended = next(line.at for line in printed if line.text.startswith("====> Epoch: 2"))
        return Speed(self.n_images / (ended - began), printed[-1].peak_mib)

    def ours(self) -> Speed:
        flags = ["--dataset", "mnist", "--data-dir", self.place / "data", "--batch-size", self.batch_size]
        flags += ["--vae", "dense", "--hidden-dim", 400, "--latent-dim", 20, "--device", self.device]
        return run_ours(flags)


class DcganExample:
    """The DCGAN, 3 x 64 x 64, batch size 64, on random images; our run reads the same from a folder."""

    n_images = 1000
    batch_size = 64

    def __init__(self, clone: Path, place: Path, device: str):
        """place: an empty folder to work in."""
        self.script = find_script(clone, "dcgan")
        self.device = device
        self.place = place
        self.images = place / "images"
        self.images.mkdir()
        for i, (image, _) in enumerate(FakeData(round(self.n_images / TRAIN_SHARE), (3, 64, 64))):
            image.save(self.images / f"{i:04}.png")

    def theirs(self) -> Speed:
        flags = ["--dataset", "fake", "--niter", "2", "--batchSize", str(self.batch_size)]
        flags += ["--outf", "out"] + (["--accel"] if self.device == "cuda" else [])
        printed = run_script(self.script, flags, self.place)
        steps = [line.at for line in printed if line.text.startswith("[1/2]")]
        # pictures are drawn between the first step's line and the second's
        return Speed((self.n_images - 2 * self.batch_size) / (steps[-1] - steps[1]), printed[-1].peak_mib)

    def ours(self) -> Speed:
        flags = ["--dataset", self.images, "--cache-dir", self.place / "cache", "--device", self.device]
        flags += ["--gan", "deep_conv", "--disc", "deep_conv", "--latent-dim", 100]
        return run_ours([*flags, "--batch-size", self.batch_size])


EXAMPLES: dict[str, type[Example]] = {"PyTorch's vae": VaeExample, "PyTorch's dcgan": DcganExample}


@contextmanager
def prepared(name: str, clone: Path, device: str) -> Iterator[Example]:
    """The example of that name, ready to run. Raises: Skipped."""
    with TemporaryDirectory() as place:
        yield EXAMPLES[name](clone, Path(place), device)


@dataclass(frozen=True)
class Line:
    """A line of output. at: its time in seconds. peak_mib: peak memory of the process so far."""

    text: str
    at: float
    peak_mib: float | None


def find_script(clone: Path, name: str) -> Path:
    script = (clone / name / "main.py").resolve()
    if not script.is_file():
        raise Skipped(f"there is no {script}")
    return script


def run_script(script: Path, flags: list[str], folder: Path) -> list[Line]:
    """The lines printed by a script that runs in that folder. Raises: Skipped if it fails."""
    command = [sys.executable, "-u", str(script), *flags]
    printed = []
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for text in process.stdout:
            printed.append(Line(text.strip(), time.perf_counter(), peak_mib(process.pid)))
    if process.returncode:
        raise Skipped(f"{script} failed: {printed[-1].text if printed else process.returncode}")
    return printed


def run_ours(flags: list) -> Speed:
    """The speed of our training with these flags."""
    with TemporaryDirectory() as runs:
        flags = [*flags, "--epochs", 2, "--wandb", "disabled", "--evaluate", "false"]
        flags += ["--runs-dir", runs, "--run-name", "run"]
        command = [sys.executable, "train_vaegan.py", *map(str, flags)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        record = json.loads((Path(runs) / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    return Speed(record["time/images_per_s"], record["memory/peak_mib"])


def peak_mib(pid: int) -> float | None:
    """Peak memory of a running process in MiB; None if the system does not report it."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) / 1024 if found else None
