"""Progress of an ablation: one line per arm, with its runs' states and the time left."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from vaegan.ablation.plan import Job, Plan, PlannedArm, epochs_of
from vaegan.ablation.runner import DONE, FAILED, RUNNING, WAITING
from vaegan.objective.schedule import WARMUP
from vaegan.report.rendering import duration
from vaegan.run.layout import RunPaths
from vaegan.run.reading import read_records

PHASES = {
    "solo": "solo",
    WARMUP: WARMUP,
    "combo": "combo",
    "gan": "combo",
}  # of records, as `epochs_of` counts them


class Board:
    """Shows the progress of each arm of a plan.

    On a terminal it is one live table; otherwise a line is printed whenever one of an arm's runs changes its
    state.
    """

    def __init__(self, console: Console, plan: Plan, workers: int):
        """workers: number of runs at a time; the total time left is divided by it."""
        self._console = console
        self._plan = plan
        self._workers = workers
        self._live = Live(console=console, refresh_per_second=2, transient=False)
        self._records = _Records()
        self._said: dict[str, str] = {}

    def __enter__(self) -> "Board":
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: Any) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, states: Mapping[str, str]) -> None:
        """states: of each run, by its name."""
        if self._console.is_terminal:
            self._live.update(self._table(states))
            return
        for arm in self._plan.arms:
            said = _counted(arm, states)
            if self._said.get(arm.label) != said:
                self._said[arm.label] = said
                left = self._left(arm, states)
                self._console.print(f"{arm.label}: {said}{f', {left} left' if left else ''}")

    def _table(self, states: Mapping[str, str]) -> Group:
        table = Table(box=None, pad_edge=False)
        for head in ("arm", "runs", "time left"):
            table.add_column(head, no_wrap=head != "runs", justify="right" if head == "time left" else "left")
        for arm in self._plan.arms:
            running = [self._epoch(name) for name in arm.jobs if states[name] == RUNNING]
            said = ", ".join(filter(None, [_counted(arm, states), *running]))
            table.add_row(Text(arm.label), Text(said), Text(self._left(arm, states)))
        seconds = self._seconds(self._plan.jobs, states)
        done = sum(state == DONE for state in states.values())
        left = f", about {duration(seconds / self._workers)} left" if seconds else ""
        return Group(table, Text(f"{done} of {len(states)} runs done{left}"))

    def _epoch(self, name: str) -> str:
        job = self._plan.jobs[name]
        done = len(self._records.of(job.folder))
        return f"seed {job.config.seed} at epoch {min(done + 1, job.config.epochs)}/{job.config.epochs}"

    def _left(self, arm: PlannedArm, states: Mapping[str, str]) -> str:
        """The time that the arm's remaining runs need, one after the other; "" if unknown."""
        seconds = self._seconds(arm.jobs, states)
        return duration(seconds) if seconds else ""

    def _seconds(self, names: Any, states: Mapping[str, str]) -> float | None:
        total = 0.0
        for name in names:
            if states[name] in (WAITING, RUNNING):
                seconds = self._of_run(self._plan.jobs[name])
                if seconds is None:
                    return None
                total += seconds
        return total

    def _of_run(self, job: Job) -> float | None:
        """The seconds that a run's remaining epochs need, estimated from its own epochs, or else from all."""
        records = self._records.of(job.folder)
        done = Counter(PHASES[record["phase"]] for record in records)
        if not records and job.fork is not None:
            done["solo"] = job.fork.epochs
        seconds = 0.0
        for phase, epochs in epochs_of(job.config).items():
            if epochs > done[phase]:
                one = _mean_epoch(records, phase) or _mean_epoch(self._everyone(), phase)
                if one is None:
                    return None
                seconds += (epochs - done[phase]) * one
        return seconds

    def _everyone(self) -> Iterator[dict[str, Any]]:
        for job in self._plan.jobs.values():
            yield from self._records.of(job.folder)


class _Records:
    """The records of runs, read again when their files have grown."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, list[dict[str, Any]]]] = {}

    def of(self, folder: Path) -> list[dict[str, Any]]:
        try:
            size = RunPaths(folder).metrics.stat().st_size
        except OSError:
            return []
        if self._known.get(folder, (-1, []))[0] != size:
            try:
                self._known[folder] = (size, read_records(folder))
            except (OSError, json.JSONDecodeError):  # removed, or being rewritten
                return []
        return self._known[folder][1]


def _counted(arm: PlannedArm, states: Mapping[str, str]) -> str:
    """The states of an arm's runs: "1 done, 2 waiting"."""
    counts = Counter(states[name] for name in arm.jobs)
    order = (DONE, FAILED, RUNNING, WAITING)
    return ", ".join(f"{counts[state]} {state}" for state in order if counts[state])


def _mean_epoch(records: Any, phase: str) -> float | None:
    taken = [
        record["time/epoch_s"] + record["time/test_s"]
        for record in records
        if PHASES[record["phase"]] == phase
    ]
    return sum(taken) / len(taken) if taken else None
