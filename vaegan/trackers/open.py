"""Opens trackers, and passes a run's results to all of them."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vaegan.errors import OptionError
from vaegan.run.layout import RunPaths
from vaegan.trackers import TRACKERS
from vaegan.trackers.tracker import Tracked, Tracker

NONE = "none"  # stands for no tracker


def check_trackers(names: Sequence[str]) -> None:
    """Check the names of --tracker before anything is written.

    Raises: OptionError for an unknown name, for a repeated one, and for a missing package.
    """
    if NONE in names and len(names) > 1:
        raise OptionError("tracker", f"{NONE} stands alone")
    for name in _without_none(names):
        try:
            tracker, _ = TRACKERS.find(name)
        except ValueError as error:
            raise OptionError("tracker", f"{error} {NONE} tracks nowhere.") from None
        if names.count(name) > 1:
            raise OptionError("tracker", f"{name} stands twice")
        if tracker.package is not None and not _is_installed(tracker.package):
            raise OptionError("tracker", f'needs a package; pip install "{tracker.install}"')


def open_trackers(
    names: Sequence[str],
    folder: Path,
    options: Mapping[str, Any],
    say: Callable[[str], None],
    *,
    kept: Mapping[str, Any] | None = None,
    keep: Callable[[str, Any], None] | None = None,
    epochs: int | None = None,
    ablation: str | None = None,
) -> "Trackers":
    """Open the trackers of these names, and print where each shows the run; one that fails costs a line.

    kept: the trackers' stored notes on the run, by name. keep: stores a note, called with a tracker's name
    and its note. The others are those of `Tracked`.
    """
    opened: dict[str, Tracker] = {}
    before = kept or {}
    for name in _without_none(names):
        tracked = Tracked(folder, options, say, before.get(name), epochs, ablation)
        try:
            tracker, leading = TRACKERS.find(name)
            opened[name] = tracker(*leading, tracked)
        except Exception as error:
            say(f"{name}: nothing is tracked there ({_reason(error)})")
            continue
        now = opened[name].kept
        if keep is not None and now is not None and now != before.get(name):
            keep(name, now)
        if opened[name].line:
            say(opened[name].line)
    return Trackers(opened, RunPaths(folder).figures, say)


class Trackers:
    """Passes each epoch, new pictures, an evaluation or a table to all trackers; a watcher of `train`.

    It comes after the run folder in the list of watchers, since that draws the pictures. Nothing here raises:
    a tracker that fails costs a line, and is not called again.
    """

    def __init__(self, opened: Mapping[str, Tracker], figures: Path, say: Callable[[str], None]):
        """opened: by name. figures: the folder whose pictures are passed on when they are drawn."""
        self._opened = dict(opened)
        self._figures = figures
        self._say = say
        self._epoch = 0
        self._seen = self._stamps()  # pictures drawn before a resume are not new

    def __enter__(self) -> "Trackers":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        self.finish(failed=kind is not None)

    def on_step(self, *_: Any) -> None:
        """Do nothing: trackers are notified of epochs."""

    def on_epoch(self, record: Mapping[str, Any], _: Any = None) -> None:
        """Pass on the epoch's record."""
        self._hand_on_pictures(record["epoch"])
        self._call("on_epoch", record)

    def on_evaluation(self, epoch: int, values: Mapping[str, float], page: Path) -> None:
        """Pass on an evaluation after this epoch (from 0)."""
        self._hand_on_pictures(epoch)
        self._call("on_evaluation", epoch, values, page)

    def on_table(self, columns: list[str], rows: list[list[Any]], page: Path) -> None:
        """Pass on an ablation's table."""
        self._hand_on_pictures(0)
        self._call("on_table", columns, rows, page)

    def finish(self, failed: bool = False) -> None:
        """Pass on the pictures drawn last (the curves), and close all trackers."""
        self._hand_on_pictures(self._epoch)
        self._call("finish", failed)
        self._opened.clear()

    def _hand_on_pictures(self, epoch: int) -> None:
        self._epoch = epoch
        stamps = self._stamps()
        new = {
            f"{self._figures.name}/{path.stem}": path
            for path in stamps
            if self._seen.get(path) != stamps[path]
        }
        self._seen = stamps
        if new:
            self._call("on_pictures", epoch, new)

    def _stamps(self) -> dict[Path, tuple[int, int]]:
        """The pictures of the run folder, each with the time when it was drawn."""
        stamps = {}
        for path in sorted(self._figures.glob("*.png")):
            with contextlib.suppress(OSError):  # gone already
                stamps[path] = (path.stat().st_mtime_ns, path.stat().st_size)
        return stamps

    def _call(self, method: str, *arguments: Any) -> None:
        for name, tracker in list(self._opened.items()):
            try:
                getattr(tracker, method)(*arguments)
            except Exception as error:
                del self._opened[name]
                self._say(f"{name}: tracking has ended ({_reason(error)})")


def _without_none(names: Sequence[str]) -> list[str]:
    return [name for name in names if name != NONE]


def _is_installed(package: str) -> bool:
    """True for an installed package; a mere folder of that name, as in a run's folder, is not one."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None


def _reason(error: Exception) -> str:
    """The error in one line."""
    from vaegan.failures import in_a_line  # brings PyTorch

    return in_a_line(error)
