"""What each player minimises: named terms, each a function of what is seen of one batch."""

import math
from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor

from vaegan.losses import adversarial
from vaegan.losses.kl import kl_to_standard_normal
from vaegan.nets.players import Players

SATURATED = math.log(0.99 / 0.01)  # the logit of a probability of 99 %


class Views:
    """What the terms see of one batch x [B, C, H, W], each part computed once, on first use.

    The encoder-decoder pass is made once and shared by both players. Whose turn it is decides what
    they may change: on `disc`'s turn the fakes come without their graph, on `gen`'s turn with it.
    Terms therefore never detach, freeze or step anything.

    gen_plays: whether `gen` will play on this batch; if not, its pass is made without a graph.
    """

    def __init__(self, players: Players, x: Tensor, *, gen_plays: bool = True):
        self.players = players
        self.x = x
        self.gen_plays = gen_plays
        self.player = "gen"

    def turn(self, player: str) -> None:
        """Begin a player's turn; the discriminator's logits are computed anew in it."""
        self.player = player
        for name in ("logits_real", "logits_fake"):
            self.__dict__.pop(name, None)

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """mu and logvar, each [B, latent_dim]."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.encode(self.x)

    @cached_property
    def z(self) -> Tensor:
        """One sample of the posterior for each image, by reparameterisation: [B, latent_dim]."""
        mu, logvar = self.posterior
        return mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)

    @cached_property
    def pixel_logits(self) -> Tensor:
        """The decoder's output [B, C, H, W], before the output activation."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.decode(self.z)

    @cached_property
    def x_hat(self) -> Tensor:
        """The reconstruction [B, C, H, W] in the model's range."""
        return self.players.pixels(self.pixel_logits)

    @property
    def fake(self) -> Tensor:
        """What the discriminator is shown beside the originals: the reconstruction."""
        return self.x_hat if self.player == "gen" else self.x_hat.detach()

    @cached_property
    def logits_real(self) -> Tensor:
        """D's logits [B] for the originals."""
        return self.players.discriminate(self.x)

    @cached_property
    def logits_fake(self) -> Tensor:
        """D's logits [B] for the fakes, as D is now."""
        return self.players.discriminate(self.fake)


Term = Callable[[Views], Tensor]


def pbp(views: Views) -> Tensor:
    """The pixel-by-pixel loss of the reconstruction."""
    return views.players.pbp(views.pixel_logits, views.x_hat, views.x)


def kl(views: Views) -> Tensor:
    """The posterior's divergence from the prior, in nats per image."""
    return kl_to_standard_normal(*views.posterior)


class Objective:
    """The terms of each player, by name, built from the parts that are there."""

    def __init__(self, players: Players):
        self.terms: dict[str, dict[str, Term]] = {"gen": {"pbp": pbp, "kl": kl}}
        if players.disc is not None:
            self.terms["gen"]["adv"] = lambda views: adversarial.gen(views.logits_fake)
            self.terms["disc"] = {
                "real": lambda views: adversarial.disc_real(views.logits_real),
                "fake": lambda views: adversarial.disc_fake(views.logits_fake),
            }

    def play(self, player: str, views: Views, weights: dict[str, float]) -> dict[str, Tensor]:
        """The player's terms on this batch, each a scalar before it is weighed; only those with a weight."""
        views.turn(player)
        return {name: self.terms[player][name](views) for name in weights}


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """What the player minimises: the sum of weight * term."""
    return sum(weights[name] * term for name, term in terms.items())


def disc_figures(views: Views) -> dict[str, Tensor]:
    """How D stands on the current turn.

    acc_real, acc_fake: the share of originals and of fakes that it takes for what they are. logit_gap:
    the originals' mean logit less the fakes'. saturated: the share of all logits for which D is over 99 %
    sure, where its loss has hardly any gradient left.
    """
    real, fake = views.logits_real, views.logits_fake
    return {
        "acc_real": (real > 0).float().mean(),
        "acc_fake": (fake <= 0).float().mean(),
        "logit_gap": real.mean() - fake.mean(),
        "saturated": (torch.cat([real, fake]).abs() > SATURATED).float().mean(),
    }
