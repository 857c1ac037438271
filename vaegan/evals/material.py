"""The images that every evaluation uses: held-out and training images, reconstructions, samples."""

from functools import cached_property
from typing import Any, Protocol

import torch
from torch import Tensor

from vaegan.run.trained import Trained
from vaegan.seeds import generator_for

MOST_IMAGES = 10_000  # of each kind; published distances use as many


class ImageSet(Protocol):
    """Images with labels. images: uint8, slices give [N, C, H, W]. labels: [N] or None.

    classes: the names of the labels 0, 1, ..., if they have names.
    """

    images: Any
    labels: Tensor | None
    classes: tuple[str, ...] | None
    factors: Any

    def __len__(self) -> int: ...

    def part(self, indices: Tensor) -> "ImageSet": ...


class Material:
    """Images and a run's outputs for them, each computed once, on first use; all on the CPU.

    train, test: at most `most` images of each are used. Training images are picked by the seed; held-out
    images are the first ones. seed: for everything that is drawn.
    """

    def __init__(
        self, trained: Trained, train: ImageSet, test: ImageSet, seed: int = 0, most: int = MOST_IMAGES
    ):
        self.trained = trained
        self.players = trained.players
        self.device = trained.device
        self.seed = seed
        self.n_held_out = len(test)
        picked = torch.randperm(len(train), generator=generator_for(seed, "train images"))[:most]
        self.train = train.part(picked.sort().values)
        self.test = test.part(torch.arange(min(most, len(test))))

    @property
    def reconstructs(self) -> bool:
        """True if there is an encoder: only a GAN has none."""
        return self.players.encoder is not None

    def protocol(self, **more: Any) -> dict[str, Any]:
        """The protocol entries that all sections share, and `more`."""
        images = f"{len(self.test):,} of the {self.n_held_out:,} held-out ones"
        if len(self.test) == self.n_held_out:
            images = f"all {self.n_held_out:,} held-out ones"
        return {"images": images, "weights": self.trained.weights, "seed": self.seed, **more}

    @cached_property
    def originals(self) -> Tensor:
        """The held-out images, uint8 [N, C, H, W]."""
        return self.test.images[:]

    @cached_property
    def training_images(self) -> Tensor:
        """Images from the training set, uint8 [N, C, H, W]."""
        return self.train.images[:]

    @cached_property
    def reconstructions(self) -> Tensor:
        """Each held-out image decoded from its posterior's mean, rounded as in a PNG file: uint8."""
        return self.decode(self.posterior[0])

    @cached_property
    def samples(self) -> Tensor:
        """As many samples from the prior as there are held-out images, uint8."""
        return self.decode(self.noise(len(self.originals)))

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """mu and logvar of the held-out images, each [N, latent_dim]."""
        return self.encode(self.originals)

    @cached_property
    def training_posterior(self) -> tuple[Tensor, Tensor]:
        """mu and logvar of `training_images`, each [N, latent_dim]."""
        return self.encode(self.training_images)

    def noise(self, n: int, purpose: str = "samples") -> Tensor:
        """[n, latent_dim] from the prior; the same for the same seed and purpose."""
        latent_dim = self.players.latent_dim
        return torch.randn(n, latent_dim, generator=generator_for(self.seed, "evaluation", purpose))

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of images [N, C, H, W], each [N, latent_dim]."""
        return self.trained.encode(images)

    def decode(self, z: Tensor) -> Tensor:
        """z [N, latent_dim] -> images rounded as in PNG files: uint8 [N, C, H, W]."""
        return torch.stack(list(self.trained.decode(z)))
