"""TensorBoard: a run's figures, pictures and tables as event files in the run's folder."""

import json
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from vaegan.cli import again
from vaegan.trackers import register_tracker
from vaegan.trackers.tracker import Tracked, Tracker

FOLDER = "tensorboard"  # in the folder of the run


@register_tracker("tensorboard")
class TensorBoardTracker(Tracker):
    """Writes scalars under the keys of metrics.jsonl and of evaluations, with the epoch as step.

    Events are written at once, without TensorBoard's `SummaryWriter`: its thread would report a full disk
    with a traceback, and its files are named after the machine.
    """

    package = "tensorboard"
    install = "vaegan[tensorboard]"

    def __init__(self, tracked: Tracked):
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.kept = tracked.kept or FOLDER
        folder = tracked.folder / self.kept
        folder.mkdir(exist_ok=True)
        self.line = f"TensorBoard: `{again.tensorboard()} --logdir {shlex.quote(str(folder))}` shows it"
        part = len(list(folder.iterdir()))  # TensorBoard reads its files in the order of their names
        path = folder / f"events.out.tfevents.{time.time():010.0f}.{part:04}"
        self._file = RecordWriter(path.open("xb"))
        self._write(0, file_version="brain.Event:2")
        first = 0 if tracked.ablation else tracked.epochs
        if first is not None:
            self._forget(first)
        if tracked.epochs is not None:
            self._text("options", f"```json\n{json.dumps(dict(tracked.options), indent=2)}\n```", first)

    def on_pictures(self, epoch: int, pictures: Mapping[str, Path]) -> None:
        """Show the pictures' files as they are."""
        self._summary(epoch, [_picture(key, path) for key, path in pictures.items()])

    def on_epoch(self, record: Mapping[str, Any]) -> None:
        """Show all figures of the record."""
        self._scalars(record["epoch"], {key: value for key, value in record.items() if key != "epoch"})

    def on_evaluation(self, epoch: int, values: Mapping[str, float], page: Path) -> None:
        """Show the figures of an evaluation."""
        self._scalars(epoch, values)

    def on_table(self, columns: list[str], rows: list[list[Any]], page: Path) -> None:
        """Show an ablation's table as text."""
        lines = [columns, ["---"] * len(columns), *rows]
        self._text("table", "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines), 0)

    def finish(self, failed: bool) -> None:
        """Close the file."""
        self._file.close()

    def _forget(self, step: int) -> None:
        """Make TensorBoard hide the events of earlier files from this step on."""
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._write(step, session_log=SessionLog(status=SessionLog.START))

    def _scalars(self, step: int, values: Mapping[str, Any]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        numbers = {key: value for key, value in values.items() if isinstance(value, int | float)}
        self._summary(step, [Summary.Value(tag=key, simple_value=value) for key, value in numbers.items()])

    def _text(self, key: str, markdown: str, step: int) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._summary(step, text_pb(key, markdown).value)

    def _summary(self, step: int, values: Any) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(step, summary=Summary(value=values))

    def _write(self, step: int, **content: Any) -> None:
        """Write one event to the disk."""
        from tensorboard.compat.proto.event_pb2 import Event

        self._file.write(Event(wall_time=time.time(), step=step, **content).SerializeToString())
        self._file.flush()


def _picture(key: str, path: Path) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    with Image.open(path) as picture:
        width, height = picture.size
        channels = len(picture.getbands())
    encoded = path.read_bytes()
    image = Summary.Image(height=height, width=width, colorspace=channels, encoded_image_string=encoded)
    return Summary.Value(tag=key, image=image)


def _cell(value: Any) -> str:
    """A value in a table of Markdown."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
