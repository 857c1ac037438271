"""Readers of paths. A reader is a source class under `@register_reader`, which names what it reads."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vaegan.datasets.base import DATASETS, Request, Source
from vaegan.datasets.unread import advice
from vaegan.errors import OptionError, did_you_mean


@dataclass(frozen=True)
class Reader:
    """A source class for paths. what: what it reads, for messages ("a folder of images").

    reads: True if it accepts a path. source: creates the source from a request and the path. last: asked
    only if no other reader accepts the path.
    """

    what: str
    reads: Callable[[Path], bool]
    source: Callable[[Request, Path], Source]
    last: bool


_readers: list[Reader] = []


def register_reader(what: str, reads: Callable[[Path], bool], *, last: bool = False) -> Callable:
    """Class decorator that registers the class as a reader of paths; for the arguments see `Reader`."""

    def decorate(source):
        _readers.append(Reader(what, reads, source, last))
        return source

    return decorate


def readers() -> Iterator[Reader]:
    """All readers, in the order in which they are asked."""
    return iter(sorted(_readers, key=lambda reader: (reader.last, reader.what)))


def ends_with(*endings: str) -> Callable[[Path], bool]:
    """A test for file names that end in one of those (".tar.gz"), in upper or lower case."""
    return lambda path: path.name.lower().endswith(endings) and os.path.isfile(path)


def open_path(request: Request) -> Source:
    """The source at the path `request.name`.

    Raises: OptionError if nothing is there, or for a file that is not read, with its kind and what to do.
    """
    path = Path(request.name).expanduser()
    if request.name:
        for reader in readers():
            if reader.reads(path):
                return reader.source(request, path)
    read = ", ".join(reader.what for reader in reversed(list(readers())))
    if os.path.lexists(path) and request.name:
        raise OptionError("dataset", f"{advice(path)}. What is read: {read}.")
    hint = did_you_mean(request.name, DATASETS.names())
    known = ", ".join(DATASETS.names())
    raise OptionError(
        "dataset", f"neither a data set nor a folder or file; {hint}Known: {known}, or the path of {read}."
    )
