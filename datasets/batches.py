"""Batches of images that lie in memory, on whichever device they are."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vaegan.seeds import generator_for


class Batches:
    """uint8 images [N, C, H, W] in batches [B, C, H, W]; the last may be smaller.

    A last batch of one image joins the one before it: batch norm cannot be trained on a single value.
    shuffle_seed: the order of an epoch follows from it and the epoch alone; None keeps the images'
    own order.
    """

    def __init__(self, images: Tensor, batch_size: int, shuffle_seed: int | None = None):
        self.images = images
        self.shuffle_seed = shuffle_seed
        n_whole, rest = divmod(len(images), batch_size)
        self.sizes = [batch_size] * n_whole + ([rest] if rest else [])
        if rest == 1 and n_whole:
            self.sizes[-2:] = [batch_size + 1]

    def __len__(self) -> int:
        return len(self.sizes)

    def epoch(self, epoch: int = 0) -> Iterator[Tensor]:
        """The batches of one epoch, each image in exactly one."""
        if self.shuffle_seed is None:
            yield from self.images.split(self.sizes)
            return
        order = torch.randperm(len(self.images), generator=generator_for(self.shuffle_seed, "order", epoch))
        for indices in order.to(self.images.device).split(self.sizes):
            yield self.images[indices]
