"""What each player minimises: named terms, each a function of what is seen of one batch."""

from collections.abc import Callable, Iterable
from functools import cached_property, partial

import torch
from torch import Tensor

from vaegan.losses import penalties
from vaegan.losses.adversarial import AdversarialLoss
from vaegan.losses.kl import kl_to_standard_normal
from vaegan.nets.blocks import is_batch_norm
from vaegan.nets.players import Players
from vaegan.parallel import Share


class Views:
    """What the terms see of one batch x [B, C, H, W], each part computed once, on first use.

    The pass through encoder and decoder is made once and shared by both players. Whose turn it is
    decides what they may change: on `disc`'s turn the fakes come without their graph, on `gen`'s turn
    with it. Terms therefore never detach, freeze or step anything.

    noise: [B, latent_dim], standard normal: what the posterior is sampled with, or a GAN's latents.
    gen_plays: whether `gen` will play on this batch; if not, its pass is made without a graph.
    shown: what is done to originals and fakes alike before D sees them; None for nothing.
    share: which part of a larger batch this is; None for all of it.
    """

    def __init__(
        self,
        players: Players,
        x: Tensor,
        noise: Tensor,
        *,
        gen_plays: bool = True,
        shown: Callable[[Tensor], Tensor] | None = None,
        share: Share | None = None,
    ):
        self.players = players
        self.x = x
        self.noise = noise
        self.gen_plays = gen_plays
        self.shown = shown
        self.share = share or Share(0, len(x), len(x))
        self.player = "gen"

    def turn(self, player: str) -> None:
        """Begin a player's turn; what D is shown and its logits are computed anew in it."""
        self.player = player
        for name in ("shown_real", "shown_fake", "logits_real", "logits_fake"):
            self.__dict__.pop(name, None)

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """mu and logvar, each [B, latent_dim]."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.encode(self.x)

    @cached_property
    def z(self) -> Tensor:
        """[B, latent_dim]: one sample of each image's posterior, by reparameterisation, or of the prior."""
        if self.players.encoder is None:
            return self.noise
        mu, logvar = self.posterior
        return mu + torch.exp(0.5 * logvar) * self.noise

    @cached_property
    def pixel_logits(self) -> Tensor:
        """The decoder's output [B, C, H, W], before the output activation."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.decode(self.z)

    @cached_property
    def x_hat(self) -> Tensor:
        """The decoded image [B, C, H, W] in the model's range: a reconstruction, or a GAN's sample."""
        return self.players.pixels(self.pixel_logits)

    @property
    def fake(self) -> Tensor:
        """What the discriminator is to tell from the originals."""
        return self.x_hat if self.player == "gen" else self.x_hat.detach()

    @cached_property
    def shown_real(self) -> Tensor:
        """The originals as D sees them."""
        return self.x if self.shown is None else self.share.changed(self.shown, self.x)

    @cached_property
    def shown_fake(self) -> Tensor:
        """The fakes as D sees them."""
        return self.fake if self.shown is None else self.share.changed(self.shown, self.fake)

    @property
    def between(self) -> Tensor:
        """[B, 1, 1, 1], uniform in [0, 1): how far from its fake towards each original; new each time."""
        return self.share.of(torch.rand(self.share.whole, 1, 1, 1, device=self.x.device, dtype=self.x.dtype))

    @cached_property
    def logits_real(self) -> Tensor:
        """D's logits [B] for the originals; on `gen`'s turn nothing that it could change."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.player == "disc"):
            return self.players.discriminate(self.shown_real)

    @cached_property
    def logits_fake(self) -> Tensor:
        """D's logits [B] for the fakes, as D is now."""
        return self.players.discriminate(self.shown_fake)


Term = Callable[[Views], Tensor]


def pbp(views: Views) -> Tensor:
    """The pixel-by-pixel loss of the reconstruction."""
    return views.players.pbp(views.pixel_logits, views.x_hat, views.x)


def kl(views: Views) -> Tensor:
    """The posterior's divergence from the prior, in nats per image."""
    return kl_to_standard_normal(*views.posterior)


def adv(views: Views, adversarial: AdversarialLoss) -> Tensor:
    """The generator's side of the game."""
    real = views.logits_real if adversarial.gen_sees_originals else None
    return adversarial.gen(real, views.logits_fake)


def disc_term(views: Views, adversarial: AdversarialLoss, name: str) -> Tensor:
    """One of the terms of D's side."""
    return getattr(adversarial, name)(views.logits_real, views.logits_fake)


PENALTIES: dict[str, Term] = {
    # called on the network itself, outside autocast
    "gp": lambda views: penalties.wgan_gp(
        views.players.disc, views.shown_real, views.shown_fake, views.between
    ),
    "r1": lambda views: penalties.zero_centred(views.players.disc, views.shown_real),
    "r2": lambda views: penalties.zero_centred(views.players.disc, views.shown_fake),
}


class Objective:
    """The terms of each player, by name, built from the parts that are there.

    adversarial: both sides of the game, where there is a D. slope_penalties: names in PENALTIES.
    unit_slope: whether a penalty, and nothing else, holds D's slope at 1.
    """

    def __init__(
        self,
        players: Players,
        adversarial: AdversarialLoss | None = None,
        slope_penalties: Iterable[str] = (),
        unit_slope: bool = False,
    ):
        self.adversarial = adversarial
        self.unit_slope = unit_slope
        self.terms: dict[str, dict[str, Term]] = {"gen": {}}
        if players.encoder is not None:
            self.terms["gen"] |= {"pbp": pbp, "kl": kl}
        if adversarial is not None:
            self.disc_sees_one_image = not any(map(is_batch_norm, players.disc.modules()))
            self.terms["gen"]["adv"] = partial(adv, adversarial=adversarial)
            self.terms["disc"] = {
                name: partial(disc_term, adversarial=adversarial, name=name)
                for name in adversarial.disc_weights
            } | {name: PENALTIES[name] for name in slope_penalties}

    def play(
        self,
        player: str,
        views: Views,
        weights: dict[str, float],
        before: Callable[[str], None] = lambda name: None,
    ) -> dict[str, Tensor]:
        """The player's terms on this batch, each a scalar before it is weighed; only those with a weight.

        before: called with the name of each term before it is computed.
        """
        views.turn(player)
        terms = {}
        for name in weights:
            before(name)
            terms[name] = self.terms[player][name](views)
        return terms

    def disc_figures(self, views: Views, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """How D stands on its turn, whose terms are given: accuracy, saturation, estimates on clean images.

        adv: its loss without penalties. logit_gap: the originals' mean logit less the fakes'. jsd is left
        out for a D with batch norm, which judges whole batches: those differ far more than images do.
        w1 is called w1_up_to_scale unless a gradient penalty holds D's slope at 1.
        """
        real, fake = views.logits_real.detach(), views.logits_fake.detach()
        figures = {"adv": weighted_sum(terms, self.adversarial.disc_weights)}
        figures |= self.adversarial.accuracy(real, fake) | self.adversarial.saturation(real, fake)
        figures["logit_gap"] = real.mean() - fake.mean()
        if views.shown is None:
            figures |= self.adversarial.estimates(real, fake)
        if not self.disc_sees_one_image:
            figures.pop("jsd", None)
        if "w1" in figures and not self.unit_slope:
            figures["w1_up_to_scale"] = figures.pop("w1")
        return figures


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """What the player minimises: the sum of weight * term."""
    return sum(weight * terms[name] for name, weight in weights.items())
