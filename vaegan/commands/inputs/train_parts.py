"""Builds the parts of a training from its plan: images, networks and schedule."""

from dataclasses import dataclass
from typing import Any

from rich.console import Console

from vaegan import datasets
from vaegan.cli.plan import say_fitted
from vaegan.cli.skipped import problem_lines
from vaegan.commands.inputs.train_plan import Plan
from vaegan.config.build import build_schedule
from vaegan.config.make import fitting_batch_size
from vaegan.config.schema import Config
from vaegan.datasets.batches import Batches
from vaegan.errors import UserError
from vaegan.nets.players import Players
from vaegan.objective.schedule import Schedule
from vaegan.parallel import LEAST_SHARE, Ranks
from vaegan.run.checks import check_keep_best, check_shares, check_size
from vaegan.run.data_facts import check_data, data_facts
from vaegan.training.precision import with_precision
from vaegan.training.prepare import prepare_players


@dataclass(frozen=True)
class Parts:
    """Images, networks and schedule of a run. config: final. data: facts that identify the images."""

    config: Config
    splits: datasets.Splits
    players: Players
    schedule: Schedule
    train_set: Batches
    test_set: Batches
    data: dict[str, Any]


def make_parts(plan: Plan, ranks: Ranks, console: Console) -> Parts:
    """Build images, networks and schedule; nothing is written yet.

    Raises: UserError for mistakes that are found only in the images.
    """
    config, shape = plan.config, plan.image_shape
    splits = load(plan.source, ranks, console)
    n_train = len(splits.train)
    if plan.fits:  # unreadable files are known by now
        config = config.model_copy(update={"batch_size": fitting_batch_size(n_train)})
        say_fitted(config, n_train, console)
    check_size(plan.given.origins, config, shape, n_train, ranks)
    config = with_precision(config, shape, plan.device, ranks, console.print)
    players = prepare_players(config, shape, plan.device, ranks, console.print)
    if plan.start is not None:
        plan.start.load(players)
    train_set = Batches(splits.train.images, config.batch_size, config.seed, plan.device, ranks)
    test_set = Batches(splits.test.images, config.batch_size, None, plan.device, ranks)
    schedule = build_schedule(config)
    check_shares(config, len(train_set))
    few = Batches(test_set.first(LEAST_SHARE), LEAST_SHARE, device=plan.device)
    check_keep_best(config, players, schedule, few)
    data = data_facts(splits.train.images, splits.test.images, len(train_set))
    if any(ranks.any(data != ranks.from_first(data))):
        raise UserError("--dataset: the processes of this run have read different images")
    if plan.found is not None:
        check_data(data, plan.found.facts["data"])
    return Parts(config, splits, players, schedule, train_set, test_set, data)


def load(source: datasets.Source, ranks: Ranks, console: Console) -> datasets.Splits:
    """The images; prints the first files that could not be read, by name."""
    with ranks.one_on_each_machine_first():
        splits = source.load()
    for line in problem_lines(splits.skipped, "skipped "):
        console.print(line)
    if splits.skipped:
        plural = "" if len(splits.skipped) == 1 else "s"
        console.print(f"skipped {len(splits.skipped):,} file{plural} in all")
    return splits
