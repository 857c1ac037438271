"""The divergence of the posterior from the prior."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from vaegan import quantities
from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import Quantity

FreeBits = Annotated[
    float,
    Field(
        ge=0,
        allow_inf_nan=False,
        description="nats that each latent carries free: below them, the KL divergence has no gradient",
    ),
]
KL_FREE = "kl_free"  # the figure of the KL divergence that counts in the loss

quantities.add(
    f"gen/{KL_FREE}",
    Quantity(
        "KL divergence with free bits",
        "nats an image",
        format=".2f",
        text="sum over the latents of the larger one of --free-bits and the latent's KL divergence",
        place=21,
    ),
)


@register_term(
    "gen/kl",
    needs=("vae",),
    weight=WeightOption("beta", "weight of the KL divergence", default=1.0),
    by_gradient=False,
    quantity=Quantity(
        "KL divergence",
        "nats an image",
        format=".2f",
        summary="min,last",  # reported unweighted, so that minima compare
        text="divergence of the posterior from the prior",
        short="kl",
        headline=True,
        place=20,
        curve=True,
    ),
)
def kl(views: Views, *, free_bits: FreeBits = 0.0) -> Tensor:
    """The posterior's divergence from the prior, in nats per image.

    With free bits the gradient is that of `kl_with_free_bits`, which differs by a constant at each latent
    under the floor. The value stays the divergence, so that runs compare.
    """
    true = kl_to_standard_normal(*views.posterior)
    if not free_bits:
        return true
    floored = kl_with_free_bits(*views.posterior, free_bits)
    return true.detach() + (floored - floored.detach())


def free_bits_figures(views: Views, terms: dict[str, Tensor], *, free_bits: float) -> dict[str, Tensor]:
    """The divergence with free bits, which training lowers in place of the reported one."""
    return {KL_FREE: kl_with_free_bits(*views.posterior, free_bits)}


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)), summed over latents, averaged over the batch.

    mu, logvar: [B, latent_dim]. Returns a scalar >= 0 in nats per image.
    Source: Kingma & Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()


def kl_with_free_bits(mu: Tensor, logvar: Tensor, free_bits: float) -> Tensor:
    """The divergence with a floor under the batch mean of each latent, summed over latents.

    mu, logvar: [B, latent_dim], of images that are computed together. free_bits: nats per latent.
    Source: Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow
    (arXiv 1606.04934), equation 15, whose groups are here single latents.
    """
    means = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).mean(0)  # [latent_dim]
    return means.clamp(min=free_bits).sum()
