"""Surveys a folder of images: modes, sizes, unreadable files, duplicates."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vaegan.datasets.decode import Square, in_parallel, read, upright_rgb
from vaegan.datasets.depth import ValueRange

THUMBNAIL = 16  # pixels a side of the thumbnails by which near duplicates are found
# The correlation of two thumbnails above which people, too, see copies: all 19 such pairs
# across a split of 4,000 anime faces were; above 0.9, some of 1,000 different cartoon faces would count.
NEAR = 0.93
AT_ONCE = 128  # images whose correlations with all others are held in memory


@dataclass(frozen=True)
class Look:
    """The survey of one file. size: (width, height) in pixels, before it is turned by EXIF.

    digest: the same for images with the same pixels. thumbnail: uint8 [T, T, 3], of the central square.
    """

    format: str
    mode: str
    size: tuple[int, int]
    digest: bytes
    thumbnail: np.ndarray


def look(file: Path, crop: int | None = None, value_range: ValueRange | None = None) -> Look | str:
    """The survey of a file, or the reason why it cannot be read."""

    def seen(image: Image.Image) -> Look:
        rgb = upright_rgb(image, value_range)
        shape = f"{rgb.size}".encode()
        digest = hashlib.blake2b(shape + rgb.tobytes(), digest_size=16).digest()
        return Look(image.format, image.mode, image.size, digest, Square(THUMBNAIL, crop).of(rgb))

    return read(file, seen)


def survey(
    files: Sequence[Path], crop: int | None = None, value_range: ValueRange | None = None
) -> list[Look | str]:
    """A `Look` at every file, or the reason why it cannot be read, in their order."""
    return list(in_parallel(files, partial(look, crop=crop, value_range=value_range)))


@dataclass(frozen=True)
class Twins:
    """A held-out image and the training image most similar to it, by their positions.

    likeness: the correlation of their thumbnails' values. exact: True if all pixels are the same.
    """

    held_out: int
    trained_on: int
    likeness: float
    exact: bool


def across_split(looks: Sequence[Look], train: Tensor, test: Tensor) -> list[Twins]:
    """For every held-out image, the training image most similar to it; the most similar pairs first.

    train, test: positions in `looks`. All pairs are compared: for 100,000 images this takes about a minute
    on 2 cores and 400 MiB. The measure is a correlation and not a difference, because any two pale pictures
    differ little.
    """
    thumbnails = torch.stack([torch.from_numpy(look.thumbnail) for look in looks])
    trained_on = {looks[i].digest: i for i in reversed(train.tolist())}
    train_values = _standardised(thumbnails[train])
    twins = []
    for part in test.split(AT_ONCE):
        likeness, nearest = (_standardised(thumbnails[part]) @ train_values.T).max(1)
        for i, j, value in zip(part.tolist(), train[nearest].tolist(), likeness.tolist(), strict=True):
            same = trained_on.get(looks[i].digest)
            twins.append(Twins(i, j, value, False) if same is None else Twins(i, same, 1.0, True))
    return sorted(twins, key=lambda pair: (pair.exact, pair.likeness), reverse=True)


def _standardised(thumbnails: Tensor) -> Tensor:
    """[N, T * T * 3], each row with mean 0 and length 1; all 0 for a picture of a single grey."""
    values = thumbnails.flatten(1).float()
    values -= values.mean(1, keepdim=True)
    return values / values.norm(dim=1, keepdim=True).clamp(min=1e-6)
