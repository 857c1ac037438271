"""The terms of the losses on held-out images."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from vaegan.nets.players import Players, image_logits
from vaegan.objective.objective import Objective
from vaegan.parallel import ALONE, Ranks
from vaegan.pixels import to_model_range
from vaegan.seeds import seed_for, seed_torch
from vaegan.training.loader import Loader
from vaegan.training.meters import Meter


@torch.no_grad()
def evaluate(
    players: Players,
    objective: Objective,
    weights: Mapping[str, Mapping[str, float]],
    images: Loader,
    seed: int,
    ranks: Ranks = ALONE,
    on_batch: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Mean over held-out images of every term with a weight as "gen/pbp", with weighted terms and totals.

    weights: {player: {term: weight}}. With a D, "disc/auc" ranks its logits of all held-out images.

    The posterior is sampled, with the same noise after every epoch, so that pbp + kl bounds the negative
    log likelihood if the PBP loss is one. What a term draws (the gradient penalty's points) is seeded by
    its name, so that no term changes another's. Networks are in evaluation mode, and D sees clean
    images: neither augmented nor noisy. on_batch: called after each batch; it may raise.
    """
    posterior = torch.Generator(images.device).manual_seed(seed_for(seed, "test"))
    prior = torch.Generator(images.device).manual_seed(seed_for(seed, "test", "prior"))
    players.eval()
    meter = Meter()
    real: list[Tensor] = []
    fake: list[Tensor] = []
    for number, (batch, batch_size) in enumerate(zip(images.epoch(), images.sizes, strict=True)):
        share = ranks.share(batch_size)
        noise = torch.randn(batch_size, players.latent_dim, device=batch.device, generator=posterior)
        x = to_model_range(batch, players.pixel_range)
        options = {"gen_plays": False, "share": share, "memory": objective.memory.reading()}
        if objective.fakes != "reconstructions":
            latents = torch.randn(batch_size, players.latent_dim, device=batch.device, generator=prior)
            options["prior_noise"] = share.of(latents)
        views = objective.views(x, share.of(noise), **options)
        for player, of_player in weights.items():
            of_term = partial(_seed_term, images.device, seed, number, player)
            terms = objective.play(player, views, of_player, before=of_term)
            meter.add(player, terms, len(batch), of_player)
            meter.add(player, objective.figures(player, views, terms), len(batch))
            if player == "disc":
                real.append(image_logits(views.logits_real))
                fake.append(image_logits(views.logits_fake))
        on_batch()
    players.train()
    means = meter.means(ranks)
    if real:
        means["disc/auc"] = auc(ranks.gather_rows(torch.cat(real)), ranks.gather_rows(torch.cat(fake)))
    return means


def auc(real: Tensor, fake: Tensor) -> float:
    """The share of pairs of an original and a fake in which the original has the higher logit.

    real, fake: logits [N] and [M]; ties count half. This is the area under the ROC curve, which needs no
    threshold (Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006, section 7).
    """
    order = fake.cpu().double().sort().values  # not every device has float64
    real = real.cpu().double()
    below = torch.searchsorted(order, real) + torch.searchsorted(order, real, right=True)
    return (below.double().mean() / (2 * len(fake))).item()


def _seed_term(device: torch.device, seed: int, batch: int, player: str, name: str) -> None:
    """Seed the random numbers of one player's term on one batch."""
    seed_torch(seed_for(seed, "test", batch, player, name), device)
