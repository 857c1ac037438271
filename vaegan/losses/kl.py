"""The divergence of the posterior from the prior."""

from torch import Tensor

from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import Quantity


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
def kl(views: Views) -> Tensor:
    """The posterior's divergence from the prior, in nats per image."""
    return kl_to_standard_normal(*views.posterior)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)), summed over latents, averaged over the batch.

    mu, logvar: [B, latent_dim]. Returns a scalar >= 0 in nats per image.
    Source: Kingma & Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
