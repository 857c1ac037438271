"""Pixel-by-pixel (PBP) losses between images and reconstructions.

A class registered here is an `nn.Module` (its parameters are trained with the VAE) called with the
decoder's pixel logits [B, C, H, W], the reconstruction x_hat (the output activation of these logits)
and the images x, both in the model's range. It returns a scalar: summed over pixels and
channels, averaged over the batch.

A loss that is a negative log likelihood, all constants included, has an attribute `likelihood`:
"binary" for the probability of pixels that are black or white, "density" for a density of x.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import Quantity, add
from vaegan.registry import Registry

add(
    "gen/pbp_excess",
    Quantity(
        "PBP loss above the images' own entropy",
        "nats an image",
        format=".2f",
        better="lower",
        summary="min,last",
        headline=True,
        place=11,
    ),
)
add("gen/sigma", Quantity("sigma of the Gaussian PBP loss", "pixels' range", ".4g", splits=("train",)))

PBP_LOSSES = Registry("PBP loss")
register_pbp: Callable = PBP_LOSSES.register


@register_term(
    "gen/pbp",
    needs=("vae",),
    weight=WeightOption("pbp_weight", "weight of the PBP loss in combo epochs", default=1.0, from_combo=True),
    by_gradient=False,
    quantity=Quantity(
        "PBP loss",
        "an image",
        format=".2f",
        better="lower",
        summary="min,last",  # reported unweighted, so that minima compare
        text="pixel-by-pixel loss of the reconstruction",
        short="pbp",
        headline=True,
        place=10,
        curve=True,
    ),
)
def pbp(views: Views) -> Tensor:
    """The pixel-by-pixel loss of the reconstruction, chosen by --pbp."""
    return views.players.pbp(views.pixel_logits, views.x_hat, views.x)


@register_pbp("bce")
class BernoulliNLL(nn.Module):
    """Negative log likelihood of a Bernoulli for each pixel, in nats per image; needs the [0, 1] range.

    On grey values most of the figure is the images' own entropy, which no reconstruction removes.
    Source: Kingma & Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix C.1.
    """

    pixel_range = "01"  # the only range that it accepts
    likelihood = "binary"

    def forward(self, logits: Tensor, x_hat: Tensor, x: Tensor) -> Tensor:
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum") / len(x)

    @staticmethod
    def floor(images: Tensor) -> Tensor:
        """The loss of a perfect reconstruction of images [B, C, H, W]: a scalar, nats per image.

        The mean over images of the sum over pixels of x log(1/x) + (1 - x) log(1/(1 - x)).
        images: in [0, 1], or uint8. uint8 is faster, since it needs no logarithm for each pixel (0.6 ms, not
        11 ms, for 64 images of 3 x 64 x 64).
        """
        if images.dtype == torch.uint8:
            counts = torch.bincount(images.flatten(), minlength=256)
            x = torch.arange(256, device=images.device) / 255
        else:
            counts, x = 1, images
        return (counts * (torch.special.entr(x) + torch.special.entr(1 - x))).sum() / len(images)


@register_pbp("mse")
class SquaredError(nn.Module):
    """Sum of squared errors, in the model's range; not a likelihood (factor and constant differ)."""

    def forward(self, logits: Tensor, x_hat: Tensor, x: Tensor) -> Tensor:
        return F.mse_loss(x_hat, x, reduction="sum") / len(x)


@register_pbp("l1")
class AbsoluteError(nn.Module):
    """Sum of absolute errors, in the model's range."""

    def forward(self, logits: Tensor, x_hat: Tensor, x: Tensor) -> Tensor:
        return F.l1_loss(x_hat, x, reduction="sum") / len(x)


@register_pbp("gaussian")
class GaussianNLL(nn.Module):
    """Negative log likelihood of a Gaussian around x_hat with one learned sigma, in nats per image.

    Source: Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders (arXiv 2006.13202),
    section 3; the log of sigma is kept above -6 by a soft clip, as in its appendix.
    """

    likelihood = "density"
    LOWEST_LOG_SIGMA = -6.0

    def __init__(self):
        super().__init__()
        self.log_sigma_logit = nn.Parameter(torch.tensor(0.0))

    @property
    def log_sigma(self) -> Tensor:
        """log sigma, a scalar, in the model's range of pixels."""
        return self.LOWEST_LOG_SIGMA + F.softplus(self.log_sigma_logit - self.LOWEST_LOG_SIGMA)

    def figures(self) -> dict[str, float]:
        """sigma, in the model's range of pixels."""
        return {"sigma": self.log_sigma.exp().item()}

    def forward(self, logits: Tensor, x_hat: Tensor, x: Tensor) -> Tensor:
        log_sigma = self.log_sigma
        squared = F.mse_loss(x_hat, x, reduction="sum") / len(x)
        constant = x[0].numel() * (log_sigma + 0.5 * math.log(2 * math.pi))
        return 0.5 * squared * torch.exp(-2 * log_sigma) + constant
