"""The divergence of the posterior from the prior."""

from torch import Tensor

from vaegan.quantities import Quantity, add

add(
    "gen/kl",
    Quantity(
        "KL divergence",
        "nats an image",
        format=".2f",
        summary="min,last",  # reported unweighted, so that minima compare
        text="divergence of the posterior from the prior",
        short="kl",
        headline=True,
        place=20,
        curve=True,
        weighted=True,
    ),
)


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)), summed over latents, averaged over the batch.

    mu, logvar: [B, latent_dim]. Returns a scalar >= 0 in nats per image.
    Source: Kingma & Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
