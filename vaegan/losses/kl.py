"""The divergence of the posterior from the prior."""

from torch import Tensor


def kl_to_standard_normal(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, exp(logvar)) || N(0, I)), summed over latents, averaged over the batch.

    mu, logvar: [B, latent_dim]. Returns a scalar >= 0 in nats per image.
    Source: Kingma & Welling, Auto-Encoding Variational Bayes (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
