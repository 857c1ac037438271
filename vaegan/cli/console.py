"""Terminal output of a run: its plan, progress and summary."""

import errno
import os
import sys
import time
from collections.abc import Collection, Iterable, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from vaegan import quantities
from vaegan.nets.blocks import parameter_count
from vaegan.nets.players import Players
from vaegan.objective.schedule import Phase, Schedule
from vaegan.run.layout import RunPaths
from vaegan.training.meters import Meter

REFRESH_S = 0.5  # between two updates of the losses; each waits for the device


class _Console(Console):
    """A console that goes silent when its output is closed; rich would end the process."""

    def _check_buffer(self) -> None:
        try:
            super()._check_buffer()
        except OSError as error:
            if error.errno != errno.EIO:  # a closed terminal window
                raise
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for text still in its buffer


def make_console(quiet: bool = False) -> Console:
    """A console that prints text unchanged (no wrapping, colours or markup), or nothing if `quiet`."""
    return _Console(quiet=quiet, highlight=False, soft_wrap=True, markup=False)


def network_lines(players: Players, names: Mapping[str, str]) -> list[str]:
    """A line for each network with its number of parameters, and one for the sum of the VAE's or GAN's."""
    counts = {part: parameter_count(network) for part, network in players.networks().items()}
    gan = players.encoder is None
    called = {"decoder": "generator"} if gan else {}
    lines = [
        f"{called.get(part, part):10}{names[part]:24}{count:>14,} parameters"
        for part, count in counts.items()
    ]
    whole, parts = ("gan", ("decoder", "disc")) if gan else ("vae", ("encoder", "decoder"))
    return [*lines, f"{whole:10}{'':24}{sum(counts[part] for part in parts):>14,} parameters"]


def schedule_lines(
    schedule: Schedule,
    epochs: int,
    terms: Mapping[str, Iterable[str]],
    steps_per_epoch: int = 1,
    courses: Collection[str] = (),
) -> list[str]:
    """The weight of every term at the end of each epoch (from 1); epochs with equal weights share a line.

    courses: terms ("gen/kl") whose weights are not listed where they change from epoch to epoch.
    """
    names = [f"{player}/{term}" for player in ("gen", "disc") for term in terms.get(player, ())]
    rows = []
    for epoch in range(epochs):
        phase = schedule.at(epoch, steps_per_epoch=steps_per_epoch)
        weights = [
            phase.weights.get(player, {}).get(term, 0.0) for player, term in (n.split("/") for n in names)
        ]
        spelled = [f"{each:.6g}" if isinstance(each, float | int) else str(each) for each in weights]
        listed = [None if name in courses else word for name, word in zip(names, spelled, strict=True)]
        rows.append((phase.name, listed, spelled))
    widths = [max(12, len(name) + 2) for name in names]

    def line(span: str, phase: str, cells: Iterable[str]) -> str:
        return f"{span:12}{phase:8}" + "".join(map(str.rjust, cells, widths))

    lines = [line("epochs", "phase", names)]
    for (phase_name, _), group in groupby(enumerate(rows), key=lambda item: item[1][:2]):
        numbers, words = zip(*((epoch + 1, spelled) for epoch, (*_, spelled) in group), strict=True)
        span = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
        cells = [column[0] if len({*column}) == 1 else "changes" for column in zip(*words, strict=True)]
        lines.append(line(span, phase_name, cells))
    return lines


class _Losses(ProgressColumn):
    """The losses, last in the line and the only column that a narrow terminal cuts off."""

    def render(self, task: Task) -> Text:
        return Text(task.fields["losses"], no_wrap=True, overflow="ellipsis")


class ProgressBar:
    """A bar over the whole run on a terminal; a line for each epoch if the output is not a terminal."""

    def __init__(self, console: Console, epochs: int, steps_per_epoch: int, done: int = 0):
        """done: steps before a resumed run continues."""
        self.console = console
        self.epochs = epochs
        self.bar = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10, table_column=Column(no_wrap=True)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TextColumn("{task.fields[rate]:,.0f} images/s", table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            _Losses(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=epochs * steps_per_epoch, completed=done, rate=0.0, losses="")
        self._seen = 0
        self._since = time.monotonic()
        self._alarmed: set[str] = set()

    def __enter__(self) -> "ProgressBar":
        self.bar.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.bar.stop()

    def on_step(self, epoch: int, phase: Phase, meter: Meter, n_images: int) -> None:
        """Advance the bar; twice a second show the epoch's losses so far and the rate."""
        if self.bar.disable:
            return
        self._seen += n_images
        self.bar.advance(self.task)
        elapsed = time.monotonic() - self._since
        if elapsed >= REFRESH_S:
            self._show(epoch, phase.name, self._seen / elapsed, meter.means(), "")

    def on_epoch(self, record: dict[str, Any], _: Any = None) -> None:
        """Print a line with the epoch's main figures, and one for each new alarm."""
        self.console.print(
            f"epoch {record['epoch'] + 1}/{self.epochs} {record['phase']:5}  "
            f"train {_losses(record, 'train/')}  |  test {_losses(record, 'test/')}  |  "
            f"{record['time/epoch_s']:.1f} s, {record['time/images_per_s']:,.0f} images/s",
        )
        alarmed = {key for key, value in record.items() if key.startswith("alarm/") and value}
        for key in sorted(alarmed - self._alarmed):
            self.console.print(f"note: {quantities.find(key).text}")
        self._alarmed = alarmed
        self._show(record["epoch"], record["phase"], record["time/images_per_s"], record, "train/")

    def _show(self, epoch: int, phase: str, rate: float, losses: Mapping[str, float], prefix: str) -> None:
        """Show the rate (images a second) and the losses next to the bar, and start a new count."""
        self.bar.update(
            self.task,
            description=f"epoch {epoch + 1}/{self.epochs} {phase}",
            rate=rate,
            losses=_losses(losses, prefix),
        )
        self._seen, self._since = 0, time.monotonic()


def _losses(record: Mapping[str, float], prefix: str) -> str:
    """The figures that have a short name: "pbp 12.50  kl 3.10"."""
    shown = ((each, prefix + key) for key, each in quantities.entries() if each.short)
    return "  ".join(f"{each.short} {record[key]:{each.format}}" for each, key in shown if key in record)


def summary_lines(
    record: Mapping[str, Any],
    draws: Mapping[str, float],
    seconds: float,
    folder: Path,
    weights: list[Path],
    evaluated: list[str],
) -> list[str]:
    """The last epoch's main figures on held-out images, and the places of the run's files.

    draws: of the game's loss. weights: the files of the trained networks. evaluated: the main figures of
    the run's evaluation, if there was one.
    """
    paths = RunPaths(folder)
    draw = f" (draw: {draws['disc/adv']:.3f})" if draws else ""
    lines = [f"After epoch {record['epoch'] + 1}, on held-out images:"]
    for key, each in quantities.entries():
        if key == "gen/total" and record["phase"] == "gan":  # equal to its only term
            continue
        if each.headline and f"test/{key}" in record:
            title = each.title + (draw if key == "disc/adv" else "")
            lines.append(f"  {title:42}{record[f'test/{key}']:>10{each.format}} {each.unit}".rstrip())
    if evaluated:
        lines += ["Evaluated, on held-out images:", *evaluated]
    lines += [
        f"Trained in {seconds:.0f} s.",
        *([f"  report    {paths.report}"] if evaluated else []),
        f"  pictures  {paths.figures}",
        f"  metrics   {paths.metrics}",
        f"  weights   {', '.join(map(str, weights))}, {paths.checkpoints}",
        f"Run folder: {folder}",
    ]
    return lines
