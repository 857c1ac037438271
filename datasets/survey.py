"""What lies in a folder of images: modes, sizes, what cannot be read, what is there twice."""

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

THUMBNAIL = 16  # pixels a side of what near duplicates are compared by
# The correlation of two thumbnails from which on eyes, too, take two pictures for copies: all 19 such pairs
# across a split of 4,000 anime faces were; from 0.9 on, some of 1,000 cartoon faces, all different, would be.
NEAR = 0.93
AT_ONCE = 128  # images whose likeness to all others is held in memory


@dataclass(frozen=True)
class Look:
    """What one file has. size: (width, height) in pixels, before it is turned by EXIF.

    digest: the same for images with the same pixels. thumbnail: uint8 [T, T, 3], of the central square.
    """

    format: str
    mode: str
    size: tuple[int, int]
    digest: bytes
    thumbnail: np.ndarray


def look(file: Path, crop: int | None = None, value_range: ValueRange | None = None) -> Look | str:
    """What the file has, or why it cannot be read."""

    def seen(image: Image.Image) -> Look:
        rgb = upright_rgb(image, value_range)
        shape = f"{rgb.size}".encode()
        digest = hashlib.blake2b(shape + rgb.tobytes(), digest_size=16).digest()
        return Look(image.format, image.mode, image.size, digest, Square(THUMBNAIL, crop).of(rgb))

    return read(file, seen)


def survey(
    files: Sequence[Path], crop: int | None = None, value_range: ValueRange | None = None
) -> list[Look | str]:
    """A look at every file, in their order."""
    return list(in_parallel(files, partial(look, crop=crop, value_range=value_range)))


@dataclass(frozen=True)
class Twins:
    """A held-out image and the training image most like it, by their positions.

    likeness: the correlation of their thumbnails' values. exact: whether all pixels are the same.
    """

    held_out: int
    trained_on: int
    likeness: float
    exact: bool


def across_split(looks: Sequence[Look], train: Tensor, test: Tensor) -> list[Twins]:
    """For every held-out image the training image that is most like it; the most alike first.

    train, test: positions in `looks`. Every one is compared with every other: of 100,000 images about a
    minute on 2 cores, and 400 MiB. Likeness is a correlation and not a difference, which would take any
    two pale pictures for the same.
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
    """[N, T * T * 3], each row with mean 0 and length 1; all 0 for a picture of one grey."""
    values = thumbnails.flatten(1).float()
    values -= values.mean(1, keepdim=True)
    return values / values.norm(dim=1, keepdim=True).clamp(min=1e-6)
