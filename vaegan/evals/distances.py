"""Distances between distributions: samples and reconstructions against held-out images."""

import math
import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn

from vaegan.evals.features import FeatureNetwork
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.quantities import Quantity, add_all
from vaegan.seeds import generator_for, seed_for, seed_torch

NEIGHBOURS = 5
SUBSET = 1000  # images in each of the kernel distance's subsets
SUBSETS = 50
# Images per feature: the authors of FID recommend 10,000 or more for Inception's 2,048 features.
# Source: github.com/bioinf-jku/TTUR, README
IMAGES_A_FEATURE = 10_000 / 2_048
FEW = 100  # images, below which a share has a standard error of up to 0.05
CHUNK = 250  # rows of a matrix of distances that are in memory at once

MEASURES = {
    "fid": Quantity("FID", format=".2f", better="lower", headline=True, text="Fréchet Inception distance"),
    "frechet": Quantity(
        "Fréchet distance",
        format=".4g",
        better="lower",
        headline=True,
        text="squared distance between Gaussians fitted to the features",
    ),
    "kid": Quantity("KID", format=".4g", better="lower", text="kernel Inception distance"),
    "kernel": Quantity(
        "kernel distance",
        format=".4g",
        better="lower",
        text="squared maximum mean discrepancy of the features",
    ),
    "kid_std": Quantity(
        "KID's deviation",
        format=".2g",
        text="standard deviation of the kernel Inception distance over subsets",
    ),
    "kernel_std": Quantity(
        "kernel distance's deviation",
        format=".2g",
        text="standard deviation of the kernel distance over subsets",
    ),
    "precision": Quantity("precision", better="higher", text="share of them that lie among held-out images"),
    "recall": Quantity("recall", better="higher", text="share of held-out images that lie among them"),
    "density": Quantity(
        "density", better="higher", text="held-out neighbourhoods that each lies in; 1 is expected"
    ),
    "coverage": Quantity(
        "coverage", better="higher", text="share of held-out images that have one near them"
    ),
}
SETS = {"reconstructions": "reconstructions", "samples": "samples", "training": "training images"}
for each, named in SETS.items():
    add_all(
        f"distances/{each}",
        {key: replace(quantity, title=f"{quantity.title} of {named}") for key, quantity in MEASURES.items()},
    )


def evaluate_distances(material: Material, network: FeatureNetwork) -> Section:
    """Distances and shares for samples, reconstructions (not of a GAN) and training images, side by side.

    All are compared with held-out images, and there are as many training images as held-out ones.
    """
    n = len(material.originals)
    generator = generator_for(material.seed, "evaluation", "floor")
    floor = torch.randperm(len(material.training_images), generator=generator)[:n]
    sets = {"reconstructions": material.reconstructions} if material.reconstructs else {}
    sets |= {"samples": material.samples, "training": material.training_images[floor]}
    reference = network.features(material.originals).double()
    frechet, kernel = ("fid", "kid") if network.is_inception else ("frechet", "kernel")
    values: dict[str, float | None] = {}
    for name, images in sets.items():
        features = network.features(images).double()
        mean, deviation = kernel_distance(reference, features, material.seed)
        values[f"{name}/{frechet}"] = frechet_distance(reference, features)
        values[f"{name}/{kernel}"] = mean
        if deviation is not None:
            values[f"{name}/{kernel}_std"] = deviation
        values |= {f"{name}/{key}": value for key, value in neighbour_shares(reference, features).items()}
    remark = {"remark": network.remark} if network.remark else {}
    subsets = f"{SUBSETS} subsets of {SUBSET:,} images" if n > SUBSET else "all images at once"
    if len(floor) <= SUBSET < n:
        subsets += "; of the floor all at once"
    protocol = material.protocol(
        features=f"{network.name}; {network.dim:,} features",
        **remark,
        compared_with="held-out originals",
        samples="from the prior",
        training=f"{len(floor):,} training images: the floor",
        kernel=f"cubic polynomial, {subsets}",
        neighbours=NEIGHBOURS,
    )
    doubts = sample_warnings(n, len(floor), network)
    return Section("distances", "Distributions", protocol, values, doubts)


def frechet_distance(a: Tensor, b: Tensor) -> float | None:
    """The squared Fréchet distance between the Gaussians fitted to features [N, dim] and [M, dim].

    None for fewer than two images. Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule
    (arXiv 1706.08500), equation 6.
    """
    if min(len(a), len(b)) < 2:
        return None
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(_Given(a.shape[1]), sync_on_compute=False)
    metric.update(a.double(), real=True)
    metric.update(b.double(), real=False)
    return metric.compute().item()


def kernel_distance(a: Tensor, b: Tensor, seed: int) -> tuple[float | None, float | None]:
    """Squared maximum mean discrepancy of features, cubic kernel: mean and standard deviation over subsets.

    Subsets of 1,000 are drawn by the seed. With at most 1,000 images, all are used once, and there is no
    standard deviation. None for fewer than two images.
    Source: Binkowski et al., Demystifying MMD GANs (arXiv 1801.01401), section 4.
    """
    n = min(len(a), len(b))
    if n < 2:
        return None, None
    from torchmetrics.image.kid import KernelInceptionDistance

    subsets = SUBSETS if n > SUBSET else 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about memory for features, which are kept anyway
        metric = KernelInceptionDistance(
            _Given(a.shape[1]), subsets=subsets, subset_size=min(n, SUBSET), sync_on_compute=False
        )
    metric.update(a.double(), real=True)
    metric.update(b.double(), real=False)
    with torch.random.fork_rng(devices=[]):  # torchmetrics draws the subsets from the global generator
        seed_torch(seed_for(seed, "evaluation", "kernel distance"), torch.device("cpu"))
        mean, deviation = metric.compute()
    return mean.item(), deviation.item() if subsets > 1 else None


def neighbour_shares(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> dict[str, float | None]:
    """Precision, recall, density and coverage of fake features [M, dim] against real ones [N, dim].

    All are None if there are too few images for k neighbours.
    Source: Kynkäänniemi et al., Improved Precision and Recall Metric (arXiv 1904.06991), equation 1; Naeem et
    al., Reliable Fidelity and Diversity Metrics (arXiv 2002.09797), equations 3 to 5.
    """
    names = ("precision", "recall", "density", "coverage")
    if min(len(real), len(fake)) <= k:
        return dict.fromkeys(names)
    real, fake = real.double(), fake.double()
    real_radii, fake_radii = _radii(real, k), _radii(fake, k)
    balls_around = torch.zeros(len(fake), dtype=torch.long)  # of real images, around each fake one
    recalled, covered = [], []
    for part, radii in zip(real.split(CHUNK), real_radii.split(CHUNK), strict=True):
        distances = torch.cdist(part, fake)
        balls_around += (distances < radii[:, None]).sum(0)
        recalled.append((distances < fake_radii).any(1))
        covered.append(distances.amin(1) < radii)
    shares = (balls_around > 0, torch.cat(recalled), balls_around.double() / k, torch.cat(covered))
    return {name: share.double().mean().item() for name, share in zip(names, shares, strict=True)}


def sample_warnings(n: int, n_training: int, network: FeatureNetwork) -> list[str]:
    """Reasons to doubt the estimators with n held-out images and this number of training images."""
    name = "FID" if network.is_inception else "the Fréchet distance"
    least = math.ceil(IMAGES_A_FEATURE * network.dim)
    few = f"{n:,} images are few for {network.dim:,} features (recommended: {least:,} or more)"
    if n <= network.dim:
        few = f"{n:,} images have no full covariance of {network.dim:,} features"
    found = []
    if n < least:
        found.append(f"{few}: {name} comes out too large, and compares only at the same count")
    if n < FEW:
        error = 0.5 / math.sqrt(n)
        found.append(
            f"With {n:,} images, precision, recall and coverage have standard errors of up to {error:.2f}, "
            "and the kernel distance is as uncertain"
        )
    if n_training < n:
        found.append(
            f"The floor is taken from {n_training:,} training images, fewer than the {n:,} held-out ones: "
            "it compares with the others only roughly"
        )
    return found


class _Given(nn.Module):
    """Precomputed features in the form of a network, which torchmetrics expects."""

    def __init__(self, num_features: int):
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def _radii(features: Tensor, k: int) -> Tensor:
    """The distance [N] from each feature vector to its k-th nearest other one."""
    nearest = [  # each is its own nearest, at distance 0
        torch.cdist(part, features).topk(k + 1, largest=False).values for part in features.split(CHUNK)
    ]
    return torch.cat(nearest)[:, -1]
