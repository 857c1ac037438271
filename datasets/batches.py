"""Batches of images, on whichever device they are wanted."""

from collections.abc import Iterator

import torch
from torch import Tensor

from vaegan.datasets.store import StoredImages
from vaegan.parallel import ALONE, LEAST_SHARE, Ranks
from vaegan.seeds import generator_for


class Batches:
    """uint8 images [N, C, H, W] in batches [B, C, H, W] on `device`; the last may be smaller.

    Images in memory are moved to the device once and for all; those on disk as they are read. A last
    batch too small for every process to have two images of it joins the one before.
    shuffle_seed: the order of an epoch follows from it and the epoch alone; None keeps the images'
    own order. ranks: the processes that share out each batch; what is given here is this one's part.
    sizes: of an epoch's whole batches, in order.
    """

    def __init__(
        self,
        images: Tensor | StoredImages,
        batch_size: int,
        shuffle_seed: int | None = None,
        device: torch.device | str = "cpu",
        ranks: Ranks = ALONE,
    ):
        self.device = torch.device(device)
        self.images = images if isinstance(images, StoredImages) else images.to(self.device)
        self.shuffle_seed = shuffle_seed
        self.ranks = ranks
        n_whole, rest = divmod(len(images), batch_size)
        self.sizes = [batch_size] * n_whole + ([rest] if rest else [])
        if 0 < rest < LEAST_SHARE * ranks.size and n_whole:
            self.sizes[-2:] = [batch_size + rest]

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def n_images(self) -> int:
        """Images in an epoch."""
        return len(self.images)

    def first(self, n: int) -> Tensor:
        """The first n images in their own order, in every process."""
        return self.images[:n].to(self.device)

    def epoch(self, epoch: int = 0, start: int = 0) -> Iterator[Tensor]:
        """The batches of one epoch from that number on, each image in exactly one."""
        if self.shuffle_seed is None:
            order = torch.arange(self.n_images)
        else:
            order = torch.randperm(self.n_images, generator=generator_for(self.shuffle_seed, "order", epoch))
        if isinstance(self.images, Tensor):
            order = order.to(self.device)  # once, not batch by batch
        for indices in order.split(self.sizes)[start:]:
            mine = self.ranks.share(len(indices)).of(indices)
            if isinstance(self.images, Tensor):  # an eighth of what indexing takes
                yield self.images.index_select(0, mine)
            else:
                yield self.images[mine].to(self.device)
