"""A data folder that is one level off: named too deep, or too far up."""

import os
from collections.abc import Iterator
from pathlib import Path

from vaegan.errors import OptionError


def check_level(data_dir: Path, inside: str) -> None:
    """Whether `data_dir` may be the folder that has `inside` ("MNIST/raw") below it; nothing is downloaded.

    Raises: OptionError when it is not there, but below a folder one or two up, or one down.
    """
    if not (data_dir / inside).is_dir():
        for folder in _near(data_dir, Path(inside)):
            if (folder / inside).is_dir():
                raise OptionError("data_dir", f"did you mean {folder}? {inside} lies in it")


def _near(data_dir: Path, inside: Path) -> Iterator[Path]:
    """The folders that could have been meant."""
    for folder in (data_dir, data_dir.resolve()):  # as it was typed, where that has what it takes
        for depth in range(1, len(inside.parts) + 1):
            if folder.parts[-depth:] == inside.parts[:depth]:
                yield folder.parents[depth - 1]
    try:
        with os.scandir(data_dir) as entries:
            yield from sorted(data_dir / entry.name for entry in entries if entry.is_dir())
    except OSError:
        return  # no folder, or one that cannot be listed
