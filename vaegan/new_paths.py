"""Where commands put what they make: in new folders, whole or not at all, under names that are free."""

import itertools
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaegan.errors import OptionError, UserError


@contextmanager
def new_folder(given: Path, option: str | None = "out") -> Iterator[Path]:
    """A temporary folder to fill, beside `given`: in its place when all went well, else gone again.

    Raises: OptionError for a folder that has something in it and one that cannot be made or written into;
    UserError without an option, for a folder that was typed by itself.
    """

    def refused(problem: str) -> UserError:
        return UserError(f"{given}: {problem}") if option is None else OptionError(option, problem)

    try:
        folder = given.expanduser().resolve()
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise refused("exists already; name a new or an empty folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name[:50]}-", dir=folder.parent) as temporary:
            unfinished = Path(temporary) / "new"  # whose name can be taken away from what is cleaned up
            unfinished.mkdir()
            yield unfinished
            unfinished.rename(folder)
    except OSError as error:
        raise refused(f"cannot be written ({error.strerror or error})") from None


def free_name(stem: str, *endings: str) -> str:
    """`stem`, or else with the first number behind it, so that nothing here has that name with an ending."""
    names = itertools.chain([stem], (f"{stem}-{i}" for i in itertools.count(2)))
    return next(name for name in names if not any(Path(name + ending).exists() for ending in endings))
