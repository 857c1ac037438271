"""Penalties on the slope of a discriminator: x [B, ...] -> logits. Scalars, batch means, in float32.

The slope is that of an image's logit; with a map of logits [B, h, w] that is its mean.
Compute them outside autocast. Each image's logit must depend on that image alone, so D can have no
batch norm.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from vaegan.nets.players import image_logits, paired
from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import Quantity

Disc = Callable[[Tensor], Tensor]
SECTION = "Keeping the two players in balance"
PENALTY = partial(Quantity, place=90, curve=True, panel="Discriminator's penalties, unweighted", log=True)


# the terms call D itself, outside autocast, but for networks that let penalties use the pass of the loss


@register_term(
    "disc/gp",
    needs=("disc",),
    weight=WeightOption(
        "gp",
        "weight of WGAN-GP's gradient penalty",
        shown="none; 10 with --adv wgan-gp",
        section=SECTION,
    ),
    slope_penalty=True,
    quantity=PENALTY("gradient penalty, unweighted", label="gp"),
)
def gp(views: Views) -> Tensor:
    """WGAN-GP's penalty between originals and fakes."""
    real, fake = views.disc_input_real, views.disc_input_fake
    return wgan_gp(views.players.disc, paired(real, fake), fake, views.between)


@register_term(
    "disc/r1",
    needs=("disc",),
    weight=WeightOption(
        "r1", "gamma of R1, half the squared slope of D at originals", shown="none", section=SECTION
    ),
    slope_penalty=True,
    quantity=PENALTY("R1 penalty, unweighted", label="R1"),
)
def r1(views: Views) -> Tensor:
    """R1 on the originals."""
    return zero_centred(_slope(views, views.disc_input_real, "logits_real"))


@register_term(
    "disc/r2",
    needs=("disc",),
    weight=WeightOption("r2", "gamma of R2, the same at fakes", shown="none", section=SECTION),
    slope_penalty=True,
    quantity=PENALTY("R2 penalty, unweighted", label="R2"),
)
def r2(views: Views) -> Tensor:
    """R2 on the fakes."""
    return zero_centred(_slope(views, views.disc_input_fake, "logits_fake"))


def wgan_gp(disc: Disc, real: Tensor, fake: Tensor, between: Tensor) -> Tensor:
    """(slope - 1)^2 at a random point between each original and its fake; weighted by lambda.

    real, fake: [B, ...], as D sees them. between: [B, 1, ...], uniform in [0, 1), from the fake (0) to the
    original (1). In a VAE's game an original's fake is its own reconstruction, where the paper's pairs are
    drawn independently.
    Source: Gulrajani et al., Improved Training of Wasserstein GANs (arXiv 1704.00028), equation 3.
    """
    slopes = gradient(disc, torch.lerp(fake, real, between)).flatten(1)
    # the norm's gradient at 0 is 0 here; that of a square root would be nan
    return (torch.linalg.vector_norm(slopes, dim=1) - 1).square().mean()


def gradient(disc: Disc, x: Tensor) -> Tensor:
    """The gradient of each image's logit at x [B, ...], with its graph where gradients are on."""
    graph = torch.is_grad_enabled()
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        return torch.autograd.grad(image_logits(disc(x)).sum(), x, create_graph=graph)[0]


def _slope(views: Views, x: Tensor, logits: str) -> Tensor:
    """The gradient of each image's logit at x, one of D's inputs; logits: the name of the view of D's logits.

    It is that of the pass that D's loss is computed from if D allows for it, else that of a pass of its own.
    """
    if x.requires_grad and torch.is_grad_enabled():
        summed = image_logits(getattr(views, logits)).sum()
        return torch.autograd.grad(summed, x, create_graph=True)[0]
    return gradient(views.players.disc, x)


def zero_centred(slopes: Tensor) -> Tensor:
    """Half of the squared slope [B, ...]: R1 of that at originals, R2 at fakes; weighted by gamma.

    Source: Mescheder et al., Which Training Methods for GANs do actually Converge? (arXiv 1801.04406),
    equations 9 and 10.
    """
    return slopes.flatten(1).square().sum(1).mean() / 2
