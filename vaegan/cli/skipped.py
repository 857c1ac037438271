"""Files that could not be read: the first by name, and all of them in a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from vaegan.files import write_whole

SHOWN = 10

Problems = Sequence[tuple[PurePath, str]]  # files, each with why


def problem_lines(problems: Problems, start: str) -> Iterator[str]:
    """A line for each of the first, behind that start, and how many more there are."""
    for path, reason in problems[:SHOWN]:
        yield f"{start}{path}: {reason}"
    if len(problems) > SHOWN:
        yield f"{start}{len(problems) - SHOWN:,} more"


def list_problems(file: Path, problems: Problems) -> bool:
    """Write all of them into a file where they were too many to be shown; whether they were.

    Raises: OSError when it cannot be written.
    """
    if len(problems) <= SHOWN:
        return False
    text = "".join(f"{path}: {reason}\n" for path, reason in problems)
    write_whole(file, lambda temporary: temporary.write_bytes(text.encode("utf-8", "backslashreplace")))
    return True
