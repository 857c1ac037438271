"""Files that are written completely or not at all."""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vaegan.errors import OptionError, UserError

TEMPORARY = re.compile(r"\..+\.\d+")
BLOCK = 4096  # bytes, the least that a file takes on most disks


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Calls `write` on a temporary file in the folder of `path`, then moves it to `path` in one step.

    The file then survives a crash of the machine. Raises: OSError without disk space or the right to write.
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


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, completely or not at all. Raises: as `write_whole`."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def link_or_copy(source: Path, path: Path) -> None:
    """Gives a complete file a second name, without copying it if the file system supports that."""

    def link(temporary: Path) -> None:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)

    write_whole(path, link)


def append_line(path: Path, text: str) -> None:
    """Adds a line to a text file, so that it survives a crash of the machine. Raises: as `write_whole`."""
    with _naming(path), path.open("a", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def remove_unfinished(folder: Path) -> None:
    """Removes temporary files that a killed `write_whole` left in a folder and in those below."""
    for path in folder.rglob(".*"):
        if TEMPORARY.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Raises: OSError with the name of the file, which errors from writing lack."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def _sync_folder(folder: Path) -> None:
    """Syncs a folder's entries to disk; not every system can."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def check_writable(folder: Path) -> None:
    """Raises: OSError if a folder, existing or not, cannot be written into or its disk is full."""
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
        check_writable(folder)
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
        check_writable(file.resolve().parent)
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
def new_files_in(folder: Path) -> Iterator[Path]:
    """A temporary folder in `folder`, whose files are moved into `folder` if all goes well.

    Raises: OSError at once if nothing can be written.
    """
    with tempfile.TemporaryDirectory(prefix=".unfinished-", dir=folder) as temporary:
        check_writable(Path(temporary))
        yield Path(temporary)
        made = [path.relative_to(temporary) for path in Path(temporary).rglob("*") if path.is_file()]
        # files that refer to others come last
        for path in sorted(made, key=lambda path: (-len(path.parts), path)):
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
