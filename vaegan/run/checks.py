"""Checks of a run before it is made: number of images, shares, the warm-up, the key of --keep-best."""

from collections.abc import Collection
from dataclasses import replace

from vaegan.config.build import build_objective, build_schedule, config_terms, single_images_problem
from vaegan.config.schema import LEAST_BATCHES, Config, disc_begins
from vaegan.errors import OptionError, did_you_mean, flag
from vaegan.nets.players import Players
from vaegan.objective.schedule import Schedule
from vaegan.objective.weights import Relative, Time
from vaegan.objective.weights.relative import ByGradient, GradientShare
from vaegan.parallel import LEAST_SHARE, Ranks
from vaegan.training.alarms import DIVERSITY
from vaegan.training.checkpoint import Best
from vaegan.training.held_out import evaluate
from vaegan.training.loader import Loader
from vaegan.training.loop import loss_record, mean_weights


def check_size(
    given: Collection[str],
    config: Config,
    image_shape: tuple[int, int, int],
    n_train: int | None,
    ranks: Ranks,
) -> None:
    """Check that there are enough images. given: the options that are not left to their defaults.

    Raises: OptionError for fewer than two batches, for fewer steps than D takes before gen's first one, for
    batches too small to be split among processes or parts, and for batches of one image with batch norm.
    """
    typed = "batch_size" in given
    blamed = "batch_size" if typed else "dataset"
    if n_train is not None and n_train < LEAST_BATCHES * config.batch_size:
        few = f"there {'is 1 training image' if n_train == 1 else f'are {n_train} training images'}"
        raise OptionError(blamed, f"{few}, fewer than two batches of {config.batch_size}")
    if ranks.size > 1 and config.batch_size < LEAST_SHARE * ranks.size * config.accumulate:
        problem = f"{ranks.size} processes need {LEAST_SHARE} images each"
        if config.accumulate > 1:
            problem += f" in each of {config.accumulate} parts"
        raise OptionError("batch_size", problem)
    if config.accumulate > 1 and config.batch_size < LEAST_SHARE * config.accumulate:
        problem = f"a batch of {config.batch_size} has fewer than {LEAST_SHARE} images for each part"
        raise OptionError("accumulate", problem)
    if config.batch_size == 1 and (problem := single_images_problem(config, image_shape)):
        fitted = "" if typed else f"{n_train} training images make batches of one, and "
        raise OptionError(blamed, fitted + problem)
    if n_train is not None and config.disc:
        steps = -(-n_train // config.batch_size) * (config.epochs - config.solo_epochs)
        if 0 < steps < config.disc_steps:
            raise OptionError(
                "disc_steps", f"D plays {steps} steps in all, and gen would never have its turn"
            )


def check_shares(config: Config, steps_per_epoch: int) -> None:
    """Raises: OptionError if shares of the gradient would leave nothing to the terms with plain weights."""
    schedule = build_schedule(config)
    shares = {
        term.weight.name: schedule.weights["gen"][term.name]
        for term in config_terms(config)
        if isinstance(getattr(config, term.weight.name), GradientShare)
    }
    run = Time(0, 0, config.epochs, schedule.solo_epochs, steps_per_epoch)
    first, end = schedule.solo_epochs * steps_per_epoch, config.epochs * steps_per_epoch
    bends = {bend + after for weight in shares.values() for bend in weight.bends(run) for after in (-1, 0)}
    for step in sorted({0, first, end - 1, *bends}):  # between two bends no course has its greatest value
        if not 0 <= step < end:
            continue
        time = replace(run, step=step, epoch=step // steps_per_epoch)
        levels = [weight.at(time) for weight in shares.values()]
        together = sum(level.level for level in levels if isinstance(level, Relative))
        if together >= 1:
            name, *others = shares
            beside = "".join(f", with {flag(other)}" for other in others)
            problem = f"a share of {together:g}{beside}, which leaves nothing to the PBP loss; "
            raise OptionError(name, f"{problem}below 1 is accepted")


def check_warmup(config: Config) -> None:
    """Raises: OptionError if D would train in no epoch with its full learning rate."""
    played = config.epochs - disc_begins(config) if config.disc else 0
    if config.warmup_epochs >= played > 1 or config.warmup_epochs > played > 0:
        problem = f"all of the {played} epochs that D plays, or more; lower it, or --solo-epochs"
        raise OptionError("warmup_epochs", problem)


def check_keep_best(config: Config, players: Players, schedule: Schedule, images: Loader) -> None:
    """Check the key of --keep-best. images: a few held-out ones, on which all keys of an epoch come about.

    Raises: OptionError for a --keep-best that no epoch of the run will have.
    """
    if config.keep_best is None:
        return
    best = Best.parse(config.keep_best)
    by_gradient = [
        term.weight.name
        for term in config_terms(config)
        if isinstance(getattr(config, term.weight.name), ByGradient)
    ]
    if by_gradient and best.key.startswith("test/gen/") and best.key.endswith(("total", "_weighted")):
        problem = (
            f"a weight by gradients, as {getattr(config, by_gradient[0])}, is another one in each epoch, so "
            "that no two compare; take a figure without weights, such as test/gen/pbp"
        )
        raise OptionError("keep_best", problem)
    weights = mean_weights(schedule.at(config.epochs - 1).weights, {})
    means = evaluate(players, build_objective(config, players), weights, images, config.seed)
    keys = [*loss_record("test", means, 0.0 if hasattr(players.pbp, "floor") else None), DIVERSITY]
    if best.key not in keys:
        problem = f"no figure on held-out images; {did_you_mean(best.key, keys)}Known: {', '.join(keys)}."
        raise OptionError("keep_best", problem)
