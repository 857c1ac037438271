"""The protocol of a tracker, and what a tracker is told of the run that it is opened for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Tracked:
    """A run, or the table of an ablation, that a tracker is opened for.

    folder: of the run or the table, which is named like it. options: the run's, as in config.yaml; for a
    table its baseline's. say: prints a line. kept: what this tracker kept of it before (`Tracker.kept`).
    epochs: finished by now, where training follows, which makes all later ones; None where none follows.
    ablation: the name of the ablation whose table it is; None for a run.
    """

    folder: Path
    options: Mapping[str, Any]
    say: Callable[[str], None]
    kept: Any = None
    epochs: int | None = None
    ablation: str | None = None


class Tracker:
    """Takes what becomes known of a run. Derive from it, and override what the service can show.

    Epochs count from 0. Anything may raise: it costs the run one line, and the tracker is dropped.
    """

    package: ClassVar[str | None] = None  # that has to be installed, as Python imports it
    install: ClassVar[str] = ""  # what pip installs it with, such as vaegan[tensorboard]

    line: str | None = None  # for the terminal: where the run can be seen
    kept: Any = None  # what it needs to go on with the run in another process, as JSON: an identifier

    def __init__(self, tracked: Tracked):
        """Open the service for a run; set `line` and `kept`."""

    def on_pictures(self, epoch: int, pictures: Mapping[str, Path]) -> None:
        """Take pictures of the run folder that were drawn since the last time, by key (figures/samples).

        Comes before the call for what they belong to: the epoch, its evaluation, a table (epoch 0), the end.
        """

    def on_epoch(self, record: Mapping[str, Any]) -> None:
        """Take an epoch's line of metrics.jsonl."""

    def on_evaluation(self, epoch: int, values: Mapping[str, float], page: Path) -> None:
        """Take the figures of an evaluation after this epoch, and its page."""

    def on_table(self, columns: list[str], rows: list[list[Any]], page: Path) -> None:
        """Take the table of an ablation, and its page."""

    def finish(self, failed: bool) -> None:
        """Send what is left, and close the service."""
