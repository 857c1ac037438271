"""What every data set is asked for and what it gives."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resize

from vaegan.registry import Registry

DATASETS = Registry("data set")
register_dataset = DATASETS.register

TRAIN_SHARE = 0.8  # of a data set that comes without a split of its own


@dataclass(frozen=True)
class Request:
    """Which images are wanted. name: a registered data set, or a folder's path.

    image_size: pixels a side; None for the data set's own. data_dir: the folder that holds the files
    of data sets that have some. split_seed: for data sets without a split of their own; not the run's
    seed, so that all runs share one test set.
    """

    name: str
    image_size: int | None = None
    data_dir: Path = Path("data")
    split_seed: int = 0


@dataclass(frozen=True)
class Description:
    """What a data set will give: the images' shape [C, H, W] and how many; None where that is unknown."""

    shape: tuple[int, int, int]
    n_train: int | None
    n_test: int | None
    note: str = ""


@dataclass(frozen=True)
class Images:
    """images: uint8 [N, C, H, W]. labels: int64 [N], or None where there are none."""

    images: Tensor
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Splits:
    """The images to train on and those held out. skipped: files that could not be read, each with why."""

    train: Images
    test: Images
    skipped: list[tuple[Path, str]] = field(default_factory=list)


class Source(Protocol):
    def describe(self) -> Description:
        """Shape and counts, from as little reading as possible."""

    def load(self) -> Splits:
        """The images. Raises: OptionError when they cannot be had."""


def train_count(n_images: int) -> int:
    """How many of `n_images` are trained on; the rest is held out."""
    return int(n_images * TRAIN_SHARE)


def shuffled_split(images: Tensor, labels: Tensor | None, split_seed: int) -> tuple[Images, Images]:
    """The first 80 % after a shuffle with `split_seed`, and the rest."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(split_seed))
    cut = train_count(len(images))
    parts = [
        Images(images[part], None if labels is None else labels[part]) for part in (order[:cut], order[cut:])
    ]
    return parts[0], parts[1]


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, W] at `size` pixels a side, bicubic and anti-aliased; untouched at their own size."""
    if images.shape[-1] == size:
        return images
    return resize(images, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True)
