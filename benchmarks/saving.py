"""The cost of pictures, records, W&B and checkpoints per epoch: written at once and in the background.

The protocol is in benchmarks/README.md.
"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from statistics import median
from typing import Any

import torch

from vaegan import datasets
from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.run.folder import Run
from vaegan.trackers.open import open_trackers
from vaegan.training.background import Background, BackgroundWatcher
from vaegan.training.checkpoint import Checkpoints
from vaegan.training.loop import train

PAIRS = 8  # of epochs, one in each way, after one pair of warm-up


class InTurn(Background):
    """Does what it is given at once in every other epoch, beginning with the first."""

    at_once = True

    def do(self, function: Callable[..., None], *arguments: Any) -> "Future[None]":
        if not self.at_once:
            return super().do(function, *arguments)
        function(*arguments)
        done: Future[None] = Future()
        done.set_result(None)
        return done


class Epochs:
    """The first watcher: measures the time from one epoch's end to the next, and switches the way."""

    def __init__(self, background: InTurn):
        self.background = background
        self.seconds: list[float] = []
        self._since = time.perf_counter()

    def on_step(self, *_: Any) -> None:
        pass

    def on_epoch(self, *_: Any) -> None:
        now = time.perf_counter()
        self.seconds.append(now - self._since)
        self._since = now
        self.background.at_once = not self.background.at_once


def main() -> None:
    """Trains the main job's VAE alone, whose epochs are short, and prints an epoch's time in each way."""
    config = make_config({"dataset": "digits", "vae": "conv", "epochs": 2 * PAIRS + 3})
    source = datasets.open_source(datasets.Request(config.dataset))
    shape = source.describe().shape
    config = resolved(config, shape[1])
    players = build_players(config, shape).to(memory_format=torch.channels_last)
    splits = source.load()
    train_set = Batches(splits.train.images, config.batch_size, shuffle_seed=config.seed)
    test_set = Batches(splits.test.images, config.batch_size)
    with tempfile.TemporaryDirectory() as temporary, InTurn() as background:
        saved = Run(Path(temporary) / "run", config)
        tracker = open_trackers(["wandb"], saved.folder, config.to_dict() | {"wandb": "offline"}, print)
        epochs = Epochs(background)
        watchers = [epochs, BackgroundWatcher(saved, background), BackgroundWatcher(tracker, background)]
        checkpoints = Checkpoints(saved.paths.checkpoints, config, {}, background=background)
        train(config, players, build_schedule(config), train_set, test_set, watchers, checkpoints=checkpoints)
        tracker.finish()
    # work after an epoch's end counts for the next epoch; the way switches first, so that epochs 3, 5, ...
    # contain what was written at once after epochs 2, 4, ...
    at_once, beside = epochs.seconds[2:-1:2], epochs.seconds[3::2]
    ratios = [one / other for one, other in zip(at_once, beside, strict=True)]
    print(f"at once {median(at_once):.3f} s, beside {median(beside):.3f} s an epoch; ratio ", end="")
    print(f"{median(ratios):.3f} ({min(ratios):.3f} - {max(ratios):.3f}), {len(ratios)} pairs")


if __name__ == "__main__":
    main()
