"""Lists files that could not be read: the first on the terminal, all of them in a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from vaegan.files import write_whole

SHOWN = 10

Problems = Sequence[tuple[PurePath, str]]  # files, each with the reason


def problem_lines(problems: Problems, start: str) -> Iterator[str]:
    """A line for each of the first files, with that prefix, and the number of the others."""
    for path, reason in problems[:SHOWN]:
        yield f"{start}{path}: {reason}"
    if len(problems) > SHOWN:
        yield f"{start}{len(problems) - SHOWN:,} more"


def list_problems(file: Path, problems: Problems) -> bool:
    """Write all of them into a file if they were too many to be printed; returns True if it did.

    Raises: OSError when it cannot be written.
    """
    if len(problems) <= SHOWN:
        return False
    text = "".join(f"{path}: {reason}\n" for path, reason in problems)
    write_whole(file, lambda temporary: temporary.write_bytes(text.encode("utf-8", "backslashreplace")))
    return True
