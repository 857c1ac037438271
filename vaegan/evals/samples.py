"""Samples from the prior, and whether they differ as originals do."""

from collections.abc import Iterable

import torch
from torch import Tensor

from vaegan.nets.players import Players
from vaegan.pixels import from_uint8, to_unit_range
from vaegan.seeds import generator_for

N_SAMPLES = 64
N_ORIGINALS = 256
SEED = 0  # the same noise in every epoch and every run, so that runs with as many latents compare


@torch.no_grad()
def prior_samples(players: Players) -> Tensor:
    """Images [64, C, H, W] in [0, 1] decoded from the same draws of the prior each time."""
    noise = torch.randn(N_SAMPLES, players.latent_dim, generator=generator_for(SEED, "samples"))
    training = players.training
    players.eval()
    samples = players.pixels(players.decode(noise.to(next(players.parameters()).device)))
    players.train(training)
    return to_unit_range(samples, players.pixel_range)


def originals(batches: Iterable[Tensor]) -> Tensor:
    """The first 256 images of the batches (uint8 [B, C, H, W]), in [0, 1]."""
    taken: list[Tensor] = []
    for batch in batches:
        taken.append(batch)
        if sum(map(len, taken)) >= N_ORIGINALS:
            break
    return from_uint8(torch.cat(taken)[:N_ORIGINALS])


def spread(images: Tensor) -> float:
    """The mean Euclidean distance between two of the images [N, C, H, W]; 0 for a single one."""
    return torch.pdist(images.flatten(1)).mean().item() if len(images) > 1 else 0.0
