"""Parameters and epoch times of every system in configs/, written to docs/systems.md.

Steps are timed in `vaegan.training.loop.train` itself, on random images; no data is needed.
"""

import argparse
import math
import os
import platform
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from itertools import pairwise
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

from vaegan import datasets
from vaegan.cli.flags import parse as parse_flags
from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import resolved
from vaegan.config.schema import Config
from vaegan.datasets.batches import Batches
from vaegan.nets.blocks import parameter_count
from vaegan.training.loop import train

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
PAGE = ROOT / "docs" / "systems.md"

GROUPS = {  # folder: (heading on the page, description)
    "learned_loss": (
        "Learned loss on a VAE",
        "VAEs on MNIST and on faces (64 x 64): alone, and with a discriminator that learns to tell originals "
        "from reconstructions and adds its verdict to the loss.",
    ),
    "steered": (
        "A steered learned loss",
        "This project's own recipe: a small VAE on faces (32 x 32), whose learned terms are held at shares "
        "of the gradient (see [Steering](steering.md)).",
    ),
    "dense": (
        "Dense VAE, GAN and WGAN",
        "Networks with one hidden layer on MNIST and CIFAR-10; from file to file the number of latent "
        "dimensions (`z`) or the width of that layer (`h`) changes.",
    ),
    "depth_by_size": (
        "Depth by size",
        "Convolutional VAEs, GANs and WGANs for images of 16, 32 and 64 pixels a side, with a layer more for "
        "every doubling, at 2, 20 and 100 latent dimensions (`z`).",
    ),
    "coursework": (
        "Convolutional VAE and DCGAN from coursework",
        "A VAE on MNIST under different losses and KL weights, and a DCGAN on CIFAR-10; each other file "
        "changes one or two settings of `vae_bce.yaml` or `dcgan.yaml`.",
    ),
}
IMAGES = {"mnist": 60_000, "cifar10": 50_000, "faces": 3_200}  # to train on; faces are 80 % of 4,000
SECONDS = 3.0  # of timed steps per system, unless the least number of steps takes longer:
LEAST_STEPS = 3


class TimedBatches(Batches):
    """Batches that time the steps made from them, and end an epoch when that is enough.

    round_steps: steps in which every player has its turn; the first such round of an epoch is warm-up.
    step_s: a step's mean time in every later round, of each epoch.
    """

    def __init__(self, images: Tensor, config: Config, round_steps: int, seconds: float):
        super().__init__(images, config.batch_size, shuffle_seed=config.seed)
        self.round_steps = round_steps
        self.seconds = seconds
        self.step_s: list[list[float]] = []

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Tensor]:
        ticks: list[float] = []  # before each round, and after the last
        for step, images in enumerate(super().epoch(epoch, start)):
            if step % self.round_steps == 0:
                ticks.append(time.perf_counter())
                if step >= self.round_steps + LEAST_STEPS and ticks[-1] - ticks[1] > self.seconds:
                    break
            yield images
        else:
            ticks.append(time.perf_counter())
        self.step_s.append([(after - before) / self.round_steps for before, after in pairwise(ticks[1:])])


@dataclass(frozen=True)
class Row:
    """A system as the page shows it. epoch_s: seconds of an epoch by phase, in the order of the run."""

    file: Path
    title: str
    gen: int
    disc: int | None
    epoch_s: dict[str, float]
    total_s: float
    n_images: int


def read(file: Path) -> tuple[Config, tuple[int, int, int]]:
    """The resolved config of a file and its images' shape [C, H, W]."""
    given = parse_flags(["--config", str(file)], prog="systems.py", datasets=datasets.DATASETS.names())
    config = given.config()
    request = datasets.Request(config.dataset, config.image_size, data_dir=Path("nowhere"))
    shape = datasets.open_source(request).describe().shape
    return resolved(config, shape[1]), shape


def measure(file: Path, n_steps: int) -> Row:
    """The system's row. n_steps: maximum number of steps to time per phase; at least one round is timed."""
    config, shape = read(file)
    players = build_players(config, shape).to(memory_format=torch.channels_last)
    counts = {part: parameter_count(network) for part, network in players.networks().items()}
    disc = counts.pop("disc", None)

    solo_epochs = config.solo_epochs or 0
    phases = ["solo", "combo"] if solo_epochs else ["combo" if disc and not config.gan else ""]
    short = {"epochs": len(phases)} | ({"solo_epochs": 1} if solo_epochs else {})
    short = config.model_copy(update=short)
    round_steps = math.lcm(config.disc_steps or 1, config.penalty_every or 1)
    n_rounds = 1 + max(1, n_steps // round_steps)
    images = torch.randint(256, (n_rounds * round_steps * config.batch_size, *shape), dtype=torch.uint8)
    batches = TimedBatches(images, config, round_steps, SECONDS / len(phases))
    held_out = Batches(images[:2], 2)  # its time is not measured
    train(short, players, build_schedule(short), batches, held_out, [])

    n_images = IMAGES[config.dataset]
    steps = -(-n_images // config.batch_size)
    epoch_s = {phase: steps * median(times) for phase, times in zip(phases, batches.step_s, strict=True)}
    total_s = solo_epochs * epoch_s[phases[0]] + (config.epochs - solo_epochs) * epoch_s[phases[-1]]
    title = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").removesuffix(".")
    return Row(file, title, sum(counts.values()), disc, epoch_s, total_s, n_images)


def duration(seconds: float) -> str:
    """Two digits and a unit, as "5.7 s", "73 min" or "4.3 h"."""
    units = {"s": 1, "min": 60, "h": 3600}
    unit = next((unit for unit, size in units.items() if seconds < 99 * size), "h")
    value = seconds / units[unit]
    return f"{value:.2g} {unit}" if value < 99 else f"{value:.0f} {unit}"


def hardware() -> str:
    """The processor in words, as "2 CPU cores of an AMD EPYC with AVX2"."""
    return f"{cores()} of {'an' if processor()[0] in 'AEIOU' else 'a'} {processor()} with {capability()}"


def cores() -> str:
    threads = torch.get_num_threads()
    return f"{threads} CPU core{'s' if threads > 1 else ''}"


def capability() -> str:
    return torch.backends.cpu.get_cpu_capability()


def processor() -> str:
    """The processor's name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return (names and names[0]) or platform.processor() or platform.machine() or "unnamed CPU"


def page(rows: list[Row], n_steps: int, folder: Path) -> str:
    """The text of the page in `folder`."""
    intro = (
        "Every published system that runs from a file in `configs/`. Each file says where it comes from and "
        "what to expect. Every flag goes over it: "
        "`python train_vaegan.py --config configs/dense/vae_z2_h512_mnist.yaml --dataset cifar10 --epochs 5`."
    )
    protocol = (
        f"An epoch's time is the median time of a training step on random images, on {hardware()} with "
        f"PyTorch {torch.__version__.split('+')[0]}, times the steps of an epoch of the real data: "
        f"{IMAGES['mnist']:,} images of MNIST, {IMAGES['cifar10']:,} of CIFAR-10, {IMAGES['faces']:,} faces "
        f"(80 % of 4,000). The median is over {n_steps} steps, or as many as {SECONDS:g} s hold, at least "
        f"{LEAST_STEPS}, after a warm-up; where D takes several steps for one of G, over whole rounds of "
        "them. Evaluation and pictures come on top. In a solo epoch the VAE is trained alone, in a combo "
        "epoch beside the discriminator. Each was measured once; systems of nearly the same work differ by "
        "up to a half here, which is the machine's noise."
    )
    parts = ["# Systems", intro, f"{protocol} Made by `python benchmarks/systems.py`."]
    for group, (heading, text) in GROUPS.items():
        table = [table_line(row, folder) for row in rows if row.file.parent.name == group]
        if table:
            columns = "VAE's or generator's parameters | discriminator's | an epoch"
            head = [f"| file | system | {columns} |", "| --- | --- | ---: | ---: | --- |"]
            command = f"Command: `python train_vaegan.py --config configs/{group}/FILE`."
            parts += [f"## {heading}", text, command, "\n".join([*head, *table])]
    return "\n\n".join(parts) + "\n"


def table_line(row: Row, folder: Path) -> str:
    link = Path(os.path.relpath(row.file, folder)).as_posix()
    disc = "" if row.disc is None else f"{row.disc:,}"
    epoch = ", ".join(f"{duration(seconds)} {phase}".strip() for phase, seconds in row.epoch_s.items())
    return f"| [`{row.file.name}`]({link}) | {row.title} | {row.gen:,} | {disc} | {epoch} |"


def cost_line(row: Row) -> str:
    """The line about the system's cost in its config file."""
    epochs = [
        f"{duration(seconds)} {f'a {phase}' if phase else 'an'} epoch"
        for phase, seconds in row.epoch_s.items()
    ]
    return (
        f"# Cost: on {cores()} with {capability()} and {row.n_images:,} images: {', '.join(epochs)}; "
        f"about {duration(row.total_s)} in all (from the median time of a step)."
    )


def write_cost(row: Row) -> None:
    """Replaces the config file's `# Cost:` line by the measured cost."""
    lines = row.file.read_text(encoding="utf-8").splitlines(keepends=True)
    lines = [f"{cost_line(row)}\n" if line.startswith("# Cost:") else line for line in lines]
    row.file.write_text("".join(lines), encoding="utf-8")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="default: docs/systems.md; with --only, the screen")
    parser.add_argument("--only", metavar="GLOB", default="*", help="files below configs/: 'dense/*mnist*'")
    parser.add_argument("--steps", type=int, default=40, help="the most to time of a phase (default: 40)")
    parser.add_argument("--costs", action="store_true", help="also put each cost into the system's own file")
    return parser.parse_args()


def main() -> None:
    """Measures the requested systems and writes their page."""
    arguments = parse()
    rows = []
    for group in GROUPS:
        for file in sorted((CONFIGS / group).glob("*.yaml")):
            name = file.relative_to(CONFIGS).as_posix()
            if file.name.startswith("base") or not fnmatch(name, arguments.only):
                continue
            began = time.perf_counter()
            rows.append(measure(file, arguments.steps))
            took = time.perf_counter() - began
            print(f"{name:54}{took:5.1f} s {cost_line(rows[-1])}", file=sys.stderr, flush=True)
            if arguments.costs:
                write_cost(rows[-1])
    out = arguments.out or (PAGE if arguments.only == "*" else None)
    text = page(rows, arguments.steps, (out or PAGE).resolve().parent)
    if out:
        out.write_text(text, encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
