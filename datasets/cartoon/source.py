"""Cartoon faces drawn by this project, in any number, with known factors."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from vaegan.datasets.base import (
    Description,
    Images,
    Request,
    Splits,
    register_dataset,
    shuffled_split,
    train_count,
)
from vaegan.datasets.cartoon.drawing import LARGEST_SIZE, SMALLEST_SIZE, draw, sample_factors
from vaegan.datasets.decode import in_parallel
from vaegan.datasets.factors import Factors
from vaegan.datasets.store import ImageStore
from vaegan.errors import OptionError

OWN_COUNT = 10_000
LARGEST_COUNT = 10_000_000  # their factors take a gigabyte
OWN_SIZE = 32  # the smallest at which mouths and glasses are more than a few pixels
SEED = 0  # of the faces; not the run's seed, so that all runs use the same faces
AT_ONCE = 64  # faces drawn together
DRAWN_BY = ("canvas", "drawing", "outlines")  # modules: any change in them makes a new version of the cache


@register_dataset("cartoon")
class Cartoon:
    """10,000 cartoon faces in colour, or the requested number, split by a shuffle with `split_seed`.

    They are drawn once for each size and kept in the cache; a larger set reuses the faces of a smaller one.
    Each comes with its factors.
    """

    def __init__(self, request: Request, count: int = OWN_COUNT):
        self.request = request
        self.count = count
        self.size = request.image_size or OWN_SIZE
        if not SMALLEST_SIZE <= self.size <= LARGEST_SIZE:
            raise OptionError(
                "image_size", f"cartoon faces have from {SMALLEST_SIZE} to {LARGEST_SIZE} pixels a side"
            )

    def describe(self) -> Description:
        n_train = train_count(self.count)
        return Description((3, self.size, self.size), n_train, self.count - n_train)

    def load(self) -> Splits:
        factors = sample_factors(self.count, SEED)
        store = ImageStore(
            self.request.cache_dir / "cartoon" / f"{self.size}px-{_version()}", self.describe().shape
        )
        keys = [str(i).encode() for i in range(self.count)]
        images, _ = store.fetch(keys, partial(drawn, factors, self.size), "drawing")
        if self.request.fits_memory(self.count, self.describe().shape):
            images = images[:]
        return Splits(*shuffled_split(Images(images, factors=factors), self.request.split_seed))


@register_dataset("cartoon:COUNT")
class CartoonCount(Cartoon):
    """A given number of cartoon faces."""

    def __init__(self, request: Request, count: str):
        if not count.isdecimal() or not 2 <= int(count) <= LARGEST_COUNT:
            raise OptionError("dataset", f"the number of faces is a whole number from 2 to {LARGEST_COUNT:,}")
        super().__init__(request, int(count))


def drawn(factors: Factors, size: int, positions: Sequence[int]) -> Iterator[np.ndarray]:
    """The faces at those positions, uint8 [3, size, size], one after the other, drawn in parallel."""
    parts = [positions[start : start + AT_ONCE] for start in range(0, len(positions), AT_ONCE)]
    for faces in in_parallel(parts, partial(_draw, factors, size), n_each=1):
        yield from faces


def _draw(factors: Factors, size: int, positions: Sequence[int]) -> np.ndarray:
    return draw(factors[torch.tensor(positions)], size).numpy()


def _version() -> str:
    """Changes with the drawing code, so that no face of another version is taken from the cache."""
    sources = [Path(__file__).with_name(f"{name}.py").read_bytes() for name in DRAWN_BY]
    return hashlib.blake2b(b"".join(sources), digest_size=6).hexdigest()
