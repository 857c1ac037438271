"""The protocol of a tracker, and the facts about a run that it is opened with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Tracked:
    """A run, or the table of an ablation, that a tracker is opened for.

    folder: of the run or the table, whose name it has. options: the run's, as in config.yaml; for a
    table its baseline's. say: prints a line. kept: this tracker's stored note on it (`Tracker.kept`).
    epochs: finished so far, if training follows, which repeats all later ones; None if no training follows.
    ablation: the name of the ablation whose table it is; None for a run.
    """

    folder: Path
    options: Mapping[str, Any]
    say: Callable[[str], None]
    kept: Any = None
    epochs: int | None = None
    ablation: str | None = None


class Tracker:
    """Shows the results of a run. Derive from it, and override the methods that the service supports.

    Epochs count from 0. Any method may raise: it costs the run one line, and the tracker is dropped.
    """

    package: ClassVar[str | None] = None  # name of the package to import, which must be installed
    install: ClassVar[str] = ""  # requirement for pip, such as vaegan[tensorboard]

    line: str | None = None  # for the terminal: the place where the run can be seen
    kept: Any = None  # note to continue the run in another process, as JSON, such as an identifier

    def __init__(self, tracked: Tracked):
        """Open the service for a run; set `line` and `kept`."""

    def on_pictures(self, epoch: int, pictures: Mapping[str, Path]) -> None:
        """Take pictures of the run folder that were drawn since the last time, by key (figures/samples).

        Called before the call that they belong to: the epoch, its evaluation, a table (epoch 0), the end.
        """

    def on_epoch(self, record: Mapping[str, Any]) -> None:
        """Take an epoch's line of metrics.jsonl."""

    def on_evaluation(self, epoch: int, values: Mapping[str, float], page: Path) -> None:
        """Take the figures of an evaluation after this epoch, and its page."""

    def on_table(self, columns: list[str], rows: list[list[Any]], page: Path) -> None:
        """Take the table of an ablation, and its page."""

    def finish(self, failed: bool) -> None:
        """Send the rest, and close the service."""
