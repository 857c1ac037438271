"""Decodes image files to square uint8 pixels: every format that Pillow reads, in any mode and size."""

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
DRAWN = "a picture drawn by vaegan, which is not a training image"
FILES_AT_ONCE = 64  # files that one process decodes before it returns them


@dataclass(frozen=True)
class Square:
    """Makes an image square: crops its centre, then resizes.

    size: pixels a side of the result. crop: pixels a side of the central square that is cut out; None for
    the largest possible, which is also used if an image is smaller. value_range: the values that become
    black and white in images of more than 8 bits; None if there are no such images.
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

    Raises: ValueError for an image of more than 8 bits if the range shared by all images is not given.
    """
    return as_rgb(ImageOps.exif_transpose(in_8_bits(image, value_range)))


def as_rgb(image: Image.Image) -> Image.Image:
    """The 8-bit image (the first frame of an animation) in RGB, with transparency over white."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


class Openable(Protocol):
    """A file that is not in a folder, such as a member of an archive."""

    name: str

    def open(self, mode: str) -> BinaryIO:
        """mode: "rb", as for a path."""


def decode(file: Path | Openable, square: Square) -> np.ndarray | str:
    """uint8 [3, size, size], or the reason why the file cannot be read."""
    return read(file, lambda image: square.of(upright_rgb(image, square.value_range)).transpose(2, 0, 1))


def read(file: Path | Openable, what: Callable[[Image.Image], Any]) -> Any:
    """what(the opened image), or the reason why the file cannot be read, without the file's folder."""
    opened = file
    try:
        opened = file if isinstance(file, Path) else file.open("rb")
        with warnings.catch_warnings(), Image.open(opened) as image:
            warnings.simplefilter("ignore")  # the readers' warnings do not name the file
            return DRAWN if is_marked(image.info) else what(image)
    except UnidentifiedImageError as error:
        return unknown_content(file) or _said(error, file, opened)
    except Exception as error:  # Pillow's readers raise many kinds on damaged files
        return _said(error, file, opened)


def _said(error: Exception, file: Path | Openable, opened: Path | Openable | BinaryIO) -> str:
    name = file.name if opened is file else repr(file.name)  # Pillow names the object that it was given
    return f"{type(error).__name__}: {error}".replace(str(opened), name)


def unknown_content(file: Path | Openable) -> str | None:
    """The kind of a file that only has an image's name, and what to do; None if the kind is unknown."""
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
    """function(item) of each item, in order, computed by one process per core if there are many items.

    function: must be picklable. n_each: items that a process takes at once. Starting processes pays off
    from WORTH_PROCESSES files or from a few larger portions on. They are processes rather than threads,
    because Python code takes half of the time of a small file.
    """
    many = len(items) >= WORTH_PROCESSES * n_each / FILES_AT_ONCE
    loader = DataLoader(
        _Results(items, function),
        batch_size=n_each,
        num_workers=cores() if many else 0,
        collate_fn=list,
        generator=torch.Generator(),  # otherwise it would draw from the global generator
    )
    for batch in loader:
        yield from batch
