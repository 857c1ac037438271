"""The terms of the losses on held-out images."""

from collections.abc import Callable
from functools import partial

import torch

from vaegan.nets.players import Players
from vaegan.objective.objective import Objective
from vaegan.objective.schedule import Phase
from vaegan.parallel import ALONE, Ranks
from vaegan.pixels import to_model_range
from vaegan.seeds import seed_for, seed_torch
from vaegan.training.loader import Loader
from vaegan.training.meters import Meter


@torch.no_grad()
def evaluate(
    players: Players,
    objective: Objective,
    phase: Phase,
    images: Loader,
    seed: int,
    ranks: Ranks = ALONE,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Mean over held-out images of every term in the phase as "gen/pbp", with weighted terms and totals.

    The posterior is sampled, with the same noise after every epoch, so that pbp + kl bounds the negative
    log likelihood if the PBP loss is one. What a term draws (the gradient penalty's points) is seeded by
    its name, so that no term changes another's. Networks are in evaluation mode, and D sees clean
    images: neither augmented nor noisy. on_batch: called after each batch; it may raise.
    """
    posterior = torch.Generator(images.device).manual_seed(seed_for(seed, "test"))
    players.eval()
    meter = Meter()
    for number, (batch, batch_size) in enumerate(zip(images.epoch(), images.sizes, strict=True)):
        share = ranks.share(batch_size)
        noise = torch.randn(batch_size, players.latent_dim, device=batch.device, generator=posterior)
        x = to_model_range(batch, players.pixel_range)
        views = objective.views(x, share.of(noise), gen_plays=False, share=share)
        for player, weights in phase.weights.items():
            of_term = partial(_seed_term, images.device, seed, number, player)
            terms = objective.play(player, views, weights, before=of_term)
            meter.add(player, terms, len(batch), weights)
            meter.add(player, objective.figures(player, views, terms), len(batch))
        on_batch()
    players.train()
    return meter.means(ranks)


def _seed_term(device: torch.device, seed: int, batch: int, player: str, name: str) -> None:
    """Seed the random numbers of one player's term on one batch."""
    seed_torch(seed_for(seed, "test", batch, player, name), device)
