"""The terms of the losses on held-out images."""

from collections.abc import Iterable

import torch
from torch import Tensor

from vaegan.meters import Meter
from vaegan.nets.players import Players
from vaegan.objective import Objective, Views
from vaegan.pixels import to_model_range
from vaegan.schedule import Phase
from vaegan.seeds import seed_for


@torch.no_grad()
def evaluate(
    players: Players, objective: Objective, phase: Phase, batches: Iterable[Tensor], seed: int
) -> dict[str, float]:
    """The mean over images of every term in the phase, unweighted, as "gen/pbp" and so on.

    batches: uint8 [B, C, H, W]. The posterior is sampled, with the same noise after every epoch, so
    that pbp + kl bounds the likelihood where the PBP loss is one. Networks are in evaluation mode, and D
    sees clean images: neither augmented nor under noise.
    """
    torch.manual_seed(seed_for(seed, "test"))
    players.eval()
    meter = Meter()
    for images in batches:
        views = Views(players, to_model_range(images, players.pixel_range), gen_plays=False)
        for player, weights in phase.weights.items():
            terms = objective.play(player, views, weights)
            meter.add(player, terms, len(images))
            if player == "disc":
                meter.add(player, objective.disc_figures(views, terms), len(images))
    players.train()
    return meter.means()
