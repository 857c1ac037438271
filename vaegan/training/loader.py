"""The interface of a set of images that training and evaluation read."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import torch
from torch import Tensor


class Loader(Protocol):
    """Batches of images, uint8 [B, C, H, W] on `device`; with several processes, each gets its share.

    sizes: the batch sizes of an epoch, over all processes, in order. n_images: in an epoch.
    """

    device: torch.device
    sizes: Sequence[int]
    n_images: int

    def __len__(self) -> int:
        """Batches in an epoch."""

    def first(self, n: int) -> Tensor:
        """The first n images, unshuffled."""

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Tensor]:
        """The batches of an epoch (from 0), beginning with batch `start`."""
