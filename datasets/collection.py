"""Images that are decoded one by one: into memory if they fit, otherwise once into the cache."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaegan.datasets.base import Description, Images, Request, Splits, split_positions, train_count
from vaegan.datasets.decode import Square
from vaegan.datasets.depth import ValueRange, said
from vaegan.datasets.store import ImageStore
from vaegan.errors import OptionError

OWN_SIZE = 64
CACHE_VERSION = 1  # raise it when a change of the code decodes the same file into other pixels


class Collection:
    """A source of images that are decoded one by one, split by a shuffle with `split_seed`.

    Subclasses name the images and read them, in the methods that raise NotImplementedError here. Images that
    do not fit into the request's memory limit are decoded once and kept in the cache. An image there is
    decoded again only if its stamp has changed.
    """

    kind = "images"  # the word for them in messages
    cached_in: str  # the folder in the cache for all sources of this kind

    def __init__(self, request: Request, root: Path, channels: int = 3, own_size: int = OWN_SIZE):
        """root: the place of the images. own_size: pixels a side if the request gives no size."""
        self.request = request
        self.root = root
        self.size = request.image_size or own_size
        self.shape = (channels, self.size, self.size)

    @property
    def value_range(self) -> ValueRange | None:
        """The values that become black and white in images of more than 8 bits; None without such images."""
        return None

    @cached_property
    def square(self) -> Square:
        """The crop and resize that turn an image into a training image."""
        return Square(self.size, self.request.crop, self.value_range)

    @property
    def names(self) -> Sequence[Path]:
        """The name of each image, in order. Raises: OptionError if there are none."""
        raise NotImplementedError

    @property
    def unopened(self) -> list[tuple[Path, str]]:
        """Places that could not be searched for images, each with the reason."""
        return []

    def decoded(self, positions: Sequence[int]) -> Iterator[np.ndarray | str]:
        """The images at those positions of `names`, uint8 [C, H, W], or the reason why one cannot be read."""
        raise NotImplementedError

    def stamp(self, position: int) -> bytes:
        """Bytes that are different for each image and change when the image does."""
        raise NotImplementedError

    @cached_property
    def stamps(self) -> list[bytes]:
        """The stamps of all images, taken at the first call."""
        return [self.stamp(i) for i in range(len(self.names))]

    @property
    def labels(self) -> tuple[Tensor, tuple[str, ...]] | None:
        """The class of each image, int64 [N], and the names of the classes; None if there are none."""
        return None

    @property
    def held_out(self) -> Tensor | None:
        """True for the images that a ready-made split holds out, bool [N]; None if there is no such split."""
        return None

    @property
    def remarks(self) -> tuple[str, ...]:
        """One sentence for each thing that was left out, changed or guessed."""
        return ()

    @property
    def reading_order(self) -> Sequence[int]:
        """The positions of `names` in the order that is fastest to read."""
        return range(len(self.names))

    @property
    def own_cache(self) -> str:
        """The folder in the cache for everything kept of this source."""
        root = self.root.resolve()
        digest = hashlib.blake2b(os.fsencode(root), digest_size=6).hexdigest()
        return f"{self.cached_in}/{root.name[:50]}-{digest}"

    def cache_folder(self) -> str:
        """The folder in the cache for images decoded with these settings."""
        values = f"-values{said(self.value_range)}" if self.value_range else ""
        how = f"{self.square.size}px-crop{self.square.crop or 'largest'}{values}-v{CACHE_VERSION}"
        return f"{self.own_cache}/{how}"

    def describe(self) -> Description:
        n_images = len(self.names)
        n_train = train_count(n_images, self.request.train_share)
        if self.held_out is not None:
            n_train = int((~self.held_out).sum())
        where = "memory" if self._in_memory else "the cache"
        note = f"{self.kind}; unreadable ones will be left out; they will be read from {where}"
        return Description(self.shape, n_train, n_images - n_train, note, self.remarks, self.value_range)

    def load(self) -> Splits:
        """Raises: OptionError if no image can be read."""
        images, problems = self._read() if self._in_memory else self._read_once()
        if images is None:
            problem = f"none of the {len(self.names)} {self.kind} in {self.root} can be read"
            raise OptionError("dataset", f"{problem}; the first: {problems[0]}")
        read = torch.tensor([i for i in range(len(self.names)) if i not in problems])
        labels, classes = (None, None) if self.labels is None else self.labels
        whole = Images(images, None if labels is None else labels[read], classes=classes)
        train, test = map(whole.part, self.split(read))
        unread = [(self.names[i], reason) for i, reason in problems.items()]
        return Splits(train, test, unread + self.unopened)

    def split(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """The training and the held-out images among those at the positions `read`, as indices into `read`.

        Raises: OptionError if no image of one side of a ready-made split can be read.
        """
        if self.held_out is None:
            return split_positions(len(read), self.request.split_seed, self.request.train_share)
        held_out = self.held_out[read]
        if held_out.all() or not held_out.any():
            side = "training" if held_out.all() else "held-out"
            problem = f"none of the {side} images of the ready-made split can be read"
            raise OptionError("dataset", f"{problem}; --split 80/20 splits the others at random")
        return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]

    @property
    def _in_memory(self) -> bool:
        return self.request.fits_memory(len(self.names), self.shape)

    def _read(self) -> tuple[Tensor | None, dict[int, str]]:
        """The readable images in memory, and for the others the reason, by position."""
        images = torch.empty(len(self.names), *self.shape, dtype=torch.uint8)
        order, problems = self.reading_order, {}
        for i, image in zip(order, self.decoded(order), strict=True):
            if isinstance(image, str):
                problems[i] = image
            else:
                images[i] = torch.from_numpy(image)
        if problems:
            images = images[[i for i in range(len(self.names)) if i not in problems]]
        return images if len(images) else None, problems

    def _read_once(self):
        """The same as `_read` through the cache, with the images on disk."""
        store = ImageStore(self.request.cache_dir / self.cache_folder(), self.shape)
        order = self.reading_order
        keys = [self.stamps[i] for i in order]

        def make(places: list[int]) -> Iterator[np.ndarray | str]:
            return self.decoded([order[j] for j in places])

        images, problems = store.fetch(keys, make, "decoding")
        problems = {order[j]: reason for j, reason in problems.items()}
        if images is not None:
            read = torch.tensor([i for i in order if i not in problems])
            images = images.part(read.argsort())
        return images, problems
