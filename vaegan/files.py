"""Files that are written whole or not at all."""

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.\d+")


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in `path`'s place in one step.

    It lasts from then on, also when the machine goes down. Raises: OSError when there is no room or no
    right to write.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with _naming(path):
        try:
            write(temporary)
            with temporary.open("r+b") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            _sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def put_beside(source: Path, path: Path) -> None:
    """Give a whole file a second name, without a second copy of it where the file system can do that."""

    def link(temporary: Path) -> None:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)

    write_whole(path, link)


def append_line(path: Path, text: str) -> None:
    """Add a line to a text file; it lasts from then on. Raises: as `write_whole`."""
    with _naming(path), path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def remove_unfinished(folder: Path) -> None:
    """Remove what `write_whole` had begun in a folder and those below, when its process was killed."""
    for path in folder.rglob(".*"):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raises: OSError that names the file, which one from writing does not."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Make lasting what a folder says of its files; not every system can."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
