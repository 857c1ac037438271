"""Adversarial losses: both players' sides, from D's logits for originals and for fakes.

Logits are [B], or maps [B, h, w] of a D that judges patches. Terms are means over batch and map (PatchGAN:
Isola et al., arXiv 1611.07004, section 3.2.2); accuracies and estimates get an image's logit, the mean of its
map. Logistic losses are written with softplus, since -log sigmoid(l) = softplus(-l).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.nets.blocks import is_batch_norm
from vaegan.nets.players import image_logits, paired
from vaegan.objective.objective import weighted_sum
from vaegan.objective.terms import Compute, WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import DISTANCE, WINNING, Quantity, add
from vaegan.registry import Registry

ADVERSARIAL = Registry("adversarial loss")
register_adversarial: Callable = ADVERSARIAL.register

SATURATED = math.log(0.99 / 0.01)  # the logit of a probability of 99 %


add(
    "disc/adv",
    Quantity(
        "discriminator's loss",
        text="the discriminator's loss without penalties",
        short="disc",
        headline=True,
        place=10,
        curve=True,
    ),
)
_term = partial(Quantity, place=20, curve=True, panel="Discriminator's loss, in parts", weighted=True)
add("disc/real", _term("discriminator's loss on originals", label="originals"))
add("disc/fake", _term("discriminator's loss on fakes", label="fakes"))
add("disc/pairs", _term("discriminator's loss on pairs", label="pairs"))
_estimate = partial(Quantity, section=DISTANCE, headline=True, curve=True, draw=0.0)
add("disc/jsd", _estimate("Jensen-Shannon divergence, at least", "nats", short="jsd"))
add(
    "disc/w1",
    _estimate("Wasserstein-1 distance, estimated", text="distance in the model's pixel range", short="w1"),
)
add(
    "disc/w1_up_to_scale",
    _estimate(
        "Wasserstein-1 up to an unknown scale",
        format=".2g",
        text="the critic's gap, since clipping leaves its slope unknown",
        short="w1*",
    ),
)
_accuracy = partial(
    Quantity,
    unit="share",
    section=WINNING,
    place=10,
    headline=True,
    curve=True,
    panel="Discriminator's accuracy",
)
add("disc/acc_real", _accuracy("originals that D recognises", label="originals"))
add("disc/acc_fake", _accuracy("fakes that D recognises", label="fakes"))
add("disc/acc_pairs", _accuracy("pairs in which D prefers the original", label="pairs"))
add(
    "disc/auc",
    Quantity(
        "D's ranking (AUC)",
        "share",
        text="share of pairs of an original and a fake in which D prefers the original; 0.5 is chance",
        section=WINNING,
        place=15,
        draw=0.5,
        headline=True,
        splits=("test",),
        curve=True,
    ),
)
add("disc/logit_gap", Quantity("gap between D's logits of originals and fakes", section=WINNING, place=20))
add("disc/saturated", Quantity("saturated logits", "share", section=WINNING, place=30, curve=True))


class AdversarialLoss:
    """Both sides of a two-player game.

    D minimises the sum of the terms that `disc_weights` names, each a method called with the logits of
    originals and of fakes; `gen` is the generator's term.
    """

    disc_weights: ClassVar = {"real": 1.0, "fake": 1.0}
    takes_smoothing = False  # True if originals have a label that can be smoothed
    needs_bounded_slope = False
    gen_sees_originals = False  # else `gen` is called with None for their logits
    gp: float | None = None  # the weight of the gradient penalty that belongs to it
    # a GAN's defaults in training: Adam's learning rate and betas, which are DCGAN's
    # (arXiv 1511.06434, section 4), and D's steps for one of the generator
    lr = 2e-4
    betas = (0.5, 0.999)
    disc_steps = 1

    def __init__(self, label_smoothing: float = 0.0):
        """label_smoothing: subtracted from the originals' label of 1, if the loss has labels."""
        self.real_label = 1.0 - label_smoothing

    @property
    def draw_logit(self) -> float:
        """The best logit of a D that cannot tell originals from fakes."""
        return 0.0

    def draws(self) -> dict[str, float]:
        """Every term's value at a draw, with D's logit always `draw_logit`: gen/adv, disc/real, ...

        disc/adv is D's loss without penalties. The distances that it estimates are 0 there.
        """
        at = torch.tensor([self.draw_logit], dtype=torch.float64)
        terms = {f"disc/{name}": getattr(self, name)(at, at).item() for name in self.disc_weights}
        total = sum(weight * terms[f"disc/{name}"] for name, weight in self.disc_weights.items())
        distances = {f"disc/{name}": 0.0 for name in self.estimates(at, at)}
        return {"gen/adv": self.gen(at, at).item(), **terms, "disc/adv": total, **distances}

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        raise NotImplementedError

    def accuracy(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The shares of originals and of fakes that D classifies correctly."""
        boundary = self.draw_logit
        return {
            "acc_real": (real > boundary).float().mean(),
            "acc_fake": (fake <= boundary).float().mean(),
        }

    def saturation(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The share of logits in the flat part of the loss, for losses that have one."""
        return {}

    def estimates(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """Distances between originals and fakes, estimated from D's loss; valid on clean inputs only."""
        return {}


@register_term(
    "gen/adv",
    needs=("disc",),
    weight=WeightOption(
        "disc_weight",
        "weight of the learned loss",
        default=10.0,
        shown="the preset's, or 10 with --disc",
        needs=("vae",),
    ),
    quantity=Quantity(
        "adversarial loss, unweighted",
        text="the generator's side of the game",
        short="adv",
        headline=True,
        place=30,
        curve=True,
    ),
)
def adv(views: Views) -> Tensor:
    """The generator's side of the game."""
    real = views.logits_real if views.game.gen_sees_originals else None
    fake = views.logits_fake
    return views.game.gen(real if real is None else paired(real, fake), fake)


def disc_terms(game: AdversarialLoss) -> dict[str, Compute]:
    """The terms of D's side, by name."""
    return {name: partial(_disc_term, name=name) for name in game.disc_weights}


def _disc_term(views: Views, name: str) -> Tensor:
    real, fake = views.logits_real, views.logits_fake
    return getattr(views.game, name)(paired(real, fake), fake)


@dataclass(frozen=True)
class DiscFigures:
    """Figures of D on its turn: loss, accuracy, gap, saturation, estimates of a distance.

    judges_batches: True for a D with batch norm; its jsd is left out, since batches differ far more than
    images do. unit_slope: True for a D whose slope is held at 1 by a penalty and nothing else; for any other,
    w1 is called w1_up_to_scale.
    """

    game: AdversarialLoss
    judges_batches: bool = False
    unit_slope: bool = False

    @classmethod
    def of(cls, game: AdversarialLoss, disc: nn.Module, unit_slope: bool = False) -> "DiscFigures":
        """The figures of this D."""
        return cls(game, any(map(is_batch_norm, disc.modules())), unit_slope)

    def __call__(self, views: Views, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The figures of this turn, from its terms; distances are estimated on clean inputs only.

        adv: D's loss without penalties. logit_gap: the originals' mean logit minus the fakes'.
        """
        fake = views.logits_fake.detach()
        real = paired(views.logits_real.detach(), fake)
        figures = {"adv": weighted_sum(terms, self.game.disc_weights)}
        figures |= self.game.saturation(real, fake)  # the loss flattens for each part of a map by itself
        real, fake = image_logits(real), image_logits(fake)
        figures |= self.game.accuracy(real, fake)
        figures["logit_gap"] = real.mean() - fake.mean()
        if views.to_disc_input is None:
            figures |= self.game.estimates(real, fake)
        if self.judges_batches:
            figures.pop("jsd", None)
        if "w1" in figures and not self.unit_slope:
            figures["w1_up_to_scale"] = figures.pop("w1")
        return figures


def is_adversarial(entry: Any) -> bool:
    """True for a registered class that is an adversarial loss."""
    return isinstance(entry, type) and issubclass(entry, AdversarialLoss)


class PairedAccuracy(AdversarialLoss):
    """For losses that do not change if a constant is added to all logits: they have no decision boundary."""

    def accuracy(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The share of pairs of an original and a fake in which the original has the higher logit."""
        return {"acc_pairs": (real > fake).float().mean()}


class Logistic(AdversarialLoss):
    """Binary cross-entropy with originals labelled 1 and fakes 0; a draw is log 2 for each half.

    Source: Goodfellow et al., Generative Adversarial Nets (arXiv 1406.2661), equation 1; one-sided
    label smoothing: Salimans et al., Improved Techniques for Training GANs (arXiv 1606.03498), 3.4.
    """

    takes_smoothing = True

    @property
    def draw_logit(self) -> float:
        # D = label / 2 minimises -label log D - (1 - label) log(1 - D) - log(1 - D)
        return math.log(self.real_label / (2 - self.real_label))

    def real(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log D(x): low when D takes originals for originals."""
        # softplus(l) = softplus(-l) + l, so (1 - label) of the other side's loss is a linear term
        return F.softplus(-real).mean() + (1 - self.real_label) * real.mean()

    def fake(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log(1 - D(fake)): low when D recognises fakes."""
        return F.softplus(fake).mean()

    def saturation(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The share of logits for which D is over 99 % sure, correctly or not."""
        return {"saturated": (torch.cat([real, fake]).abs() > SATURATED).float().mean()}

    def estimates(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """A lower bound of the Jensen-Shannon divergence, nats: log 2 minus half of D's unsmoothed loss.

        Source: Goodfellow et al. (arXiv 1406.2661), theorem 1: D's best loss is 2 log 2 - 2 JSD.
        """
        return {"jsd": math.log(2) - (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2}


@register_adversarial("nonsaturating")
class NonSaturating(Logistic):
    """The generator maximises log D(fake), which has a gradient also when D recognises the fakes.

    Source: Goodfellow et al., Generative Adversarial Nets (arXiv 1406.2661), section 3.
    """

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


@register_adversarial("saturating")
class Saturating(Logistic):
    """The minimax game as in the paper: the generator minimises log(1 - D(fake)).

    Source: Goodfellow et al., Generative Adversarial Nets (arXiv 1406.2661), equation 1.
    """

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -F.softplus(fake).mean()


@register_adversarial("lsgan")
class LeastSquares(AdversarialLoss):
    """Squared errors against the labels 1 and 0; D's loss is the mean of its halves, a draw is 0.25 for each.

    Source: Mao et al., Least Squares Generative Adversarial Networks (arXiv 1611.04076), equation 9,
    without the 1/2 on the generator's side.
    """

    disc_weights: ClassVar = {"real": 0.5, "fake": 0.5}
    takes_smoothing = True

    @property
    def draw_logit(self) -> float:
        return self.real_label / 2

    def real(self, real: Tensor, fake: Tensor) -> Tensor:
        return (real - self.real_label).square().mean()

    def fake(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.square().mean()

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return (fake - 1).square().mean()


@register_adversarial("hinge")
class Hinge(AdversarialLoss):
    """D's loss is flat for logits beyond 1 and -1; the generator raises its logits without a limit.

    Source: Lim & Ye, Geometric GAN (arXiv 1705.02894), equations 13 and 14; Miyato et al., Spectral
    Normalization (arXiv 1802.05957), equations 16 and 17.
    """

    def real(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 - real).mean()

    def fake(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.relu(1 + fake).mean()

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()

    def saturation(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The share of logits beyond their margin, where D's loss is flat."""
        return {"saturated": (torch.cat([real, -fake]) >= 1).float().mean()}


@register_adversarial("wgan")
class Wasserstein(PairedAccuracy):
    """The critic's gap between originals and fakes; the critic's slope must be bounded by other means.

    Source: Arjovsky et al., Wasserstein GAN (arXiv 1701.07875), equation 2 and algorithm 1, with Adam
    without momentum in place of RMSProp.
    """

    needs_bounded_slope = True
    lr = 5e-5
    betas = (0.0, 0.9)
    disc_steps = 5

    def real(self, real: Tensor, fake: Tensor) -> Tensor:
        return -real.mean()

    def fake(self, real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean()

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -fake.mean()

    def draws(self) -> dict[str, float]:
        """Draws of D's loss and the distance only: a constant added to all logits changes single terms."""
        return {key: draw for key, draw in super().draws().items() if key == "disc/adv" or "w1" in key}

    def estimates(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        """The Wasserstein-1 distance, if the critic's slope is 1; Euclidean, in the model's pixel range."""
        return {"w1": real.mean() - fake.mean()}


@register_adversarial("wgan-gp")
class WassersteinGP(Wasserstein):
    """`wgan` with a gradient penalty of weight 10.

    Source: Gulrajani et al., Improved Training of Wasserstein GANs (arXiv 1704.00028), algorithm 1.
    """

    gp = 10.0
    lr = 1e-4


@register_adversarial("rpgan")
class RelativisticPairing(PairedAccuracy):
    """D decides which image of a pair, an original and a fake, is the original; a draw is log 2.

    Source: Jolicoeur-Martineau, The relativistic discriminator (arXiv 1807.00734), section 4.1; Huang et
    al., The GAN is dead; long live the GAN! (arXiv 2501.05441), equation 2.
    """

    disc_weights: ClassVar = {"pairs": 1.0}
    gen_sees_originals = True

    def pairs(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()

    def saturation(self, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
        return {"saturated": ((real - fake).abs() > SATURATED).float().mean()}
