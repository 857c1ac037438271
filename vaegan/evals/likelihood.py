"""Bounds on the likelihood of held-out images under a VAE, if its PBP loss is a likelihood."""

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.losses.kl import kl_to_standard_normal
from vaegan.pixels import PixelRange, from_uint8, to_model_range
from vaegan.quantities import Quantity, add_all
from vaegan.seeds import generator_for

FEW = 100  # images, below which a mean over them is doubted
N_SAMPLES = 64  # of the posterior, for each image's importance-weighted bound
MOST_IMAGES = 400  # in that bound: 25,600 images to decode, 14 s of a CPU core for 1 x 28 x 28 in `conv`
LEVEL = 1 / 255  # one 8-bit level of pixels in [0, 1]

NO_LIKELIHOOD = "none: the loss is not a likelihood of these images"

FIGURES = add_all(
    "likelihood",
    {
        "pbp": Quantity(
            "PBP loss of a sample",
            better="lower",
            text="pixel-by-pixel loss of a reconstruction from a posterior's sample",
        ),
        "kl": Quantity("KL divergence", "nats per image", text="divergence of the posterior from the prior"),
        "bound": Quantity(
            "PBP loss + KL", better="lower", text="pbp + kl, unweighted, of the images as stored"
        ),
        "nll_bound": Quantity(
            "minus the ELBO",
            "nats per image",
            better="lower",
            text="minus the ELBO of images as the likelihood takes them, above -log p(x)",
        ),
        "iw_bound": Quantity(
            "-log p(x), at most",
            "nats per image",
            format=".2f",
            better="lower",
            headline=True,
            text="minus the importance-weighted bound, of the same images and samples; closer to -log p(x)",
        ),
        "iw_standard_error": Quantity(
            "standard error of -log p(x), at most",
            "nats per image",
            text="standard error of iw_bound over images, which are the same in every run",
        ),
        "bits_per_dim": Quantity(
            "bits per dimension",
            "bits per dimension",
            better="lower",
            text="the importance-weighted bound per value of a pixel, of 8 bits where the likelihood is a "
            "density",
        ),
    },
)


def evaluate_likelihood(material: Material) -> Section | None:
    """The parts of the ELBO and, if the PBP loss is a likelihood, bounds on it; None for a GAN."""
    if not material.reconstructs:
        return None
    values = elbo_parts(material)
    images = material.originals[:MOST_IMAGES]
    generator = generator_for(material.seed, "evaluation", "observed images")
    observed, how = as_observed(images, material.players.pbp, generator)
    warnings = [] if len(images) >= FEW else [f"Means over {len(images)} images only."]
    if observed is None:
        values |= dict.fromkeys(("nll_bound", "iw_bound", "iw_standard_error", "bits_per_dim"))
        warnings.append(f"No bound on the likelihood: {how}. pbp + kl is a loss only.")
    else:
        values |= likelihood_bounds(material, observed)
    protocol = material.protocol(
        pbp=material.trained.config.pbp,
        elbo="all of the images as they are stored, one sample of each posterior",
        likelihood=NO_LIKELIHOOD if observed is None else how,
    )
    if observed is not None:
        protocol["likelihood_images"] = f"the first {len(images):,}"
        protocol["likelihood_samples"] = f"K = {N_SAMPLES} of each posterior"
    return Section("likelihood", "Likelihood", protocol, values, warnings, _own(material))


def _own(material: Material) -> dict[str, Quantity]:
    """The quantities whose unit and text depend on the run's loss."""
    kind = getattr(material.players.pbp, "likelihood", None)
    unit = "nats per image" if kind else "units of the loss per image"
    is_bound = kind == "density" or (kind == "binary" and black_and_white(material.originals))
    text = f"{FIGURES['bound'].text}: {'minus the ELBO' if is_bound else 'not a bound on any likelihood'}"
    return {
        "pbp": replace(FIGURES["pbp"], unit=unit),
        "bound": replace(FIGURES["bound"], unit=unit, text=text),
    }


@torch.no_grad()
def elbo_parts(material: Material) -> dict[str, float]:
    """Means over all held-out images as stored, from one sample of each posterior, in nats per image."""
    players = material.players
    mu, logvar = material.posterior
    z = mu + torch.exp(0.5 * logvar) * material.noise(len(mu), "posterior samples")

    def share(batch: Tensor, part: Tensor) -> float:
        logits = players.decode(part.to(material.device))
        x = to_model_range(batch.to(material.device), players.pixel_range)
        return players.pbp(logits, players.pixels(logits), x).item() * len(x) / len(z)

    pbp = sum(material.trained.portions.of(share, material.originals, z))
    kl = kl_to_standard_normal(mu.double(), logvar.double()).item()
    return {"pbp": pbp, "kl": kl, "bound": pbp + kl}


def as_observed(images: Tensor, pbp: nn.Module, generator: torch.Generator) -> tuple[Tensor | None, str]:
    """Images transformed so that the PBP loss is their exact negative log likelihood, and a text about it.

    Images are in [0, 1]; None, and the reason, for a loss that is no likelihood of such images.
    images: uint8 [N, C, H, W].
    """
    kind = getattr(pbp, "likelihood", None)
    if kind == "density":
        noise = torch.rand(images.shape, generator=generator) - 0.5
        return from_uint8(images) + noise * LEVEL, "density of images under uniform noise as wide as a level"
    if kind != "binary":
        return None, "the loss is not minus the log of one"
    if black_and_white(images):
        return from_uint8(images), "probability of the images as stored, which are black and white"
    if images.shape[1] > 1:
        return None, "the loss is one of black and white pixels, and these colour images are not"
    white = torch.bernoulli(from_uint8(images), generator=generator)
    return white, "probability of binarised images, each pixel white with its grey value as the probability"


def black_and_white(images: Tensor) -> bool:
    """True if all values of uint8 images are 0 or 255."""
    return bool(((images == 0) | (images == 255)).all())


def likelihood_bounds(material: Material, observed: Tensor) -> dict[str, float]:
    """Upper bounds on the mean of -log p(x) over images [N, C, H, W] in [0, 1], and bits per dimension."""
    players = material.players
    generator = generator_for(material.seed, "evaluation", "importance samples")
    log_likelihood = decoder_log_likelihood(material, observed)
    # drawn for all images at once, so that the noise does not depend on the batch size of the networks
    weights = log_weights(*material.encode(observed), log_likelihood, N_SAMPLES, generator)
    bounds = -iw_bound(weights)
    iw = bounds.mean().item()
    error = bounds.std(correction=0).item() / len(bounds) ** 0.5
    is_density = players.pbp.likelihood == "density"
    bits = bits_per_dim(iw, observed[0].numel(), level_width(players.pixel_range) if is_density else None)
    nll_bound = -weights.mean(1).mean().item()
    return {"nll_bound": nll_bound, "iw_bound": iw, "iw_standard_error": error, "bits_per_dim": bits}


def decoder_log_likelihood(material: Material, images: Tensor) -> Callable[[Tensor], Tensor]:
    """z [N, latent_dim] -> log p(x | z) [N] of the images [N, C, H, W] in [0, 1], float64 on the CPU."""
    players = material.players
    # a loss is a mean over its batch: use batches of one, all at once
    each = torch.vmap(lambda *pair: players.pbp(*(part[None] for part in pair)))

    def of_some(z: Tensor, images: Tensor) -> Tensor:
        x = to_model_range(images.to(material.device), players.pixel_range)
        logits = players.decode(z.float().to(material.device))
        return -each(logits, players.pixels(logits), x).cpu().double()

    return lambda z: torch.cat(list(material.trained.portions.of(of_some, z, images)))


@torch.no_grad()
def log_weights(
    mu: Tensor,
    logvar: Tensor,
    log_likelihood: Callable[[Tensor], Tensor],
    n_samples: int,
    generator: torch.Generator,
) -> Tensor:
    """log [p(x | z) p(z) / q(z | x)] of samples z of each posterior q: [B, n_samples], float64.

    mu, logvar: [B, latent_dim], on the CPU. log_likelihood: z [B, latent_dim] -> log p(x | z) [B]. The mean
    over samples estimates the ELBO.
    Source: Burda et al., Importance Weighted Autoencoders (arXiv 1509.00519), eq. 8.
    """
    mu, logvar = mu.double(), logvar.double()
    weights = []
    for _ in range(n_samples):
        noise = torch.randn(mu.shape, dtype=torch.float64, generator=generator)
        z = mu + torch.exp(0.5 * logvar) * noise
        log_ratio = 0.5 * (noise.square() + logvar - z.square()).sum(1)  # log p(z) - log q(z | x)
        weights.append(log_likelihood(z) + log_ratio)
    return torch.stack(weights, 1)


def iw_bound(weights: Tensor) -> Tensor:
    """The lower bound on log p(x) from log weights [B, K]: [B]; K = 1 is the ELBO.

    Source: Burda et al., Importance Weighted Autoencoders (arXiv 1509.00519), eq. 8.
    """
    return weights.logsumexp(1) - math.log(weights.shape[1])


def bits_per_dim(nll: float, n_values: int, width: float | None = None) -> float:
    """Converts nll, in nats per image of n_values, to bits per value.

    width: of the noise that turned levels into a density; dividing values by it gives levels again. None for
    probabilities.
    Source: Theis et al., A note on the evaluation of generative models (arXiv 1511.01844), section 3.1.
    """
    bits = nll / (n_values * math.log(2))
    return bits if width is None else bits - math.log2(width)


def level_width(pixel_range: PixelRange) -> float:
    """The width of one 8-bit level in the model's range."""
    black, white = to_model_range(torch.tensor([0.0, 1.0]), pixel_range).tolist()
    return (white - black) * LEVEL
