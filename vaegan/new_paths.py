"""Output of commands: written completely or not at all, under free names, after a check of the disk space."""

import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaegan.errors import OptionError, UserError

BLOCK = 4096  # bytes, the smallest space that a file takes on most disks


def check_room(folder: Path) -> None:
    """Raises: OSError if a folder, existing or not, is not writable or its disk is full."""
    folder = folder.expanduser().resolve()
    there = next(each for each in (folder, *folder.parents) if os.path.lexists(each))
    with tempfile.TemporaryFile(dir=there) as file:
        file.write(bytes(BLOCK))
        file.flush()


def check_new_folder(given: Path, option: str | None = "out") -> None:
    """Checks that `new_folder` can create it, before anything is computed. Raises: as `new_folder`."""
    try:
        folder = given.expanduser().resolve()
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise _refused(given, option, "exists already; name a new or an empty folder")
        check_room(folder)
    except OSError as error:
        raise _refused(given, option, _unwritable(error)) from None


def check_new_file(given: Path, option: str) -> None:
    """Checks that a file can be created there, before anything is computed.

    Raises: OptionError for a file that exists, for one in a folder that does not, and for one that cannot be
    written.
    """
    try:
        file = given.expanduser()
        if os.path.lexists(file):
            raise OptionError(option, "exists already; name another file")
        if not file.resolve().parent.is_dir():
            raise OptionError(option, f"no folder {file.parent}")
        check_room(file.resolve().parent)
    except OSError as error:
        raise OptionError(option, _unwritable(error)) from None


@contextmanager
def new_folder(given: Path, option: str | None = "out") -> Iterator[Path]:
    """A temporary folder to fill, next to `given`; on success it becomes `given`, otherwise it is removed.

    Raises: OptionError for a folder that is not empty, and for one that cannot be created or written;
    UserError instead if `option` is None, for a positional argument. OSErrors about other files pass through.
    """
    check_new_folder(given, option)
    folder = given.expanduser().resolve()
    beginning = f".{folder.name[:50]}-"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=beginning, dir=folder.parent) as temporary:
            unfinished = Path(temporary) / "new"  # a subfolder, because it is renamed before the clean-up
            unfinished.mkdir()
            yield unfinished
            unfinished.rename(folder)
    except OSError as error:
        about = str(error.filename or folder)
        if Path(about) not in (folder, *folder.parents) and not about.startswith(
            str(folder.parent / beginning)
        ):
            raise
        raise _refused(given, option, _unwritable(error)) from None


@contextmanager
def added_to(folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder` to fill; on success its files are moved to their places in `folder`.

    Raises: OSError at once if nothing can be written.
    """
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        check_room(Path(temporary))
        yield Path(temporary)
        made = [path.relative_to(temporary) for path in Path(temporary).rglob("*") if path.is_file()]
        for path in sorted(made, key=lambda path: (-len(path.parts), path)):  # files that link to others last
            (folder / path).parent.mkdir(exist_ok=True)
            (temporary / path).replace(folder / path)


def free_name(stem: str, *endings: str) -> str:
    """`stem`, or else `stem` with the first number that leaves all its endings free in the current folder."""
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return next(name for name in names if not any(Path(name + ending).exists() for ending in endings))


def _unwritable(error: OSError) -> str:
    return f"cannot be written ({error.strerror or error})"


def _refused(given: Path, option: str | None, problem: str) -> UserError:
    return UserError(f"{given}: {problem}") if option is None else OptionError(option, problem)
