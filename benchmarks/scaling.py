"""The cost of a combo step as a function of the batch size and of the pixels per image: is it linear?

The protocol is in benchmarks/README.md.
"""

import argparse
from collections.abc import Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.training.loop import train

SIZES = (16, 32, 64, 128)  # pixels a side, in batches of BATCH_SIZE
BATCH_SIZE = 64
BATCH_SIZES = (32, 64, 128, 256, 512, 1024)  # of images SIZE pixels a side
SIZE = 32
EPOCH_PIXELS = 2**21  # per epoch, so that all epochs take about the same time
# otherwise the depth would grow with the size: more layers for more pixels
NETWORKS = {"vae": "conv", "base_channels": 16, "depth": 2}
NETWORKS |= {"disc": "conv", "disc_base_channels": 16, "disc_depth": 2, "disc_weight": 10}


class Setting:
    """Training at one image size and batch size. step_s: mean seconds of a step, for each epoch so far."""

    def __init__(self, size: int, batch_size: int, device: torch.device):
        self.size = size
        self.batch_size = batch_size
        self.n_pixels = batch_size * size**2  # of a batch
        shape = (3, size, size)
        options = {"batch_size": batch_size, "epochs": 1, "solo_epochs": 0, "device": device.type}
        self.config = resolved(make_config(NETWORKS | options), image_size=size)
        self.players = build_players(self.config, shape).to(device, memory_format=torch.channels_last)
        n_images = EPOCH_PIXELS // size**2
        images = torch.randint(256, (n_images, *shape), dtype=torch.uint8)
        self.train_set = Batches(images, batch_size, shuffle_seed=0, device=device)
        self.held_out = Batches(images[:2], 2, device=device)  # its time is not measured
        self.step_s: list[float] = []

    def train(self) -> None:
        """One epoch."""
        train(
            self.config,
            self.players,
            build_schedule(self.config),
            self.train_set,
            self.held_out,
            [self],
        )

    def on_step(self, *_) -> None:
        pass

    def on_epoch(self, record: dict[str, Any], _: Any) -> None:
        """The interface of a watcher of `train`."""
        self.step_s.append(record["time/epoch_s"] / len(self.train_set))


def measure(settings: Sequence[Setting], repeats: int) -> list[float]:
    """The median seconds of a step in each setting; settings take turns, and the first round is dropped."""
    for _ in range(1 + repeats):
        for setting in settings:
            setting.train()
    return [median(setting.step_s[1:]) for setting in settings]


def table(settings: Sequence[Setting], seconds: Sequence[float]) -> list[str]:
    """Lines of a table of the settings and the seconds of their steps.

    The last column is the cost of a pixel, as a share of what it is in the first setting.
    """
    lines = ["| size | batch | a step, s | an image, ms | a megapixel, s | of the first's |"]
    lines.append("| ---: " * 6 + "|")
    first = seconds[0] / settings[0].n_pixels
    for setting, step_s in zip(settings, seconds, strict=True):
        image, pixel = step_s / setting.batch_size, step_s / setting.n_pixels
        cells = f"{step_s:.4f} | {1e3 * image:.3f} | {1e6 * pixel:.3f} | {pixel / first:.2f}"
        lines.append(f"| {setting.size} | {setting.batch_size} | {cells} |")
    return lines


def straight_line(amounts: Tensor, seconds: Tensor) -> tuple[float, float, float]:
    """a and b of seconds = a + b amount, and the greatest relative error of that line.

    a and b minimise the squares of relative errors, (a + b amount) / seconds - 1. With absolute errors the
    largest batch alone would decide.
    """
    rows = torch.stack([1 / seconds, amounts / seconds], dim=1)
    a, b = torch.linalg.lstsq(rows, torch.ones(len(seconds), 1)).solution.flatten().tolist()
    return a, b, ((a + b * amounts) / seconds - 1).abs().max().item()


def exponent(amounts: Tensor, seconds: Tensor) -> float:
    """e of the least-squares line log seconds = c + e log amount; 1 where cost is proportional."""
    x, y = amounts.log(), seconds.log()
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def report(what: str, settings: Sequence[Setting], repeats: int) -> None:
    """Measures the settings, and prints their cost and how it grows."""
    seconds = measure(settings, repeats)
    print("\n".join(table(settings, seconds)))
    amounts = torch.tensor([setting.n_pixels for setting in settings]) / settings[0].n_pixels
    steps = torch.tensor(seconds)
    fixed, _, error = straight_line(amounts, steps)
    print(
        f"\ncost ~ {what} to the power of {exponent(amounts, steps):.2f}; a straight line with "
        f"{1e3 * fixed:.1f} ms a step for no {what} at all ({fixed / seconds[0]:.0%} of the first step) "
        f"misses no step by more than {error:.0%}\n",
        flush=True,
    )


def main() -> None:
    """Measures both and prints the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one to warm up (default: 5)")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats: at least 1")
    device = torch.device(arguments.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads; ", end="")
    print(f"medians of {arguments.repeats} rounds\n", flush=True)
    report("pixels", [Setting(size, BATCH_SIZE, device) for size in SIZES], arguments.repeats)
    report("images", [Setting(SIZE, batch_size, device) for batch_size in BATCH_SIZES], arguments.repeats)


if __name__ == "__main__":
    main()
