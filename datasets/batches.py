"""Batches of images that lie in memory, on whichever device they are."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vaegan.seeds import generator_for


class Batches:
    """uint8 images [N, C, H, W] in batches [B, C, H, W]; the last may be smaller.

    shuffle_seed: the order of an epoch follows from it and the epoch alone; None keeps the images'
    own order.
    """

    def __init__(self, images: Tensor, batch_size: int, shuffle_seed: int | None = None):
        self.images = images
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def epoch(self, epoch: int = 0) -> Iterator[Tensor]:
        """The batches of one epoch, each image in exactly one."""
        if self.shuffle_seed is None:
            yield from self.images.split(self.batch_size)
            return
        order = torch.randperm(len(self.images), generator=generator_for(self.shuffle_seed, "order", epoch))
        for indices in order.to(self.images.device).split(self.batch_size):
            yield self.images[indices]
