"""Samples and reconstructions after an epoch, and the spread of samples compared with that of originals."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vaegan.nets.players import Players
from vaegan.pixels import from_uint8, to_model_range, to_unit_range
from vaegan.seeds import generator_for
from vaegan.training.loader import Loader
from vaegan.training.portions import Portions

N_REFERENCE = 10  # held-out images that every picture of reconstructions shows
N_SAMPLES = 64
N_ORIGINALS = 256
SEED = 0  # the same noise in every epoch and every run, so that runs with equal latent_dim can be compared


@dataclass(frozen=True)
class Pictures:
    """Images of the networks after an epoch, on the CPU, in [0, 1].

    samples: [64, C, H, W]. reconstructions: [2, N, C, H, W], the reference images and their
    reconstructions; None in a GAN.
    """

    samples: Tensor
    reconstructions: Tensor | None


def take_pictures(players: Players, reference: Tensor) -> Pictures:
    """Samples and reconstructions of the networks as they are now. reference: uint8 [N, C, H, W]."""
    pairs = None if players.encoder is None else reconstructions(players, reference).cpu()
    return Pictures(prior_samples(players).cpu(), pairs)


@torch.no_grad()
def reconstructions(players: Players, images: Tensor) -> Tensor:
    """Images (uint8 [N, C, H, W]) and their decoded posterior means: [2, N, C, H, W] in [0, 1]."""
    training = players.training
    players.eval()
    x = to_model_range(images, players.pixel_range)
    pairs = torch.stack([x, players.reconstruct(x)])
    players.train(training)
    return to_unit_range(pairs, players.pixel_range)


@torch.no_grad()
def prior_samples(players: Players) -> Tensor:
    """Images [64, C, H, W] in [0, 1] decoded from the same draws of the prior each time."""
    noise = torch.randn(N_SAMPLES, players.latent_dim, generator=generator_for(SEED, "samples"))
    training = players.training
    players.eval()
    noise = noise.to(next(players.parameters()).device)
    samples = torch.cat(list(Portions(N_SAMPLES).of(lambda z: players.pixels(players.decode(z)), noise)))
    players.train(training)
    return to_unit_range(samples, players.pixel_range)


def originals(images: Loader) -> Tensor:
    """The first 256 of the images, in [0, 1]."""
    return from_uint8(images.first(min(N_ORIGINALS, images.n_images)))


def spread(images: Tensor) -> float:
    """The mean Euclidean distance between two of the images [N, C, H, W]; 0 for a single one."""
    if len(images) < 2:
        return 0.0
    return torch.pdist(images.flatten(1).cpu()).mean().item()  # Apple's GPUs have no pdist
