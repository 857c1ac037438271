"""Analyses a VAE's latents: those in use, and how well they predict labels and known factors."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vaegan.evals.material import ImageSet, Material
from vaegan.evals.section import Section
from vaegan.losses.kl import kl_to_standard_normal
from vaegan.quantities import Quantity, add_all

FEW = 100  # images, below which a mean over them is doubted
LEAST_VARIANCE = 0.01  # of an active unit's posterior mean over images
NEIGHBOURS = 10
BINS = 20  # of equal width, for each latent and each continuous factor
MOST_STEPS = 1000  # of the linear probe's optimiser
ENOUGH_FOR_ACCURACY = 1000  # images; with fewer, a standard error is a per cent or two
ENOUGH_FOR_MIG = 2000  # images; with fewer, chance alone informs by a tenth of a nat

add_all(
    "latents",
    {
        "active_units": Quantity(
            "active units",
            "latents",
            format=".0f",
            headline=True,
            text=f"latents whose posterior mean varies over images by more than {LEAST_VARIANCE}",
        ),
        "kl_per_dim": Quantity(
            "KL divergence of each latent", "nats per image", text="each latent's divergence from the prior"
        ),
        "knn_accuracy": Quantity(
            "neighbours' accuracy",
            better="higher",
            headline=True,
            text=f"share of labels that the {NEIGHBOURS} nearest training images predict correctly",
        ),
        "probe_accuracy": Quantity(
            "linear probe's accuracy",
            better="higher",
            text="share of labels that a linear classifier predicts correctly",
        ),
        "majority_share": Quantity(
            "commonest label's share",
            text="share of labels that are the commonest one: the floor of the accuracies",
        ),
        "mig": Quantity(
            "mutual information gap",
            "share of the factor's entropy",
            better="higher",
            text="mutual information gap, mean over factors: 1 if each factor is determined by one latent "
            "alone",
        ),
        "mig_per_factor": Quantity(
            "mutual information gap of each factor",
            "share of the factor's entropy",
            better="higher",
            text="each factor's gap",
        ),
    },
)


def evaluate_latents(material: Material) -> Section | None:
    """Latents in use, and predictions from the posterior's mean; None for a GAN."""
    if not material.reconstructs:
        return None
    mu, logvar = material.posterior
    values: dict[str, Any] = {
        "active_units": active_units(mu),
        "kl_per_dim": kl_per_dim(mu, logvar).tolist(),
    }
    protocol = material.protocol(latents="the posterior's mean")
    warnings = [] if len(mu) >= FEW else [f"Means and variances over {len(mu)} images only."]
    _add_labels(material, values, protocol, warnings)
    _add_factors(material, values, protocol, warnings)
    return Section("latents", "Latents", protocol, values, warnings)


def _add_labels(
    material: Material, values: dict[str, Any], protocol: dict[str, Any], warnings: list[str]
) -> None:
    """Accuracies of predicted labels, if there are several classes."""
    labels, trained_on = material.test.labels, material.train.labels
    if labels is None or trained_on is None or len(trained_on.unique()) < 2:
        return
    values |= read_labels(material.training_posterior[0], trained_on, material.posterior[0], labels)
    protocol["labels"] = (
        f"learned from {len(trained_on):,} training images, told of {len(labels):,} held-out ones; "
        f"{NEIGHBOURS} neighbours by Euclidean distance; logistic regression on standardised latents"
    )
    if len(labels) < ENOUGH_FOR_ACCURACY:
        error = 0.5 / len(labels) ** 0.5
        warnings.append(f"Accuracies over {len(labels)} images only: a standard error is up to {error:.1%}.")


def _add_factors(
    material: Material, values: dict[str, Any], protocol: dict[str, Any], warnings: list[str]
) -> None:
    """The mutual information gap, if factors are known.

    It is measured on held-out images. If these are too few, so that chance correlations would count, the
    training images are added.
    """
    if material.test.factors is None:
        return
    sets, mus = [material.test], [material.posterior[0]]
    images = f"{len(material.test):,} held-out images"
    if len(material.test) < ENOUGH_FOR_MIG:
        sets, mus = [*sets, material.train], [*mus, material.training_posterior[0]]
        images += f" and {len(material.train):,} training images"
    mu = torch.cat(mus)
    gaps = mutual_information_gaps(mu, numbered_factors(sets))
    values["mig"] = sum(gaps.values()) / len(gaps) if gaps else None
    values["mig_per_factor"] = gaps
    protocol["mig"] = f"{images}; {BINS} bins of equal width for latents and for continuous factors"
    if len(mu) < ENOUGH_FOR_MIG:
        warnings.append(
            f"The mutual information gap is taken from {len(mu):,} images: with fewer than "
            f"{ENOUGH_FOR_MIG:,}, chance informs as well."
        )


def active_units(mu: Tensor) -> int:
    """Number of latents of mu [N, latent_dim] whose variance over images exceeds 0.01.

    Source: Burda et al., Importance Weighted Autoencoders (arXiv 1509.00519), section 5.2.
    """
    return int((mu.var(0, correction=0) > LEAST_VARIANCE).sum())


def kl_per_dim(mu: Tensor, logvar: Tensor) -> Tensor:
    """Each latent's KL(N(mu, exp(logvar)) || N(0, 1)) in nats, averaged over images: [latent_dim]."""
    return torch.vmap(kl_to_standard_normal, in_dims=1)(mu[:, :, None], logvar[:, :, None])


def read_labels(train_mu: Tensor, train_labels: Tensor, mu: Tensor, labels: Tensor) -> dict[str, float]:
    """Shares of labels [N] predicted correctly from mu [N, latent_dim], after training on training images.

    The floor is the share of the most frequent training label.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = train_mu.numpy(), train_labels.numpy()
    knn = KNeighborsClassifier(min(NEIGHBOURS, len(x)), algorithm="brute").fit(x, y)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=MOST_STEPS)).fit(x, y)
    return {
        "knn_accuracy": float(knn.score(mu.numpy(), labels.numpy())),
        "probe_accuracy": float(probe.score(mu.numpy(), labels.numpy())),
        "majority_share": (labels == train_labels.mode().values).double().mean().item(),
    }


def numbered_factors(sets: Sequence[ImageSet]) -> dict[str, Tensor]:
    """Each factor's values [N] over all sets: floats for continuous factors, int64 for discrete ones."""
    factors = [images.factors for images in sets]
    continuous = torch.cat([each.continuous for each in factors]).T
    discrete = torch.cat([each.discrete for each in factors]).T
    names = [*factors[0].continuous_names, *factors[0].categories]
    return dict(zip(names, [*continuous, *discrete], strict=True))


def mutual_information_gaps(mu: Tensor, factors: dict[str, Tensor]) -> dict[str, float]:
    """Each factor's gap: mutual information with the best latent less that with the second, over its entropy.

    mu: [N, latent_dim]. factors: [N] each; floats are put into bins. A factor that does not vary is left out.
    Source: Chen et al., Isolating Sources of Disentanglement in VAEs (arXiv 1802.04942), eq. 6; bins as in
    Locatello et al., Challenging Common Assumptions (arXiv 1811.12359), appendix.
    """
    latents = binned(mu)
    gaps = {}
    for name, factor in factors.items():
        codes = binned(factor[:, None])[:, 0] if factor.is_floating_point() else factor
        information = mutual_information(latents, codes)
        entropy = mutual_information(codes[:, None], codes).item()  # I(factor; factor)
        if entropy > 0:
            # padded, since a single latent has no second one
            most, next_most = F.pad(information, (0, 1)).topk(2).values.tolist()
            gaps[name] = (most - next_most) / entropy
    return gaps


def binned(values: Tensor) -> Tensor:
    """The bin of each value, int64: 20 bins of equal width between a column's extremes, [N, D] each."""
    values = values.double()
    low, high = values.amin(0), values.amax(0)
    share = (values - low) / (high - low).where(high > low, 1)
    return (share * BINS).long().clamp(max=BINS - 1)


def mutual_information(codes: Tensor, factor: Tensor) -> Tensor:
    """I(code; factor) in nats of each column of codes [N, D] with factor [N], both int64 from 0: [D]."""
    n_codes, n_values = int(codes.max()) + 1, int(factor.max()) + 1
    column = torch.arange(codes.shape[1])
    cells = ((column * n_codes + codes) * n_values + factor[:, None]).flatten()
    counts = cells.bincount(minlength=len(column) * n_codes * n_values)
    joint = counts.reshape(len(column), n_codes, n_values).double() / len(codes)
    parts = joint.sum(2), joint.sum(1), joint.flatten(1)
    code, other, both = (torch.special.entr(part).sum(1) for part in parts)
    return code + other - both
