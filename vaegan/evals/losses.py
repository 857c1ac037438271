"""The terms of the losses on held-out images."""

from collections.abc import Callable

import torch

from vaegan.loader import Loader
from vaegan.meters import Meter
from vaegan.nets.players import Players
from vaegan.objective import Objective, Views
from vaegan.parallel import ALONE, Ranks
from vaegan.pixels import to_model_range
from vaegan.schedule import Phase
from vaegan.seeds import seed_for, seed_torch


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
    """The mean over images of every term in the phase, unweighted, as "gen/pbp" and so on.

    The posterior is sampled, with the same noise after every epoch, so that pbp + kl bounds the
    likelihood where the PBP loss is one. Networks are in evaluation mode, and D sees clean images:
    neither augmented nor under noise. on_batch: called after each batch; it may raise.
    """
    seed_torch(seed_for(seed, "test"), images.device)
    players.eval()
    meter = Meter()
    for batch, whole in zip(images.epoch(), images.sizes, strict=True):
        share = ranks.share(whole)
        noise = share.of(torch.randn(whole, players.latent_dim, device=batch.device))
        x = to_model_range(batch, players.pixel_range)
        views = Views(players, x, noise, gen_plays=False, share=share)
        for player, weights in phase.weights.items():
            terms = objective.play(player, views, weights)
            meter.add(player, terms, len(batch))
            if player == "disc":
                meter.add(player, objective.disc_figures(views, terms), len(batch))
        on_batch()
    players.train()
    return meter.means(ranks)
