"""Errors and sharpness of reconstructions of held-out images."""

from functools import partial

import torch
from torch import Tensor

from vaegan.evals.lattice import lattice_figures
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.losses.pbp import BernoulliNLL
from vaegan.nets.players import Players
from vaegan.pixels import to_model_range, to_unit_range
from vaegan.quantities import Quantity, add_all

FEW = 100  # images; a mean over fewer gets a warning
SSIM_WINDOW = 11  # pixels a side, as published; the Gaussian in it has a sigma of 1.5
HIGHEST_PSNR = 100.0  # dB; that of an image without any error is infinite
LEAST_SPREAD = 1e-6  # standard deviation of a gradient map, below which the image has no edges
HIGH_FREQUENCY = 0.4  # cycles per pixel; rows and columns can hold up to 0.5
# share of the originals' energy: 0.002 in digits enlarged twofold and 0.0001 fourfold, but 0.015 in
# CIFAR-10, 0.026 in drawn faces at 64 pixels a side, 0.028 in MNIST
LEAST_HIGH_FREQUENCY = 0.005

add_all(
    "reconstruction",
    {
        "pbp": Quantity(
            "PBP loss", "summed over pixels, per image", better="lower", text="the run's pixel-by-pixel loss"
        ),
        "excess_bce": Quantity(
            "excess BCE",
            "nats per image",
            better="lower",
            text="binary cross-entropy above that of perfect reconstructions, whatever the run's loss",
        ),
        "mse": Quantity(
            "MSE", "per pixel", format=".4g", better="lower", text="squared error of pixels in [0, 1]"
        ),
        "psnr": Quantity(
            "PSNR",
            "dB",
            format=".2f",
            better="higher",
            headline=True,
            text="peak signal-to-noise ratio, the mean over images of each image's",
        ),
        "ssim": Quantity(
            "SSIM", better="higher", headline=True, text="structural similarity, 1 for equal images"
        ),
        "sharpness": Quantity(
            "sharpness, 1 as originals",
            headline=True,
            text="gradient magnitude of reconstructions over that of originals: 1 is as sharp, below 1 "
            "blurred; noise and checkerboards raise it too, but not the edge correlation",
        ),
        "edge_correlation": Quantity(
            "edge correlation",
            better="higher",
            headline=True,
            text="correlation of the gradient maps of reconstruction and original: 1 with all edges in place",
        ),
        "high_frequency_ratio": Quantity(
            "high frequencies",
            text=f"energy above {HIGH_FREQUENCY} cycles per pixel in reconstructions over that in originals: "
            "1 is as much detail, or noise in its place",
        ),
        "tint": Quantity(
            "tint",
            "grey levels of 255",
            better="lower",
            text="difference of the mean colours of all reconstructions and all originals, in the channel in "
            "which it is largest",
        ),
    },
)


def evaluate_reconstruction(material: Material) -> Section | None:
    """Errors and sharpness of the held-out images decoded from the posterior's mean; None for a GAN."""
    if not material.reconstructs:
        return None
    measured = _measured(material)
    mean = {name: each.nanmean().item() for name, each in measured.items()}
    without_edges = int(measured["edge_correlation"].isnan().sum())
    values = {name: mean[name] for name in ("pbp", "excess_bce", "mse", "psnr", "ssim")}
    values["sharpness"] = _ratio(mean["edges_hat"], mean["edges"])
    values["edge_correlation"] = (
        None if without_edges == len(material.originals) else mean["edge_correlation"]
    )
    share = _ratio(mean["high_frequency"], mean["energy"]) or 0.0
    has_detail = share >= LEAST_HIGH_FREQUENCY
    values["high_frequency_ratio"] = (
        _ratio(mean["high_frequency_hat"], mean["high_frequency"]) if has_detail else None
    )
    values["tint"] = tint(material.originals, material.reconstructions)
    values |= lattice_figures(material)
    n_images = len(material.originals)
    warnings = [] if n_images >= FEW else [f"Means over {n_images} images only."]
    if not has_detail:
        warnings.append(
            f"No high_frequency_ratio: above {HIGH_FREQUENCY} cycles per pixel the originals have a share of "
            f"{share:.2g} of their energy, below {LEAST_HIGH_FREQUENCY:g}, as in enlarged images."
        )
    window = ssim_window(material.originals)
    protocol = material.protocol(
        latents="the posterior's mean",
        pbp=material.trained.config.pbp,
        psnr=f"mean over images of each image's, each at most {HIGHEST_PSNR:g} dB",
        ssim=f"Gaussian window of {window} x {window} pixels, sigma 1.5, where it fits into the image",
        sharpness="Sobel gradients, magnitude over channels; its mean over pixels and images, then the ratio",
        edge_correlation="Pearson's over the pixels of each image, mean over images; left out for being "
        f"without edges: {without_edges:,}",
        high_frequency=f"radially above {HIGH_FREQUENCY} cycles per pixel, Hann window, mean taken off",
        high_frequency_share_of_originals=share,
    )
    return Section("reconstruction", "Reconstruction", protocol, values, warnings)


@torch.no_grad()
def _measured(material: Material) -> dict[str, Tensor]:
    """All measurements of each held-out image, [N] each."""
    players = material.players

    def measure(batch: Tensor) -> dict[str, Tensor]:
        x = to_model_range(batch.to(material.device), players.pixel_range)
        logits = players.decode(players.encode(x)[0])
        row = compared(
            to_unit_range(x, players.pixel_range), to_unit_range(players.pixels(logits), players.pixel_range)
        )
        row["pbp"] = players.pbp(logits, players.pixels(logits), x).expand(len(x))
        row["excess_bce"] = excess_bce(players, logits, x).expand(len(x))
        return {name: each.cpu().double() for name, each in row.items()}

    rows = list(material.trained.portions.of(measure, material.originals))
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def compared(x: Tensor, x_hat: Tensor) -> dict[str, Tensor]:
    """The pixel measures of each pair of images [B, C, H, W] in [0, 1]: [B] each."""
    edges, edges_hat = gradient_magnitude(x), gradient_magnitude(x_hat)
    above, energy = spectral_energy(x)
    return {
        "mse": (x_hat - x).square().mean((1, 2, 3)),
        "psnr": psnr(x, x_hat),
        "ssim": ssim(x, x_hat),
        "edges": edges.mean((1, 2)),
        "edges_hat": edges_hat.mean((1, 2)),
        "edge_correlation": correlation(edges, edges_hat),
        "high_frequency": above,
        "energy": energy,
        "high_frequency_hat": spectral_energy(x_hat)[0],
    }


def tint(images: Tensor, others: Tensor) -> float:
    """The largest difference of a channel's mean over all images, in grey levels. uint8 [N, C, H, W] each."""
    of_images, of_others = (each.double().mean((0, 2, 3)) for each in (images, others))
    return (of_images - of_others).abs().max().item()


def excess_bce(players: Players, logits: Tensor, x: Tensor) -> Tensor:
    """Binary cross-entropy of pixels in [0, 1] less that of a perfect reconstruction: a scalar.

    logits: the decoder's [B, C, H, W]. x: [B, C, H, W] in the model's range. In nats per image.
    """
    if players.pixel_range == "pm1":
        logits = 2 * logits  # tanh(l) in [-1, 1] is sigmoid(2 l) in [0, 1]
    x = to_unit_range(x, players.pixel_range)
    return BernoulliNLL()(logits, torch.sigmoid(logits), x) - BernoulliNLL.floor(x)


def psnr(x: Tensor, x_hat: Tensor) -> Tensor:
    """Each image's peak signal-to-noise ratio in dB, at most 100: [B]. Images [B, C, H, W] in [0, 1].

    Source: kornia, which pools the error over a batch; so it is called once per image.
    """
    from kornia.metrics import psnr as kornia_psnr

    return torch.vmap(partial(kornia_psnr, max_val=1.0))(x_hat, x).clamp(max=HIGHEST_PSNR)


def ssim_window(images: Tensor) -> int:
    """Side of SSIM's window in pixels: 11, or the largest odd number that fits into the images."""
    side = min(images.shape[-2:])
    return min(SSIM_WINDOW, side - (side + 1) % 2)


def ssim(x: Tensor, x_hat: Tensor) -> Tensor:
    """Each image's structural similarity, the mean of its map: [B]. Images [B, C, H, W] in [0, 1].

    Source: Wang et al., Image Quality Assessment: From Error Visibility to Structural Similarity (2004),
    eq. 13, as implemented in kornia; without the border, where the window does not fit.
    """
    from kornia.metrics import ssim as kornia_ssim

    return kornia_ssim(x_hat, x, ssim_window(x), padding="valid").mean((1, 2, 3))


def gradient_magnitude(images: Tensor) -> Tensor:
    """Length of the Sobel gradient over both directions and all channels: [B, H, W]."""
    from kornia.filters import spatial_gradient

    gradient = spatial_gradient(images, mode="sobel", order=1)  # [B, C, 2, H, W]
    return gradient.square().sum((1, 2)).sqrt()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's correlation of each pair of maps [B, H, W]: [B]; nan if one of them is constant."""
    a, b = ((each - each.mean((1, 2), keepdim=True)).flatten(1) for each in (a, b))
    spread = [each.square().mean(1).sqrt() for each in (a, b)]
    pearson = (a * b).mean(1) / (spread[0] * spread[1])
    return pearson.where(torch.minimum(*spread) > LEAST_SPREAD, torch.nan)


def spectral_energy(images: Tensor) -> tuple[Tensor, Tensor]:
    """Energy above `HIGH_FREQUENCY`, and total energy, of each image [B, C, H, W] less its mean: [B] each.

    A Hann window removes the jumps at the borders, which would leak into all frequencies.
    """
    height, width = images.shape[-2:]
    windows = [torch.hann_window(side, periodic=False).to(images) for side in (height, width)]
    window = windows[0][:, None] * windows[1]
    mean = (images * window).sum((2, 3), keepdim=True) / window.sum()
    power = torch.fft.fft2((images - mean) * window).abs().square().sum(1)  # [B, H, W]
    frequencies = [torch.fft.fftfreq(side) for side in (height, width)]
    above = (torch.hypot(frequencies[0][:, None], frequencies[1]) > HIGH_FREQUENCY).to(images.device)
    return (power * above).sum((1, 2)), power.sum((1, 2))


def _ratio(part: float, whole: float) -> float | None:
    """part / whole; None if whole is 0."""
    return part / whole if whole > 0 else None
