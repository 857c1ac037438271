"""The share of an epoch of the main job that tracking costs: Weights & Biases, and the record's fields.

The protocol is in benchmarks/README.md.
"""

import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn.utils import get_total_norm

from vaegan import datasets
from vaegan.config.build import build_objective, build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.nets.players import Players
from vaegan.objective.objective import Objective, weighted_sum
from vaegan.pixels import to_model_range
from vaegan.run.folder import Run
from vaegan.trackers.open import open_trackers
from vaegan.training.loop import train

EPOCHS = 6
REPEATS = 50


class Stopwatch:
    """A watcher that measures the time of another watcher."""

    def __init__(self, watcher: Any):
        self.watcher = watcher
        self.seconds: list[float] = []

    def on_step(self, *arguments: Any) -> None:
        self.watcher.on_step(*arguments)

    def on_epoch(self, *arguments: Any) -> None:
        began = time.perf_counter()
        self.watcher.on_epoch(*arguments)
        self.seconds.append(time.perf_counter() - began)


class Epochs:
    """A watcher that keeps the records and the time between them."""

    def __init__(self):
        self.records: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self._since = time.perf_counter()

    def on_step(self, *_: Any) -> None:
        pass

    def on_epoch(self, record: dict[str, Any], _: Any) -> None:
        self.records.append(record)
        self.seconds.append(time.perf_counter() - self._since)
        self._since = time.perf_counter()


def main() -> None:
    config = make_config(
        {"dataset": "digits", "vae": "conv", "disc": "resnet", "disc_weight": 10, "epochs": EPOCHS}
    )
    source = datasets.open_source(datasets.Request(config.dataset))
    shape = source.describe().shape
    config = resolved(config, shape[1])
    players = build_players(config, shape).to(memory_format=torch.channels_last)
    splits = source.load()
    train_set = Batches(splits.train.images, config.batch_size, shuffle_seed=config.seed)
    test_set = Batches(splits.test.images, config.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        saved = Run(Path(temporary) / "run", config)
        began = time.perf_counter()
        tracker = open_trackers(["wandb"], saved.folder, config.to_dict() | {"wandb": "offline"}, print)
        started = time.perf_counter() - began
        watch, epochs = Stopwatch(tracker), Epochs()
        train(config, players, build_schedule(config), train_set, test_set, [saved, watch, epochs])
        began = time.perf_counter()
        tracker.finish()
        finished = time.perf_counter() - began
    print(f"W&B offline: start {started:.2f} s, finish {finished:.2f} s")
    fields = fields_s(build_objective(config, players), players, next(train_set.epoch()))
    for epoch, (record, whole) in enumerate(zip(epochs.records, epochs.seconds, strict=True), start=1):
        norms = fields["gen"] + (fields["disc"] if record["phase"] == "combo" else 0)
        print(
            f"epoch {epoch} {record['phase']:6} {whole:6.2f} s   W&B {watch.seconds[epoch - 1]:.3f} s, "
            f"{watch.seconds[epoch - 1] / whole:.2%}   fields {norms * len(train_set) / whole:.2%}"
        )
    share = sum(watch.seconds) / sum(epochs.seconds)
    print(f"all epochs: W&B {share:.2%}; with start and finish ", end="")
    print(f"{(sum(watch.seconds) + started + finished) / (sum(epochs.seconds) + started + finished):.2%}")


def fields_s(objective: Objective, players: Players, images: torch.Tensor) -> dict[str, float]:
    """Seconds that a step spends on each player's gradient norm and, for D, on its figures."""
    x = to_model_range(images, players.pixel_range)
    views = objective.views(x, torch.randn(len(x), players.latent_dim))
    seconds = {}
    for player, names in (("disc", ("real", "fake")), ("gen", ("pbp", "kl", "adv"))):
        weights = dict.fromkeys(names, 1.0)
        terms = objective.play(player, views, weights)
        loss = weighted_sum(terms, weights)
        gradients = torch.autograd.grad(loss, list(players.parameters_of(player)), retain_graph=True)
        logits = [views.logits_real, views.logits_fake] if player == "disc" else []
        began = time.perf_counter()
        for _repeat in range(REPEATS):
            get_total_norm(gradients)
            if logits:
                objective.figures("disc", views, terms)
        seconds[player] = (time.perf_counter() - began) / REPEATS
    return seconds


if __name__ == "__main__":
    main()
