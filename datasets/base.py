"""The interface of every data set: the request for images, and the images that it gives."""

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
TRAIN_SHARE = 0.8  # for data sets without a ready-made split


def default_cache_dir() -> Path:
    """$VAEGAN_CACHE; else the folder `vaegan` in the user's cache folder, or in that for temporary files."""
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(os.environ.get("VAEGAN_CACHE") or Path(caches) / "vaegan").expanduser()
    except RuntimeError:  # a user without a home, as in some containers
        return Path(tempfile.gettempdir()) / "vaegan"


@dataclass(frozen=True)
class Request:
    """A request for images. name: a registered data set, or a folder's path.

    image_size: pixels a side; None for the data set's own. data_dir: the folder that holds the files
    of data sets that have some. split_seed: for data sets without a ready-made split; it is not the run's
    seed, so that all runs share one test set. crop: pixels a side of the square that is cut out of the
    middle of a folder's images; None for the largest possible. memory_limit: MiB; larger sets of images
    are read from `cache_dir` as they are needed. train_images, test_images: how many of the training and of
    the held-out images to use; None for all. split: percentages of training and held-out images, as "80/20",
    for a folder of images; its ready-made split is then ignored. None for the ready-made split, or else
    80/20. labels: "auto" to look for the folder's classes, "none" to ignore them. value_range: the values
    that become black and white in images of more than 8 bits; None for the range found from all of them.
    """

    name: str
    image_size: int | None = None
    data_dir: Path = Path("data")
    split_seed: int = 0
    crop: int | None = field(default=None, metadata=OWN_IMAGES)
    memory_limit: int = 1024
    cache_dir: Path = field(default_factory=default_cache_dir)
    train_images: int | None = None
    test_images: int | None = None
    split: str | None = field(default=None, metadata=OWN_IMAGES)
    labels: str = field(default="auto", metadata=OWN_IMAGES)
    value_range: ValueRange | None = field(default=None, metadata=OWN_IMAGES)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "Request":
        """The request that a run's options make. The default folders stand in for those not given."""
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
        """The share of training images if there is no ready-made split."""
        if self.split is None:
            return TRAIN_SHARE
        train, held_out = map(int, self.split.split("/"))
        return train / (train + held_out)

    def fits_memory(self, n_images: int, image_shape: tuple[int, int, int]) -> bool:
        """True if `n_images` images [C, H, W] fit into the memory limit."""
        return n_images * math.prod(image_shape) <= self.memory_limit * MIB


@dataclass(frozen=True)
class Description:
    """The shape [C, H, W] and the number of the images that a data set will give; None for unknown numbers.

    remarks: one sentence for each thing left out, changed or guessed. value_range: the values that become
    black and white in images of more than 8 bits; None if there are no such images.
    """

    shape: tuple[int, int, int]
    n_train: int | None
    n_test: int | None
    note: str = ""
    remarks: tuple[str, ...] = ()
    value_range: ValueRange | None = None


@dataclass(frozen=True)
class Images:
    """images: uint8 [N, C, H, W]. labels: int64 [N]. factors: the ground-truth factors of the images.

    Labels and factors are None if there are none. classes: the names of the labels 0, 1, ...; None if the
    classes have only their numbers.
    """

    images: Tensor | StoredImages
    labels: Tensor | None = None
    factors: Factors | None = None
    classes: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.images)

    def part(self, indices: Tensor) -> "Images":
        """The images at `indices`, in that order, with their labels and factors."""
        stored = isinstance(self.images, StoredImages)
        return Images(
            self.images.part(indices) if stored else self.images[indices],
            None if self.labels is None else self.labels[indices],
            None if self.factors is None else self.factors[indices],
            self.classes,
        )


@dataclass(frozen=True)
class Splits:
    """The training and the held-out images. skipped: files that could not be read, each with the reason."""

    train: Images
    test: Images
    skipped: list[tuple[Path, str]] = field(default_factory=list)


class Source(Protocol):
    def describe(self) -> Description:
        """Shape and counts, found with as little reading as possible."""

    def load(self) -> Splits:
        """The images. Raises: OptionError if they cannot be loaded."""


@dataclass(frozen=True)
class Fewer:
    """Wraps a source and keeps only some of its training and held-out images, chosen by the split's seed.

    They are chosen at random, since a set may be sorted by class; more of them add to fewer.
    n_train, n_test: None for all.
    """

    source: Source
    n_train: int | None
    n_test: int | None
    split_seed: int

    def describe(self) -> Description:
        description = self.source.describe()
        self._check(description.n_train, description.n_test)
        kept = {"n_train": self.n_train, "n_test": self.n_test}
        return replace(description, **{name: n for name, n in kept.items() if n is not None})

    def load(self) -> Splits:
        splits = self.source.load()
        self._check(len(splits.train), len(splits.test))
        train, test = self._part(splits.train, self.n_train), self._part(splits.test, self.n_test)
        return replace(splits, train=train, test=test)

    def _part(self, images: Images, n: int | None) -> Images:
        """`n` of the images, in random order; all as they are if `n` is None."""
        if n is None:
            return images
        generator = torch.Generator().manual_seed(self.split_seed)
        return images.part(torch.randperm(len(images), generator=generator)[:n])

    def _check(self, n_train: int | None, n_test: int | None) -> None:
        """Raises: OptionError if there are fewer than asked for. n_train, n_test: None if unknown."""
        if None not in (self.n_train, n_train) and self.n_train > n_train:
            raise OptionError("train_images", f"there are {n_train:,} training images")
        if None not in (self.n_test, n_test) and self.n_test > n_test:
            raise OptionError("test_images", f"there are {n_test:,} held-out images")


def train_count(n_images: int, share: float = TRAIN_SHARE) -> int:
    """The number of training images among `n_images`; the rest are held out."""
    return int(n_images * share)


def split_positions(n_images: int, split_seed: int, share: float = TRAIN_SHARE) -> tuple[Tensor, Tensor]:
    """Positions of training and of held-out images: `n_images` are shuffled, and the first 80 % train."""
    order = torch.randperm(n_images, generator=torch.Generator().manual_seed(split_seed))
    n_train = train_count(n_images, share)
    return order[:n_train], order[n_train:]


def shuffled_split(images: Images, split_seed: int) -> tuple[Images, Images]:
    """The training and the held-out images, after a shuffle."""
    train, test = split_positions(len(images), split_seed)
    return images.part(train), images.part(test)


def resized(images: Tensor, size: int) -> Tensor:
    """uint8 [N, C, H, W] at `size` pixels a side, bicubic and anti-aliased; unchanged if of that size."""
    if images.shape[-1] == size:
        return images
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import resize

    return resize(images, [size, size], interpolation=InterpolationMode.BICUBIC, antialias=True)
