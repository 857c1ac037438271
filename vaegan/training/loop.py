"""The training loop: each epoch's steps, then its evaluation, record and checkpoint."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from vaegan.config.schema import Config
from vaegan.devices import peak_memory_mib
from vaegan.errors import NotFinite
from vaegan.nets.players import Players
from vaegan.objective.schedule import Phase, Schedule
from vaegan.objective.weights import Factor, Relative
from vaegan.parallel import ALONE, Ranks
from vaegan.training.alarms import DIVERSITY, alarms
from vaegan.training.checkpoint import Checkpoints, Progress
from vaegan.training.finite import FiniteCheck
from vaegan.training.held_out import evaluate
from vaegan.training.ledger import is_sampled, with_shares
from vaegan.training.loader import Loader
from vaegan.training.meters import Meter
from vaegan.training.optim import LearningRates
from vaegan.training.pictures import N_REFERENCE, Pictures, originals, spread, take_pictures
from vaegan.training.signals import Stopped, StopSignals
from vaegan.training.step import Step, floor_figure


class Watcher(Protocol):
    """Callbacks of the training loop, such as a progress bar or the run folder."""

    def on_step(self, epoch: int, phase: Phase, meter: Meter, n_images: int) -> None: ...

    def on_epoch(self, record: dict[str, Any], pictures: Pictures) -> None: ...


def train(
    config: Config,
    players: Players,
    schedule: Schedule,
    train_set: Loader,
    test_set: Loader,
    watchers: Sequence[Watcher],
    *,
    ranks: Ranks = ALONE,
    checkpoints: Checkpoints | None = None,
    records: Sequence[dict[str, Any]] = (),
    signals: StopSignals | None = None,
) -> None:
    """Train for `config.epochs`; after each, hand its record (keys as in metrics.jsonl) to the watchers.

    Training images are augmented first; the networks reconstruct the augmented images.
    ranks: the processes of the run. checkpoints: saves the run, and holds the checkpoint to resume from;
    records: of the finished epochs. signals: requests to stop.
    Raises: NotFinite for a loss, before such weights would be saved. TrainingError when another process
    is lost. Stopped when asked to stop, after saving. OSError when something cannot be written.
    """
    play = Step(config, players, ranks)
    progress = Progress()
    if checkpoints is not None:
        progress = checkpoints.restore(players, play.saved, list(records))
        if config.init_from is not None and progress.step == 0:
            checkpoints.save(progress, players, play.saved)  # --resume needs the other run no more
    learning_rates = LearningRates(play.optims, config, len(train_set))
    learning_rates.set(progress.step)
    test_floor = pbp_floor(players, test_set, ranks)
    reference = test_set.first(N_REFERENCE)
    spread_of_originals = spread(originals(test_set))
    finite = FiniteCheck()

    def stop_or_save() -> None:
        """Save the run if a save is due or a stop was requested. Raises: Stopped if a stop was requested."""
        due = checkpoints is not None and ranks.first and checkpoints.is_due(progress.step)
        stop, due = ranks.any(signals is not None and signals.number > 0, due)
        if (stop or due) and checkpoints is not None:
            finite.check()
            checkpoints.save(progress, players, play.saved)
        if stop:
            raise Stopped(signals.number)

    players.train()
    while progress.epoch < config.epochs:
        epoch, records = progress.epoch, progress.records
        phase = schedule.at(epoch, records[-1] if records else None, len(train_set))
        progress.meter.add_weighted(phase.weights)
        started = time.perf_counter() - progress.seconds
        for images in train_set.epoch(epoch, progress.batch):
            batch_size = train_set.sizes[progress.batch]
            finite.at(epoch, progress.step)
            floor = bool(config.augment) or progress.floor is None
            sampled = is_sampled(progress.batch, len(train_set), phase.disc_steps)
            play(images, batch_size, phase, progress.step, progress.meter, finite, floor, sampled)
            progress.batch += 1
            progress.step += 1
            progress.seconds = time.perf_counter() - started
            learning_rates.set(progress.step)
            stop_or_save()  # before what waits for the device, which a lost process may hold up
            for watcher in watchers:
                watcher.on_step(epoch, phase, progress.meter, batch_size)
        finite.check()
        # waits for the device: the time is the epoch's
        means = {"train": with_shares(progress.meter.means(ranks))}
        floor = means["train"].pop("gen/pbp_floor", progress.floor)
        trained = time.perf_counter()
        ranks.copy_first(players.buffers())  # batch norm has seen each process's own images
        weights = mean_weights(phase.weights, means["train"])
        means["test"] = evaluate(players, play.objective, weights, test_set, config.seed, ranks, stop_or_save)
        record = {"epoch": epoch, "phase": phase.name}
        record |= loss_record("train", means["train"], floor)
        record |= loss_record("test", means["test"], test_floor)
        record |= setting_record(play, weights, phase.noise)
        pictures = take_pictures(players, reference)
        if spread_of_originals > 0:
            record[DIVERSITY] = spread(pictures.samples) / spread_of_originals
        record |= {f"train/gen/{name}": value for name, value in pbp_figures(players).items()}
        record["time/epoch_s"] = trained - started
        record["time/test_s"] = time.perf_counter() - trained
        record["time/images_per_s"] = train_set.n_images / record["time/epoch_s"]
        record["memory/peak_mib"] = peak_memory_mib(train_set.device)
        refuse_non_finite(record)
        record |= alarms([*records, record])
        for watcher in watchers:
            watcher.on_epoch(record, pictures)
        progress = Progress(epoch + 1, 0, progress.step, floor=floor, records=[*records, record])
        if checkpoints is not None and any(ranks.any(ranks.first and checkpoints.is_worth(progress))):
            checkpoints.save(progress, players, play.saved)


def loss_record(split: str, means: dict[str, float], floor: float | None) -> dict[str, float]:
    """One split's losses in an epoch: each term raw and weighted, totals, the PBP loss above its floor."""
    record = {f"{split}/{key}": value for key, value in means.items()}
    if floor is not None and "gen/pbp" in means:
        record[f"{split}/gen/pbp_excess"] = means["gen/pbp"] - floor
    return record


def mean_weights(
    factors: Mapping[str, Mapping[str, Factor]], means: dict[str, float]
) -> dict[str, dict[str, float]]:
    """Numbers for an epoch's weights: of those that follow from gradients the mean over its steps.

    means: of the training, from which these are taken out; 0 in an epoch in which `gen` does not play.
    """
    return {
        player: {
            term: means.pop(f"{player}/{term}_weight", 0.0 if isinstance(factor, Relative) else factor)
            for term, factor in of_player.items()
        }
        for player, of_player in factors.items()
    }


def setting_record(play: Step, weights: Mapping[str, Mapping[str, float]], noise: float) -> dict[str, float]:
    """The epoch's settings: each term's weight (0 for one left out), instance noise, learning rates."""
    record = {
        f"weight/{player}/{term}": weights.get(player, {}).get(term, 0.0)
        for player, terms in play.objective.terms.items()
        for term in terms
    }
    record |= {f"lr/{player}": optim.lr for player, optim in play.optims.items()}
    if play.config.instance_noise is not None:
        record["weight/disc/instance_noise"] = noise
    return record


def pbp_floor(players: Players, images: Loader, ranks: Ranks = ALONE) -> float | None:
    """The mean PBP loss of perfect reconstructions of a set of images; None if it is zero."""
    if not hasattr(players.pbp, "floor"):
        return None
    meter = Meter()
    for batch in images.epoch():
        meter.add("gen", floor_figure(players, batch), len(batch))
    return meter.means(ranks).get("gen/pbp_floor")


def pbp_figures(players: Players) -> dict[str, float]:
    """Learned parameters of the PBP loss after an epoch (a Gaussian's sigma)."""
    figures = getattr(players.pbp, "figures", None)
    return {} if figures is None else figures()


def refuse_non_finite(record: dict[str, Any]) -> None:
    """Raises: NotFinite naming a loss that is not a finite number."""
    for key, value in record.items():
        if key.startswith(("train/", "test/")) and not math.isfinite(value):
            raise NotFinite(
                f"{key} became {value} in epoch {record['epoch'] + 1}; a lower --lr is the usual remedy"
            )
