"""The plan of a run on the terminal: config, networks, data, weights over the epochs, folder."""

import re
from pathlib import Path
from typing import Protocol

import yaml
from rich.console import Console

from vaegan.cli import console as terminal
from vaegan.cli.courses import ASCII, BLOCKS, course_lines, courses_of, typed_courses
from vaegan.config.build import (
    build_objective,
    build_schedule,
)
from vaegan.config.schema import DEFAULT_BATCH_SIZE, Config
from vaegan.nets.players import Players
from vaegan.training.checkpoint import Found


class Described(Protocol):
    """A data set's facts before its images are read; n_train, n_test: None if unknown."""

    shape: tuple[int, int, int]
    n_train: int | None
    n_test: int | None
    note: str


def show_plan(
    console: Console,
    config: Config,
    description: Described,
    folder: Path,
    found: Found | None,
    players: Players,
) -> None:
    """Print the config, the networks, the data, the weights over the epochs and the run's future folder.

    found: the checkpoint that it would resume from.
    """
    console.print("# config")
    console.print(yaml.safe_dump(config.to_dict(), sort_keys=False))
    console.print("# networks")
    for line in terminal.network_lines(players, network_names(config)):
        console.print(line)
    console.print("\n# data")
    console.print("image     " + " x ".join(map(str, description.shape)))
    steps = 1  # an epoch, if the number of images is unknown
    if description.n_train is None:
        console.print(f"images    unknown ({description.note})")
    else:
        note = f" ({description.note})" if description.note else ""
        steps = -(-description.n_train // config.batch_size)
        held_out = "an unknown number" if description.n_test is None else f"{description.n_test:,}"
        console.print(f"images    {description.n_train:,} training, {held_out} held out{note}")
        console.print(f"steps     {steps:,} an epoch, {steps * config.epochs:,} in all")
    gated = "" if config.max_disc_loss is None else " while the gate of --max-disc-loss is open"
    console.print(f"\n# weights{gated}")
    terms = build_objective(config, players).terms
    courses = typed_courses(config)
    for line in terminal.schedule_lines(build_schedule(config), config.epochs, terms, steps, courses):
        console.print(line)
    show_courses(console, config, None if description.n_train is None else steps)
    console.print(f"\n# run folder\n{folder}")
    say_where_it_goes_on(found, console)


def show_courses(console: Console, config: Config, steps_per_epoch: int | None) -> None:
    """Print the weights and learning rates that change over the run. steps_per_epoch: None if unknown."""
    courses = courses_of(config, steps_per_epoch or 1)
    if steps_per_epoch is None:  # those in steps cannot be drawn
        courses = [course for course in courses if not re.search(r"\dst\b", course.text)]
    if courses:
        combo = " (| is the first combo epoch)" if config.solo_epochs else ""
        console.print(f"\n# over the {config.epochs} epochs{combo}, with values after so many of them")
    blocks = ASCII if console.options.ascii_only else BLOCKS
    for line in course_lines(courses, config, steps_per_epoch or 1, blocks):
        console.print(line)


def say_fitted(config: Config, n_train: int | None, console: Console) -> None:
    """Print the batch size if the images are too few for the default."""
    if config.batch_size < DEFAULT_BATCH_SIZE:
        console.print(
            f"note: batches of {config.batch_size}, not {DEFAULT_BATCH_SIZE}: of {n_train} training images "
            f"these make two or more; --batch-size sets it"
        )


def say_where_it_goes_on(found: Found | None, console: Console) -> None:
    """Print the checkpoint that a run resumes from, and those that could not be used."""
    if found is None:
        return
    for path, problem in found.damaged.items():
        console.print(f"note: {path}: {problem}; it is put aside")
    console.print(f"going on from {found.path.name}: epoch {found.epochs + 1}, step {found.step + 1}")


def network_names(config: Config) -> dict[str, str]:
    """The registered names of the networks by part."""
    return {"encoder": config.encoder_name, "decoder": config.decoder_name, "disc": config.disc or ""}
