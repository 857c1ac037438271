"""Detects a data folder that is one level too high or too low."""

import os
from collections.abc import Iterator
from pathlib import Path

from vaegan.errors import OptionError


def check_level(data_dir: Path, inside: str) -> None:
    """Checks that `data_dir` can be the folder above `inside` ("MNIST/raw"); nothing is downloaded.

    Raises: OptionError if `inside` is not there but in a folder one or two levels up, or one level down.
    """
    if not (data_dir / inside).is_dir():
        for folder in _near(data_dir, Path(inside)):
            if (folder / inside).is_dir():
                raise OptionError("data_dir", f"did you mean {folder}? It contains {inside}")


def _near(data_dir: Path, inside: Path) -> Iterator[Path]:
    """The folders that may have been meant."""
    for folder in (data_dir, data_dir.resolve()):  # as it was typed, if that path is long enough
        for depth in range(1, len(inside.parts) + 1):
            if folder.parts[-depth:] == inside.parts[:depth]:
                yield folder.parents[depth - 1]
    try:
        with os.scandir(data_dir) as entries:
            yield from sorted(data_dir / entry.name for entry in entries if entry.is_dir())
    except OSError:
        return  # not a folder, or one that cannot be listed
