"""A tracker of a user's own, which writes lines into a file."""

from collections.abc import Mapping
from typing import Any

from vaegan.trackers import register_tracker
from vaegan.trackers.tracker import Tracked, Tracker


@register_tracker("own_lines")
class OwnLines(Tracker):
    """A line an epoch in own_lines.txt."""

    def __init__(self, tracked: Tracked):
        self.file = tracked.folder / "own_lines.txt"
        self.line = f"lines in {self.file}"

    def on_epoch(self, record: Mapping[str, Any]) -> None:
        with self.file.open("a") as file:
            file.write(f"epoch {record['epoch']}\n")
