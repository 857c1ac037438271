"""Distances between distributions: samples and reconstructions against held-out images."""

import math
import warnings
from dataclasses import replace

import torch
from torch import Tensor, nn

from vaegan.evals.features import FeatureNetwork
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.quantities import Quantity, add_all, find
from vaegan.seeds import generator_for, seed_for, seed_torch

NEIGHBOURS = 5
SUBSET = 1000  # images in each of the kernel distance's subsets
SUBSETS = 50
HALVES = 200  # of the images, for the kernel distance's standard error
NORMAL = 1.96  # standard errors on both sides hold 95 %
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
    **{
        f"{key}_{end}": Quantity(
            f"{title}, {end} end",
            format=".4g",
            text=f"{end} end of the {title}'s 95 % interval, from random halves or subsets of the images",
        )
        for key, title in (("kid", "KID"), ("kernel", "kernel distance"))
        for end in ("low", "high")
    },
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
# feature networks after the first have sections of their own: "distances_random"
NETWORKS = {
    "classifier": "classifier",
    "inception": "Inception-v3",
    "efficientnet": "EfficientNet-Lite0",
    "timm": "timm",
    "random": "random ResNet-18",
}


def quantities_in(network: str) -> dict[str, Quantity]:
    """The figures of one of several networks, whose name is part of their titles."""
    return {
        f"{each}/{key}": replace(quantity, title=f"{quantity.title} ({network}), {named}")
        for each, named in SETS.items()
        for key, quantity in MEASURES.items()
    }


for each, named in SETS.items():
    add_all(
        f"distances/{each}",
        {key: replace(quantity, title=f"{quantity.title} of {named}") for key, quantity in MEASURES.items()},
    )
for kind, network in NETWORKS.items():
    add_all(f"distances_{kind}", quantities_in(network))


def evaluate_distances(
    material: Material, network: FeatureNetwork, name: str = "distances", several: bool = False
) -> Section:
    """Distances and shares for samples, reconstructions (not of a GAN) and training images, side by side.

    All are compared with held-out images, and there are as many training images as held-out ones. If these
    are few for the network, the kernel distance stands first. name: of the section. several: True if there
    are sections of other networks, so that this one's titles name the network.
    """
    n = len(material.originals)
    generator = generator_for(material.seed, "evaluation", "floor")
    floor = torch.randperm(len(material.training_images), generator=generator)[:n]
    sets = {"reconstructions": material.reconstructions} if material.reconstructs else {}
    sets |= {"samples": material.samples, "training": material.training_images[floor]}
    reference = network.features(material.originals).double()
    frechet, kernel = ("fid", "kid") if network.is_inception else ("frechet", "kernel")
    few = n < fewest_images(network)
    values: dict[str, float | None] = {}
    for which, images in sets.items():
        features = network.features(images).double()
        mean, deviation = kernel_distance(reference, features, material.seed)
        by_kernel = {kernel: mean}
        if mean is not None and deviation is not None:
            by_kernel[f"{kernel}_std"] = deviation
        if (error := kernel_error(reference, features, deviation, material.seed)) is not None:
            by_kernel |= {f"{kernel}_low": mean - NORMAL * error, f"{kernel}_high": mean + NORMAL * error}
        by_frechet = {frechet: frechet_distance(reference, features)}
        of_both = by_kernel | by_frechet if few else by_frechet | by_kernel
        of_both |= neighbour_shares(reference, features)
        values |= {f"{which}/{key}": value for key, value in of_both.items()}
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
    title, own = "Distributions", {}
    if several:
        title, own = f"Distributions ({network.short})", quantities_in(network.short)
    elif few:
        own = {f"{which}/{kernel}": find(f"{name}/{which}/{kernel}") for which in sets}
    if few:
        own |= {f"{which}/{kernel}": replace(own[f"{which}/{kernel}"], headline=True) for which in sets}
    return Section(name, title, protocol, values, doubts, own)


def frechet_distance(a: Tensor, b: Tensor) -> float | None:
    """The squared Fréchet distance between the Gaussians fitted to features [N, dim] and [M, dim].

    None for fewer than two images. The trace of the covariances' root is the sum of the singular values of
    A B^T, where A^T A and B^T B are the covariances: exact also where these are singular, and much faster
    than the eigenvalues of their product.
    Source: Heusel et al., GANs Trained by a Two Time-Scale Update Rule (arXiv 1706.08500), equation 6.
    """
    if min(len(a), len(b)) < 2:
        return None
    a, b = a.double(), b.double()
    roots = [(each - each.mean(0)) / (len(each) - 1) ** 0.5 for each in (a, b)]
    traces = sum(each.square().sum() for each in roots)
    roots = [torch.linalg.qr(each, mode="r").R if len(each) > each.shape[1] else each for each in roots]
    of_root = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return ((a.mean(0) - b.mean(0)).square().sum() + traces - 2 * of_root).item()


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


def kernel_error(a: Tensor, b: Tensor, deviation: float | None, seed: int) -> float | None:
    """The standard error of the kernel distance; None for fewer than four images.

    It is the deviation over random halves of both sets, which are drawn by the seed: the variance between
    halves drawn without replacement is that of a mean over all. Of more than 2,000 images it follows from the
    deviation over subsets of 1,000 in the same way. (A bootstrap would draw images twice, and a kernel takes
    such pairs for a likeness.) Both sets are taken as independent. It is too large
    where they do not differ: by sqrt(3) over halves, by sqrt(N / 1000) over subsets.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap, section 11.7 (delete-d jackknife).
    """
    n = min(len(a), len(b))
    if n < 4:
        return None
    if n > 2 * SUBSET:
        return deviation * (SUBSET / (n - SUBSET)) ** 0.5
    generator = generator_for(seed, "evaluation", "kernel error")
    a, b = a[: 2 * SUBSET].double(), b[: 2 * SUBSET].double()
    picked = [
        torch.rand(HALVES, len(each), generator=generator).argsort(1).lt(len(each) // 2).double()
        for each in (a, b)
    ]
    within = sum(_mean_off_diagonal(_kernel(x, x), half) for x, half in zip((a, b), picked, strict=True))
    counts = [half[0].sum() for half in picked]
    between = ((picked[0] @ _kernel(a, b)) * picked[1]).sum(1) / (counts[0] * counts[1])
    return (within - 2 * between).std().item()


def _kernel(a: Tensor, b: Tensor) -> Tensor:
    """The cubic kernel of features [N, dim] and [M, dim]: [N, M]."""
    return (a @ b.T / a.shape[1] + 1) ** 3


def _mean_off_diagonal(kernel: Tensor, picked: Tensor) -> Tensor:
    """The mean over different images of each selection. picked: [K, N] of zeros and ones. Returns [K]."""
    n = picked[0].sum()
    return (((picked @ kernel) * picked).sum(1) - picked @ kernel.diagonal()) / (n * (n - 1))


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


def fewest_images(network: FeatureNetwork) -> int:
    """The number of images from which on the Fréchet distance in the network's features has little bias."""
    return math.ceil(IMAGES_A_FEATURE * network.dim)


def sample_warnings(n: int, n_training: int, network: FeatureNetwork) -> list[str]:
    """Reasons to doubt the estimators with n held-out images and this number of training images."""
    name = "FID" if network.is_inception else "the Fréchet distance"
    least = fewest_images(network)
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
