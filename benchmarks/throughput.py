"""Images per second of our training loop, of typical hand-written loops, and of other programs, in turns.

The protocol is in benchmarks/README.md. The plain loops are in plain.py, the peers in pytorch_examples.py
and pythae_loop.py.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from importlib.util import find_spec
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import torch
from plain import plain_loop, smooth_images
from pytorch_examples import EXAMPLES, Skipped, prepared
from torch import Tensor

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.config.schema import Config
from vaegan.datasets.batches import Batches
from vaegan.devices import bf16_is_emulated, peak_memory_mib
from vaegan.training.loop import train

CUDA_FACTOR = 5  # epochs have this many times the steps on a GPU, where a step takes milliseconds
CUDA_BATCH_SIZE = 64
COLUMNS = "| {:<15} | {:>26} | {:>26} | {:>18} | {:>16} | {:>15} |"
HEADINGS = ("case", "ours, images/s", "theirs, images/s", "ours / theirs", "of data-free", "peak, MiB")


@dataclass(frozen=True)
class Case:
    """A training job, and the loop that ours is compared with.

    options: for our training. shape: of the images. n_batches: in an epoch.
    theirs: "plain", or pythae's trainer with our networks ("pythae") or with its own ("celeba").
    """

    options: dict[str, Any]
    shape: tuple[int, int, int]
    n_batches: int
    theirs: str = "plain"


DENSE = Case({"vae": "dense", "hidden_dim": 400, "latent_dim": 20, "batch_size": 128}, (1, 28, 28), 400)
COMBO = Case(
    {"vae": "conv", "latent_dim": 512, "disc": "resnet", "disc_weight": 10, "solo_epochs": 0},
    (3, 64, 64),
    4,
)
DCGAN = Case({"gan": "deep_conv", "disc": "deep_conv", "latent_dim": 100}, (3, 64, 64), 4)


def in_bf16(case: Case) -> Case:
    """The same case under bf16 autocast, on both sides."""
    return replace(case, options=case.options | {"precision": "bf16"})


CASES = {
    "dense": DENSE,
    "dense-bf16": in_bf16(DENSE),
    "combo": COMBO,
    "combo-bf16": in_bf16(COMBO),
    "dcgan": DCGAN,
    "dcgan-bf16": in_bf16(DCGAN),
    "pythae": replace(COMBO, theirs="pythae"),
    "pythae-celeba": replace(COMBO, theirs="celeba", n_batches=2),
}


class Loop(Protocol):
    """A loop that ours is compared with."""

    def epoch(self) -> float:
        """Trains for one epoch; returns images per second."""


class TurnBatches(Batches):
    """In every second epoch, from the second on, repeats one resident batch instead of reading batches."""

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Tensor]:
        """start: 0, since nothing is resumed here."""
        if epoch % 2 == 0:
            yield from super().epoch(epoch // 2)
        else:
            yield from repeat(self.images[: self.sizes[0]], len(self))


class Turns:
    """A watcher of `train` on `TurnBatches`; after every two of our epochs, the other loop trains one."""

    def __init__(self, theirs: Loop):
        self.theirs = theirs
        self.speeds: list[float] = []
        self.rounds: list[tuple[float, float, float]] = []  # images per second: ours, data-free, theirs

    def on_step(self, *_) -> None:
        pass

    def on_epoch(self, record: dict[str, Any], _: Any) -> None:
        self.speeds.append(record["time/images_per_s"])
        if len(self.speeds) % 2 == 0:
            self.rounds.append((*self.speeds[-2:], self.theirs.epoch()))


def prepare(case: Case, device: torch.device, epochs: int) -> tuple[Config, Tensor]:
    """The resolved config, and the images of an epoch: uint8 [N, C, H, W]."""
    options = case.options | {"epochs": epochs, "device": device.type}
    n_batches = case.n_batches
    if device.type == "cuda":
        options["batch_size"] = CUDA_BATCH_SIZE
        n_batches *= CUDA_FACTOR
    config = resolved(make_config(options), image_size=case.shape[1])
    return config, smooth_images(n_batches * config.batch_size, case.shape)


def their_loop(case: Case, config: Config, images: Tensor, device: torch.device) -> Loop:
    if case.theirs == "plain":
        return plain_loop(config, images, device)
    from pythae_loop import PythaeLoop

    return PythaeLoop(config, images, device, own_networks=case.theirs == "celeba")


def train_ours(config: Config, train_set: Batches, watchers: list) -> None:
    """Our loop, set up as by the train command."""
    shape = tuple(train_set.images.shape[1:])
    players = build_players(config, shape).to(train_set.device, memory_format=torch.channels_last)
    held_out = Batches(train_set.images[: config.batch_size], config.batch_size, device=train_set.device)
    train(config, players, build_schedule(config), train_set, held_out, watchers)


def measure(case: Case, repeats: int, device: torch.device) -> list[tuple[float, float, float]]:
    """Images per second in each round, as in `Turns`; one round before them is dropped."""
    config, images = prepare(case, device, epochs=2 * (1 + repeats))
    turns = Turns(their_loop(case, config, images, device))
    batches = TurnBatches(images, config.batch_size, shuffle_seed=config.seed, device=device)
    train_ours(config, batches, [turns])
    return turns.rounds[1:]


def peak(case: Case, side: str, device: torch.device) -> float | None:
    """Peak memory in MiB of an epoch of one side ("ours", "theirs"), in a process of its own."""
    config, images = prepare(case, device, epochs=1)
    if side == "ours":
        train_ours(config, Batches(images, config.batch_size, shuffle_seed=config.seed, device=device), [])
    else:
        their_loop(case, config, images, device).epoch()
    return peak_memory_mib(device)


def in_own_process(function: Callable, *arguments: Any) -> Any:
    """The function's return value, computed in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def why_not(case: Case, device: torch.device, emulated_bf16: bool) -> str | None:
    """The reason why the case cannot be measured here; None if it can."""
    if "precision" in case.options and bf16_is_emulated(device) and not emulated_bf16:
        return "this CPU has no bf16 instructions; --bf16 measures it all the same"
    if case.theirs != "plain" and find_spec("pythae") is None:
        return "pythae is not installed"
    return None


def spread(values: Sequence[float], form: str) -> str:
    """The median, with the minimum and the maximum in brackets."""
    return f"{median(values):{form}} ({min(values):{form}} - {max(values):{form}})"


def quotients(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """The quotient of each round."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def case_row(name: str, repeats: int, device: torch.device) -> str:
    """Measures a case and returns its row."""
    case = CASES[name]
    ours, data_free, theirs = zip(*in_own_process(measure, case, repeats, device), strict=True)
    peaks = [in_own_process(peak, case, side, device) for side in ("ours", "theirs")]
    return row(name, ours, theirs, peaks, data_free)


def example_row(name: str, clone: Path, repeats: int, device: torch.device) -> str:
    """Runs one of PyTorch's examples and ours on its data, in turns; returns the row."""
    try:
        with prepared(name, clone, device.type) as example:
            rounds = [(example.ours(), example.theirs()) for _ in range(repeats)]
    except Skipped as reason:
        return skipped(name, reason)
    ours, theirs = zip(*rounds, strict=True)
    peaks = [] if device.type == "cuda" else [side[-1].peak_mib for side in (ours, theirs)]
    return row(name, *([run.images_per_s for run in side] for side in (ours, theirs)), peaks)


def skipped(name: str, reason: object) -> str:
    return f"| {name} | skipped: {reason} |"


def row(
    name: str,
    ours: Sequence[float],
    theirs: Sequence[float],
    peaks: Sequence[float | None],
    data_free: Sequence[float] | None = None,
) -> str:
    """A line of the table, from images per second in each round and each side's peak memory in MiB."""
    cells = [spread(ours, ",.0f"), spread(theirs, ",.0f"), spread(quotients(ours, theirs), ".2f")]
    cells.append(spread(quotients(ours, data_free), ".0%") if data_free else "")
    cells.append(" / ".join(f"{mib:,.0f}" if mib else "?" for mib in peaks))
    return COLUMNS.format(name, *cells)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5, help="rounds, after one to warm up (default: 5)")
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES), help="default: all")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--bf16", action="store_true", help="bf16 also on a CPU without instructions for it")
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="PATH",
        help="also PyTorch's vae and dcgan, from this clone of its examples",
    )
    arguments = parser.parse_args()
    if arguments.repeats < 1:
        parser.error("--repeats: at least 1")
    return arguments


def main() -> None:
    """Measures the requested cases and prints a line of the table for each."""
    arguments = parse()
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    capability = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {name}, {threads} threads, CPU capability {capability}")
    print(f"median (least - greatest) of {arguments.repeats} rounds; imports alone take ", end="")
    print(f"{in_own_process(peak_memory_mib, torch.device('cpu')):,.0f} MiB\n")
    print(COLUMNS.format(*HEADINGS))
    print("| --- " * len(HEADINGS) + "|", flush=True)
    for name in arguments.cases:
        reason = why_not(CASES[name], device, arguments.bf16)
        print(skipped(name, reason) if reason else case_row(name, arguments.repeats, device), flush=True)
    for name in EXAMPLES if arguments.peers else ():
        print(example_row(name, arguments.peers, arguments.repeats, device), flush=True)


if __name__ == "__main__":
    main()
