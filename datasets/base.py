"""What every data set is asked for and what it gives."""

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from vaegan.datasets.depth import ValueRange
from vaegan.datasets.factors import Factors
from vaegan.datasets.store import MIB, StoredImages
from vaegan.errors import OptionError
from vaegan.registry import DATASETS

register_dataset = DATASETS.register

OWN_IMAGES = {"own_images": True}  # of a field of Request: for folders, archives and arrays of images alone
TRAIN_SHARE = 0.8  # of a data set that comes without a split of its own


def default_cache_dir() -> Path:
    """$VAEGAN_CACHE, or else `vaegan` in the user's folder for caches, or in that for temporary files."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(os.environ.get("VAEGAN_CACHE") or Path(caches) / "vaegan").expanduser()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "vaegan"


@dataclass(frozen=True)
class Request:
    """Which images are wanted. name: a registered data set, or a folder's path.

    image_size: pixels a side; None for the data set's own. data_dir: the folder that holds the files
    of data sets that have some. split_seed: for data sets without a split of their own; not the run's
    seed, so that all runs share one test set. crop: pixels a side of the square that is cut out of the
    middle of a folder's images; None for the largest there is. memory_limit: MiB; sets of images that
    take more are read from `cache_dir` as they are needed. train_images: how many of the images to train on
    are wanted; None for all. split: the shares to train on and to hold out, as "80/20", of a folder's images,
    whose own split is then left aside; None for its own, or else 80/20. labels: whether a folder's classes
    are wanted ("auto" or "none"). value_range: the values that become black and white in images of more than
    8 bits; None for what is found from all of them.
    """

    name: str
    image_size: int | None = None
    data_dir: Path = Path("data")
    split_seed: int = 0
    crop: int | None = field(default=None, metadata=OWN_IMAGES)
    memory_limit: int = 1024
    cache_dir: Path = field(default_factory=default_cache_dir)
    train_images: int | None = None
    split: str | None = field(default=None, metadata=OWN_IMAGES)
    labels: str = field(default="auto", metadata=OWN_IMAGES)
    value_range: ValueRange | None = field(default=None, metadata=OWN_IMAGES)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Request":
        """What a run's options ask for; a folder that is not named is the default one."""
        names = [each.name for each in fields(cls)]
        given = {name: options[name] for name in names if options.get(name) is not None}
        given["name"] = options["dataset"]
        given["data_dir"] = Path(
            options.get("data_dir") or os.environ.get("VAEGAN_DATA") or "data"
        ).expanduser()
        cache_dir = options.get("cache_dir")
        given["cache_dir"] = Path(cache_dir).expanduser() if cache_dir else default_cache_dir()
        if "value_range" in given:
            given["value_range"] = tuple(given["value_range"])
        return cls(**given)

    @property
    def train_share(self) -> float:
        """The share of images to train on where there is no ready-made split."""
        if self.split is None:
            return TRAIN_SHARE
        train, held_out = map(int, self.split.split("/"))
        return train / (train + held_out)

    def fits_memory(self, n_images: int, image_shape: tuple[int, int, int]) -> bool:
        """Whether so many images [C, H, W] may be held in memory."""
        return n_images * math.prod(image_shape) <= self.memory_limit * MIB


@dataclass(frozen=True)
class Description:
    """What a data set will give: the images' shape [C, H, W] and how many; None where that is unknown.

    remarks: what was left out, changed or guessed, a sentence each. value_range: the values that become
    black and white in images of more than 8 bits; None where there are none.
    """

    shape: tuple[int, int, int]
    n_train: int | None
    n_test: int | None
    note: str = ""
    remarks: tuple[str, ...] = ()
    value_range: ValueRange | None = None


@dataclass(frozen=True)
class Images:
    """images: uint8 [N, C, H, W]. labels: int64 [N]. factors: what the images were made from.

    Labels and factors are None where there are none. classes: what the labels 0, 1, ... stand for; None
    where they have no names but their numbers.
    """

    images: Tensor | StoredImages
    labels: Tensor | None = None
    factors: Factors | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def part(self, indices: Tensor) -> "Images":
        """Some of the images with all that belongs to them, in that order."""
        stored = isinstance(self.images, StoredImages)
        return Images(
            self.images.part(indices) if stored else self.images[indices],
            None if self.labels is None else self.labels[indices],
            None if self.factors is None else self.factors[indices],
            self.classes,
        )


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


@dataclass(frozen=True)
class FewerToTrainOn:
    """A source of which fewer images are trained on: the first of an order that follows the split's seed."""

    source: Source
    n_train: int
    split_seed: int

    def describe(self) -> Description:
        description = self.source.describe()
        if description.n_train is not None:
            self._check(description.n_train)
        return replace(description, n_train=self.n_train)

    def load(self) -> Splits:
        splits = self.source.load()
        self._check(len(splits.train))
        generator = torch.Generator().manual_seed(self.split_seed)
        order = torch.randperm(len(splits.train), generator=generator)
        return replace(splits, train=splits.train.part(order[: self.n_train]))

    def _check(self, there: int) -> None:
        if self.n_train > there:
            raise OptionError("train_images", f"there are {there:,} training images")


def train_count(n_images: int, share: float = TRAIN_SHARE) -> int:
    """How many of `n_images` are trained on; the rest is held out."""
    return int(n_images * share)


def split_positions(n_images: int, split_seed: int, share: float = TRAIN_SHARE) -> tuple[Tensor, Tensor]:
    """Which of `n_images` are trained on, the first 80 % after a shuffle, and which are held out."""
    order = torch.randperm(n_images, generator=torch.Generator().manual_seed(split_seed))
    n_train = train_count(n_images, share)
    return order[:n_train], order[n_train:]


def shuffled_split(images: Images, split_seed: int) -> tuple[Images, Images]:
    """The images to train on and those to hold out."""
    train, test = split_positions(len(images), split_seed)
    return images.part(train), images.part(test)


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, W] at `size` pixels a side, bicubic and anti-aliased; untouched at their own size."""
    if images.shape[-1] == size:
        return images
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import resize

    return resize(images, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True)
