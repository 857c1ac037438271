"""Image files to square uint8 pixels: every format that Pillow reads, any mixture of modes and sizes."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.utils.data import DataLoader, Dataset

from vaegan.datasets.deep_files import in_8_bits
from vaegan.datasets.depth import ValueRange
from vaegan.datasets.kinds import HEAD, UNREAD, content_kind
from vaegan.devices import cores
from vaegan.marks import is_marked

WORTH_PROCESSES = 1000  # files; starting processes takes longer than decoding fewer
DRAWN = "a picture that vaegan has drawn, which is no image for training"
FILES_AT_ONCE = 64  # that one process decodes before it hands them over


@dataclass(frozen=True)
class Square:
    """How an image becomes a square: cut to the centre, then resized.

    size: pixels a side of what comes out. crop: pixels a side of the central square that is cut out;
    None for the largest there is, which is also taken where an image is smaller. value_range: what becomes
    black and white in images of more than 8 bits; None where there are none.
    """

    size: int
    crop: int | None = None
    value_range: ValueRange | None = None

    def of(self, image: Image.Image) -> np.ndarray:
        """uint8 [size, size, 3]."""
        side = min(image.size) if self.crop is None else min(self.crop, *image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
        return np.array(image.resize((self.size, self.size), Image.Resampling.BICUBIC, box=box))


def upright_rgb(image: Image.Image, value_range: ValueRange | None = None) -> Image.Image:
    """The opened image in RGB, turned as its EXIF tag says.

    Raises: ValueError for one of more than 8 bits without the range that it shares with all others.
    """
    return as_rgb(ImageOps.exif_transpose(in_8_bits(image, value_range)))


def as_rgb(image: Image.Image) -> Image.Image:
    """The image of 8 bits (of an animation: its first frame) in RGB, transparency over white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class Openable(Protocol):
    """A file that does not lie in a folder."""

    name: str

    def open(self, mode: str) -> BinaryIO:
        """mode: "rb", as for a path."""


def decode(file: Path | Openable, square: Square) -> np.ndarray | str:
    """uint8 [3, size, size], or why the file cannot be read."""
    return read(file, lambda image: square.of(upright_rgb(image, square.value_range)).transpose(2, 0, 1))


def read(file: Path | Openable, what: Callable[[Image.Image], Any]) -> Any:
    """what(the opened image), or why the file cannot be read: what is wrong, without where it lies."""
    opened = file
    try:
        opened = file if isinstance(file, Path) else file.open("rb")
        with warnings.catch_warnings(), Image.open(opened) as image:
            warnings.simplefilter("ignore")  # of readers, which do not say which file they speak of
            return DRAWN if is_marked(image.info) else what(image)
    except UnidentifiedImageError as error:
        return unknown_content(file) or _said(error, file, opened)
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        return _said(error, file, opened)


def _said(error: Exception, file: Path | Openable, opened: Path | Openable | BinaryIO) -> str:
    name = file.name if opened is file else repr(file.name)  # Pillow names what it was given
    return f"{type(error).__name__}: {error}".replace(str(opened), name)


def unknown_content(file: Path | Openable) -> str | None:
    """The kind of a file that is called an image, and what to do with such; None where that is unknown."""
    with file.open("rb") as opened:
        kind = content_kind(opened.read(HEAD))
    return f"its content is {kind}; {UNREAD[kind]}" if kind in UNREAD else None


class _Results(Dataset):
    def __init__(self, items: Sequence, function: Callable):
        self.items = items
        self.function = function

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> Any:
        return self.function(self.items[index])


def in_parallel(items: Sequence, function: Callable, n_each: int = FILES_AT_ONCE) -> Iterator:
    """function(item) of each item, in their order, made by a process for each core where there are many.

    function: can be pickled. n_each: items that a process takes at once; it is worth to start processes
    from WORTH_PROCESSES files or a few larger portions on. Processes and not threads, since half the time
    of a small file is Python's.
    """
    many = len(items) >= WORTH_PROCESSES * n_each / FILES_AT_ONCE
    loader = DataLoader(
        _Results(items, function),
        batch_size=n_each,
        num_workers=cores() if many else 0,
        collate_fn=list,
        generator=torch.Generator(),  # else it would take a number from the global one
    )
    for batch in loader:
        yield from batch
