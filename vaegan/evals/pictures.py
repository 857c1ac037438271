"""Pictures of a trained run: errors, samples, paths between latents, maps of latents, nearest neighbours."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from vaegan.evals.latent_paths import PATHS
from vaegan.evals.latents import kl_per_dim
from vaegan.evals.material import Material
from vaegan.figures.grids import save_errors, save_grid, save_maps
from vaegan.nets.players import Players
from vaegan.pixels import from_uint8
from vaegan.seeds import generator_for, seed_for
from vaegan.training.pictures import N_REFERENCE, prior_samples

LARGEST = 256  # pixels a side of images that are shown large
THUMBNAIL = 128  # pixels a side at most, in pictures of many images
N_PAIRS = 5
STEPS = 10  # of a path, both ends included
N_TRAVERSED = 10
FARTHEST = 3.0  # standard deviations of the prior
TRAVERSAL_STEPS = 11
MANIFOLD_SIDE = 20
MANIFOLD_TILE = (40, 64)  # pixels a side, at least and at most
PERPLEXITIES = (5, 30, 50)
MOST_POINTS = 1_000  # at three perplexities about ten seconds on one core
TSNE_STEPS = 500  # of the usual 1,000, the second half changed the divergence by 1 to 4 %
N_COMPARED = 256  # images of each kind whose nearest training images are searched
N_NEAREST = 10
COMPARED_SIDE = 64  # pixels; with more, ten thousand images would take minutes
CHUNK = 1_000


@dataclass(frozen=True)
class Picture:
    """A picture in a run's `figures`. alt: a description; caption: how to read it."""

    file: str
    title: str
    alt: str
    caption: str = ""


def draw_pictures(material: Material, folder: Path) -> list[Picture]:
    """Draws all pictures that apply to this run into the folder, and returns them with their descriptions.

    `curves.png`, which training wrote, is included. folder: the run's `figures`; created if necessary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [partial(_interpolation, kind=kind) for kind in PATHS]
    drawers = (_errors, _samples, _plain_samples, *paths, _traversals, _manifold, _tsne, _nearest)
    drawn = (draw(material, folder) for draw in drawers)
    return [*drawn_in_training(folder), *(picture for picture in drawn if picture is not None)]


def drawn_in_training(folder: Path) -> list[Picture]:
    """The curves, if they are in the folder."""
    if not (folder / "curves.png").is_file():
        return []
    curves = Picture(
        "curves.png",
        "Losses over the epochs",
        "Line charts of the losses and of the discriminator's figures over the epochs, on training and "
        "held-out images.",
        "Solid: training images; dashed: held-out ones. A dashed curve that rises while the solid one falls "
        "is overfitting. A dotted vertical line, where there is one, marks where the learned loss "
        "begins; at a grey line the discriminator cannot tell originals from fakes. "
        "Stacked areas, where there are any, are the shares of the terms in the gradient at the pixels.",
    )
    return [curves]


def _errors(material: Material, folder: Path) -> Picture | None:
    if not material.reconstructs:
        return None
    shown = (material.originals[:N_REFERENCE], material.reconstructions[:N_REFERENCE])
    pairs = from_uint8(torch.stack(shown))
    errors = (pairs[1] - pairs[0]).abs().mean(1)  # [N, H, W]
    top = max(errors.quantile(0.99).item(), 0.01)
    save_errors(folder / "errors.png", pairs, top, LARGEST)
    return Picture(
        "errors.png",
        "Reconstructions and their errors",
        f"Three rows of {pairs.shape[1]}: held-out images, their reconstructions, and maps of the error of "
        "each pixel.",
        "Top: held-out images; middle: what the posterior's mean decodes to; bottom: |x_hat - x|, its mean "
        f"over channels, from 0 (dark) to {top:.2g} and more (light), where black to white is 1.",
    )


def _samples(material: Material, folder: Path) -> Picture:
    samples = prior_samples(material.players)
    _save_square(folder / "prior_samples.png", samples)
    return Picture(
        "prior_samples.png",
        "Samples from the prior",
        f"{len(samples)} samples in a square.",
        f"Decoded from draws of the prior (weights {material.trained.weights}); the noise is the same "
        "for every run with as many latents.",
    )


def _plain_samples(material: Material, folder: Path) -> Picture | None:
    players = material.players
    if players.ema is None:
        return None
    plain = Players(
        None,
        players.decoder,
        None,
        latent_dim=players.latent_dim,
        pixel_range=players.pixel_range,
        precision=players.precision,
    )
    samples = prior_samples(plain.eval())
    _save_square(folder / "prior_samples_plain.png", samples)
    return Picture(
        "prior_samples_plain.png",
        "The same samples without averaging",
        f"{len(samples)} samples in a square, from the same noise as those from the averaged weights.",
        "Decoded with the weights as the last step left them, to see what the average changes.",
    )


def _interpolation(material: Material, folder: Path, kind: str) -> Picture | None:
    """One row for each of up to five pairs of latents."""
    latents, what = _latents(material, 2 * N_PAIRS)
    if len(latents) < 2:
        return None
    n_pairs = len(latents) // 2
    latents = latents[: 2 * n_pairs]
    paths = PATHS[kind](latents[0::2], latents[1::2], STEPS)
    _save_thumbnails(folder / f"interpolation_{kind}.png", material.decode(paths.flatten(0, 1)), STEPS)
    how = "on a straight line" if kind == "linear" else "on an arc around the origin, at even angles"
    return Picture(
        f"interpolation_{kind}.png",
        f"{kind.capitalize()} interpolation",
        f"{n_pairs} rows of {STEPS} images, each row a passage from one image to another.",
        f"Decoded from latents {how}, between {what}. Good latents have no step where two images lie one "
        "over the other.",
    )


def _traversals(material: Material, folder: Path) -> Picture:
    """One row for each of up to ten latents."""
    reference = _latents(material, 1)[0][0]
    around = "one noise"
    latents = torch.arange(min(N_TRAVERSED, len(reference)))
    names = [str(latent) for latent in latents.tolist()]
    if material.reconstructs:
        around = "the first held-out image's mean"
        kl = kl_per_dim(*material.posterior)
        latents = kl.argsort(descending=True)[:N_TRAVERSED]
        names = [f"{latent} ({kl[latent]:.2g} nats)" for latent in latents.tolist()]
    z = reference.repeat(len(latents), TRAVERSAL_STEPS, 1)
    values = torch.linspace(-FARTHEST, FARTHEST, TRAVERSAL_STEPS)
    z[torch.arange(len(latents)), :, latents] = values
    _save_thumbnails(folder / "traversals.png", material.decode(z.flatten(0, 1)), TRAVERSAL_STEPS)
    ordered = " with the greatest KL divergence" if material.reconstructs else ""
    return Picture(
        "traversals.png",
        "Latent traversals",
        f"{len(latents)} rows of {TRAVERSAL_STEPS} images; in each row one latent goes from "
        f"{-FARTHEST:g} to {FARTHEST:g}.",
        f"One latent a row goes from {-FARTHEST:g} to {FARTHEST:g}, the others stay at {around}. The latents"
        f"{ordered}, from the top: {', '.join(names)}.",
    )


def _manifold(material: Material, folder: Path) -> Picture | None:
    if material.players.latent_dim != 2:
        return None
    quantiles = (torch.arange(MANIFOLD_SIDE, dtype=torch.float64) + 0.5) / MANIFOLD_SIDE
    axis = torch.special.ndtri(quantiles).float()  # the inverse of the normal's distribution function
    up, right = torch.meshgrid(axis.flip(0), axis, indexing="ij")
    images = from_uint8(material.decode(torch.stack([right, up], dim=-1).flatten(0, 1)))
    save_grid(folder / "manifold.png", images, MANIFOLD_SIDE, *MANIFOLD_TILE)
    return Picture(
        "manifold.png",
        "The latent plane",
        f"A square of {MANIFOLD_SIDE} x {MANIFOLD_SIDE} images decoded from all over the latent plane.",
        "The first latent grows to the right, the second one upwards, in steps of equal probability under "
        f"the prior, from {axis[0]:.2f} to {axis[-1]:.2f}.",
    )


def _tsne(material: Material, folder: Path) -> Picture | None:
    if not material.reconstructs:
        return None
    mu = material.posterior[0]
    perplexities = [each for each in PERPLEXITIES if 3 * each < len(mu)]
    if not perplexities:
        return None
    picked = torch.randperm(len(mu), generator=generator_for(material.seed, "t-sne"))[:MOST_POINTS]
    labels = None if material.test.labels is None else material.test.labels[picked]
    maps = {f"perplexity {each}": tsne(mu[picked], each, material.seed) for each in perplexities}
    save_maps(folder / "tsne.png", maps, labels, material.test.classes)
    coloured = "grey, since the images have no classes" if labels is None else "coloured by class"
    return Picture(
        "tsne.png",
        "t-SNE of the latents",
        f"{len(maps)} scatter plots of {len(picked):,} points, one for each perplexity, {coloured}.",
        f"The posterior's means of {len(picked):,} held-out images, {coloured}. Neighbours stay neighbours; "
        "the clusters' sizes and distances mean nothing, which is why there are several perplexities.",
    )


def _nearest(material: Material, folder: Path) -> Picture:
    samples = material.decode(material.noise(N_COMPARED, "nearest"))
    held_out = material.originals[:N_COMPARED]
    pool = material.training_images
    distances, positions = nearest(samples, pool)
    usual = nearest(held_out, pool)[0].median()
    closest = distances.argsort()[:N_NEAREST]
    listed = ", ".join(f"{each:.3g}" for each in distances[closest].tolist())
    rows = torch.cat([samples[closest], pool[positions[closest]]])
    _save_thumbnails(folder / "nearest.png", rows, len(closest))
    smaller = f", both shrunk to {COMPARED_SIDE} pixels a side" if pool.shape[-1] > COMPARED_SIDE else ""
    return Picture(
        "nearest.png",
        "Nearest training images",
        f"Two rows of {len(closest)}: samples, and below each the training image nearest to it.",
        f"Top: of {len(samples)} samples, those nearest to a training image; bottom: that image. Their "
        f"Euclidean distances{smaller}, from the left: {listed}. The median distance to the nearest of "
        f"{len(pool):,} training images is {distances.median():.3g} from samples and {usual:.3g} from "
        f"{len(held_out):,} held-out images; samples that are much nearer are copies, or blurred.",
    )


def tsne(mu: Tensor, perplexity: float, seed: int) -> Tensor:
    """A map of latents [N, latent_dim] in the plane, [N, 2].

    Source: van der Maaten & Hinton, Visualizing Data using t-SNE (JMLR 2008); scikit-learn.
    """
    from sklearn.manifold import TSNE

    spread = mu.shape[1] > 1 and mu.std(0).max() > 1e-6  # otherwise PCA has no two axes
    random_state = seed_for(seed, "t-sne", "map") % 2**32
    init = "pca" if spread else "random"
    method = TSNE(perplexity=perplexity, init=init, max_iter=TSNE_STEPS, random_state=random_state)
    return torch.from_numpy(method.fit_transform(mu.numpy()))


def nearest(queries: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """Each query's Euclidean distance to the nearest image of a pool, and that image's position: two [N].

    Pixels count from 0 to 1. queries, pool: uint8 [N, C, H, W]; large ones are compared at 64 pixels a side.
    """
    flat = _comparable(queries)
    found = [torch.cdist(flat, _comparable(chunk)).min(1) for chunk in pool.split(CHUNK)]
    distances = torch.stack([each.values for each in found])  # [chunks, N]
    chunk = distances.argmin(0)
    within = torch.stack([each.indices for each in found])[chunk, torch.arange(len(flat))]
    positions = chunk * CHUNK + within
    # cdist would use matrix products, whose rounding errors exceed small distances
    apart = torch.stack(
        [query - _comparable(pool[i : i + 1])[0] for query, i in zip(flat, positions, strict=True)]
    )
    return apart.double().norm(dim=1), positions


def _save_square(path: Path, samples: Tensor) -> None:
    """A square of samples in [0, 1]."""
    save_grid(path, samples, round(len(samples) ** 0.5), largest=THUMBNAIL)


def _save_thumbnails(path: Path, images: Tensor, columns: int) -> None:
    """uint8 images side by side, each at most of thumbnail size."""
    save_grid(path, from_uint8(images), columns, largest=THUMBNAIL)


def _latents(material: Material, n: int) -> tuple[Tensor, str]:
    """Up to n latents to start from, [n, latent_dim], and their kind: held-out images' means, or noise."""
    if material.reconstructs:
        return material.posterior[0][:n], "the posterior's means of two held-out images"
    return material.noise(n, "pictures"), "two draws of the prior"


def _comparable(images: Tensor) -> Tensor:
    """uint8 [N, C, H, W] -> [N, D] in [0, 1], at most 64 pixels a side."""
    x = from_uint8(images)
    return (adaptive_avg_pool2d(x, COMPARED_SIDE) if x.shape[-1] > COMPARED_SIDE else x).flatten(1)
