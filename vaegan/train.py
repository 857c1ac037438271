"""The training loop: every player's turn on every batch, the same way."""

import math
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from vaegan.alarms import DIVERSITY, alarms
from vaegan.augment import build_augmentation
from vaegan.build import build_objective
from vaegan.config import Config
from vaegan.devices import peak_memory_mib
from vaegan.diffaugment import build_diffaugment
from vaegan.errors import TrainingError
from vaegan.evals.losses import evaluate
from vaegan.evals.samples import originals, prior_samples, spread
from vaegan.finite import FiniteCheck
from vaegan.meters import Meter, weighed
from vaegan.nets.players import Players
from vaegan.objective import Objective, Views, weighted_sum
from vaegan.optim import PlayerOptimiser, lr_schedule
from vaegan.pixels import from_uint8, in_model_range, to_model_range
from vaegan.schedule import Phase, Schedule
from vaegan.seeds import seed_for


class Loader(Protocol):
    """The batches of an epoch, uint8 [B, C, H, W] on `device`: `len` batches of `n_images` images in all."""

    device: torch.device
    n_images: int

    def __len__(self) -> int: ...

    def epoch(self, epoch: int = 0) -> Iterator[Tensor]: ...


class Watcher(Protocol):
    """What is told of training as it goes: a progress bar, the run folder."""

    def on_step(self, epoch: int, phase: Phase, meter: Meter, n_images: int) -> None: ...

    def on_epoch(self, record: dict[str, Any], players: Players) -> None: ...


def train(
    config: Config,
    players: Players,
    schedule: Schedule,
    train_set: Loader,
    test_set: Loader,
    watchers: list[Watcher],
) -> None:
    """Train for `config.epochs`; after each, hand its record (keys as in metrics.jsonl) to the watchers.

    Training images go through the config's augmentations first, and are what is then reconstructed.
    Raises: TrainingError when a mean is not finite, before the watchers would save such weights.
    """
    objective = build_objective(config, players)
    optims = {"gen": PlayerOptimiser(players, "gen", config.lr, config.betas)}
    if "disc" in objective.terms:
        optims["disc"] = PlayerOptimiser(
            players, "disc", config.disc_lr, config.disc_betas, config.weight_clip
        )
    lr_schedules = [lr_schedule(optim, config, len(train_set)) for optim in optims.values()]
    augment = build_augmentation(config.augment or ())
    diffaugment = None
    if config.diffaug:
        diffaugment = in_model_range(build_diffaugment(config.diffaug), players.pixel_range)
    floors = {"test": pbp_floor(players, test_set)}
    spread_of_originals = spread(originals(test_set.epoch()))
    finite = FiniteCheck()
    step = 0
    records: list[dict[str, Any]] = []
    players.train()
    for epoch in range(config.epochs):
        phase = schedule.at(epoch, records[-1] if records else None)
        shown = partial(shown_to_disc, diffaugment, phase.noise) if diffaugment or phase.noise else None
        meter = Meter()
        started = time.perf_counter()
        for images in train_set.epoch(epoch):
            torch.manual_seed(seed_for(config.seed, "step", step))
            if config.augment:
                images = augment(from_uint8(images))
            x = to_model_range(images, players.pixel_range)
            playing = phase.playing(step)
            views = Views(players, x, gen_plays="gen" in playing, shown=shown)
            if config.augment or "train" not in floors:
                meter.add("gen", floor_figure(players, images), len(x))
            for player, weights in playing.items():  # disc first, then gen
                terms = objective.play(player, views, weights)
                meter.add(player, terms, len(x))
                if player == "disc":
                    meter.add(player, objective.disc_figures(views, terms), len(x))
                norm = optims[player].minimise(weighted_sum(terms, weights))
                meter.add(player, {"grad_norm": norm}, len(x))
                finite.add(epoch, step, player, terms | {"grad_norm": norm})
            if "gen" in playing:
                players.average((step + 1) // phase.disc_steps)
            step += 1
            for each in filter(None, lr_schedules):
                each.step_update(step)
            for watcher in watchers:
                watcher.on_step(epoch, phase, meter, len(x))
        finite.check()
        means = {"train": meter.means()}  # waits for the device, so that the time is the epoch's
        floors["train"] = means["train"].pop("gen/pbp_floor", floors.get("train"))
        trained = time.perf_counter()
        means["test"] = evaluate(players, objective, phase, test_set.epoch(), config.seed)
        record = {"epoch": epoch, "phase": phase.name}
        for split in means:
            record |= loss_record(split, means[split], phase, floors[split])
        record |= weight_record(objective, phase)
        record |= {f"lr/{player}": optim.lr for player, optim in optims.items()}
        if config.instance_noise:
            record["weight/disc/instance_noise"] = phase.noise
        if spread_of_originals > 0:
            record[DIVERSITY] = spread(prior_samples(players)) / spread_of_originals
        record |= {f"train/gen/{name}": value for name, value in pbp_figures(players).items()}
        record["time/epoch_s"] = trained - started
        record["time/test_s"] = time.perf_counter() - trained
        record["time/images_per_s"] = train_set.n_images / record["time/epoch_s"]
        record["memory/peak_mib"] = peak_memory_mib(train_set.device)
        refuse_non_finite(record)
        records.append(record)
        record |= alarms(records)
        for watcher in watchers:
            watcher.on_epoch(record, players)


def shown_to_disc(change: Callable[[Tensor], Tensor] | None, noise: float, images: Tensor) -> Tensor:
    """Images as D sees them in training: changed by DiffAugment, under Gaussian noise of this deviation."""
    x = images if change is None else change(images)
    return x + noise * torch.randn_like(x) if noise else x


def loss_record(split: str, means: dict[str, float], phase: Phase, floor: float | None) -> dict[str, float]:
    """One split's losses in an epoch: each term raw and weighted, totals, the PBP loss above its floor."""
    record = {f"{split}/{key}": value for key, value in weighed(means, phase.weights).items()}
    if floor is not None and "gen/pbp" in means:
        record[f"{split}/gen/pbp_excess"] = means["gen/pbp"] - floor
    return record


def weight_record(objective: Objective, phase: Phase) -> dict[str, float]:
    """The weight of every term in this epoch, 0 where it is left out."""
    return {
        f"weight/{player}/{term}": phase.weights.get(player, {}).get(term, 0.0)
        for player, terms in objective.terms.items()
        for term in terms
    }


def floor_figure(players: Players, images: Tensor) -> dict[str, Tensor]:
    """The PBP loss of perfect reconstructions of images, where it is not zero (BCE on grey values)."""
    floor = getattr(players.pbp, "floor", None)
    return {} if floor is None else {"pbp_floor": floor(images)}


def pbp_floor(players: Players, images: Loader) -> float | None:
    """The mean of that over a set of images; None where it is zero."""
    if not hasattr(players.pbp, "floor"):
        return None
    meter = Meter()
    for batch in images.epoch():
        meter.add("gen", floor_figure(players, batch), len(batch))
    return meter.means().get("gen/pbp_floor")


def pbp_figures(players: Players) -> dict[str, float]:
    """What a PBP loss that learns something has to report after an epoch (a Gaussian's sigma)."""
    figures = getattr(players.pbp, "figures", None)
    return {} if figures is None else figures()


def refuse_non_finite(record: dict[str, Any]) -> None:
    """Raises: TrainingError naming a loss that is not a finite number."""
    for key, value in record.items():
        if key.startswith(("train/", "test/")) and not math.isfinite(value):
            raise TrainingError(
                f"{key} became {value} in epoch {record['epoch'] + 1}; a lower --lr is the usual remedy"
            )
