"""Reconstruction against scikit-image, SciPy, NumPy and closed forms."""

import json

import numpy as np
import pytest
import torch
from in_memory import in_memory, material
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import nn

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets.base import Images
from vaegan.evals.material import Material
from vaegan.evals.reconstruction import (
    correlation,
    evaluate_reconstruction,
    excess_bce,
    gradient_magnitude,
    psnr,
    spectral_energy,
    ssim,
    ssim_window,
    tint,
)


def random_images(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def pairs():
    x = random_images(3, 3, 20, 17)
    return x, (x + 0.3 * random_images(3, 3, 20, 17, seed=1)).clamp(0, 1)


def test_psnr_is_scikit_images_for_each_image(pairs):
    x, x_hat = pairs
    expected = [
        peak_signal_noise_ratio(a.numpy(), b.numpy(), data_range=1) for a, b in zip(x, x_hat, strict=True)
    ]
    assert psnr(x, x_hat).tolist() == pytest.approx(expected, rel=1e-5)
    assert psnr(x, x).tolist() == [100] * 3  # and not infinite


def test_ssim_is_scikit_images_for_each_image(pairs):
    expected = [
        structural_similarity(
            *(image.double().numpy() for image in pair),
            data_range=1,
            channel_axis=0,
            gaussian_weights=True,
            use_sample_covariance=False,
        )
        for pair in zip(*pairs, strict=True)
    ]
    assert ssim(*pairs).tolist() == pytest.approx(expected, abs=1e-5)
    assert ssim(pairs[0], pairs[0]).tolist() == pytest.approx([1] * 3, abs=1e-5)


@pytest.mark.parametrize(("side", "window"), [(5, 5), (8, 7), (10, 9), (12, 11)])
def test_ssim_of_small_images_takes_a_window_that_fits(pairs, side, window):
    """Against the formula (Wang et al. 2004, eq. 13) on SciPy's Gaussian means."""
    x, x_hat = (each[:, :, :side] for each in pairs)
    assert ssim_window(x) == window
    border = window // 2
    inner = (..., slice(border, -border), slice(border, -border))

    def mean(images: np.ndarray) -> np.ndarray:
        return ndimage.gaussian_filter(images, 1.5, radius=border, axes=(2, 3))[inner]

    a, b = x.double().numpy(), x_hat.double().numpy()
    mean_a, mean_b = mean(a), mean(b)
    covariance = mean(a * b) - mean_a * mean_b
    variances = mean(a * a) - mean_a**2 + mean(b * b) - mean_b**2
    expected = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    expected /= (mean_a**2 + mean_b**2 + 0.01**2) * (variances + 0.03**2)
    assert ssim(x, x_hat).tolist() == pytest.approx(expected.mean((1, 2, 3)), abs=1e-5)


def test_gradients_are_sobels_over_all_channels():
    image = random_images(1, 3, 9, 12)
    parts = [
        ndimage.sobel(channel, axis=axis, mode="nearest") / 8
        for channel in image[0].numpy()
        for axis in (0, 1)
    ]
    expected = np.sqrt(np.square(parts).sum(0))
    np.testing.assert_allclose(gradient_magnitude(image)[0].numpy(), expected, atol=1e-6)


def test_correlation_is_pearsons_and_none_of_a_constant_map():
    a, b = random_images(3, 6, 5).double(), random_images(3, 6, 5, seed=1).double()
    b[2] = 0.3 + 1e-9 * a[2]  # but for rounding
    found = correlation(a, b)
    expected = [np.corrcoef(a[i].flatten(), b[i].flatten())[0, 1] for i in range(2)]
    assert found[:2].tolist() == pytest.approx(expected, abs=1e-5)
    assert found[2].isnan()


@pytest.mark.parametrize("frequency", [0.1, 0.25, 0.35, 0.45])
def test_energy_of_a_wave_lies_at_its_frequency(frequency):
    """Also where the wave does not end at the border, which without a window leaks everywhere."""
    x = torch.arange(33, dtype=torch.float64)
    wave = 0.5 + 0.4 * torch.cos(2 * torch.pi * frequency * x + 0.3)
    for images in (wave.expand(1, 2, 33, 33), wave[:, None].expand(1, 2, 33, 33)):
        above, energy = spectral_energy(images)
        assert (above / energy).item() == pytest.approx(float(frequency > 0.4), abs=0.01)


def test_energy_is_that_of_the_windowed_image_without_its_mean():
    """Parseval: the whole energy is a sum over pixels."""
    image = random_images(1, 1, 12, 12).double()
    hann = np.outer(np.hanning(12), np.hanning(12))
    pixels = image[0, 0].numpy()
    windowed = (pixels - np.average(pixels, weights=hann)) * hann
    assert spectral_energy(image)[1].item() == pytest.approx(144 * np.square(windowed).sum())
    torch.testing.assert_close(spectral_energy(image + 3)[1], spectral_energy(image)[1])


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_excess_bce_is_the_divergence_of_pixels_in_either_range(pixel_range):
    """KL(Bernoulli(x) || Bernoulli(x_hat)), summed over pixels."""
    pixels = (random_images(4, 1, 6, 6) * 255).byte()
    players = material(pixels, pixel_range=pixel_range, pbp="mse").players
    logits = 3 * random_images(4, 1, 6, 6, seed=1) - 1
    x = pixels / 255
    p = (players.pixels(logits) + 1) / 2 if pixel_range == "pm1" else players.pixels(logits)
    bernoulli = torch.distributions.Bernoulli
    expected = torch.distributions.kl_divergence(bernoulli(x), bernoulli(p)).sum() / 4
    shown = 2 * x - 1 if pixel_range == "pm1" else x
    torch.testing.assert_close(excess_bce(players, logits, shown), expected)


class Blurring(nn.Module):
    """A decoder that draws the images it was given, each pixel the mean of 3 x 3."""

    def __init__(self, pixels: torch.Tensor):
        super().__init__()
        blurred = nn.functional.avg_pool2d(pixels / 255, 3, stride=1, padding=1, count_include_pad=False)
        self.logits = blurred.logit(eps=1e-6)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(z)]


def test_a_blurred_reconstruction_is_less_sharp_with_its_edges_in_place():
    noise = np.random.default_rng(0).random((128, 1, 16, 16))
    pixels = (ndimage.gaussian_filter(noise, (0, 0, 1, 1)) * 255).astype(np.uint8)
    looked_at = material(torch.from_numpy(pixels), batch_size=128)
    looked_at.players.decoder = Blurring(looked_at.originals)
    section = evaluate_reconstruction(looked_at)
    original = pixels / 255
    blurred = torch.sigmoid(looked_at.players.decoder.logits).numpy()
    edges = [
        [np.hypot(*(ndimage.sobel(image[0], axis, mode="nearest") for axis in (0, 1))) for image in images]
        for images in (original, blurred)
    ]
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(*edges, strict=True)]
    squared = np.square(original - blurred).mean((1, 2, 3))
    assert section.values["mse"] == pytest.approx(squared.mean(), rel=1e-4)
    assert section.values["psnr"] == pytest.approx((-10 * np.log10(squared)).mean(), rel=1e-4)
    assert section.values["sharpness"] == pytest.approx(np.mean(edges[1]) / np.mean(edges[0]), rel=1e-4)
    assert section.values["edge_correlation"] == pytest.approx(np.mean(correlations), rel=1e-4)
    cross_entropy = -(original * np.log(blurred) + (1 - original) * np.log1p(-blurred)).sum() / 128
    assert section.values["pbp"] == pytest.approx(cross_entropy, rel=1e-5)
    assert 0 < section.values["excess_bce"] < cross_entropy
    assert 0.1 < section.values["sharpness"] < 0.9


def test_high_frequencies_are_compared_where_originals_have_some():
    noise = (random_images(100, 3, 16, 16) * 255).byte()
    section = evaluate_reconstruction(material(noise))
    assert 0 <= section.values["high_frequency_ratio"] < 0.1  # an untrained decoder draws in grey
    assert section.warnings == []


def test_enlarged_images_have_no_high_frequencies_to_compare():
    small = random_images(100, 1, 4, 4)
    enlarged = nn.functional.interpolate(small, size=16, mode="bicubic").clamp(0, 1)
    section = evaluate_reconstruction(material((enlarged * 255).byte()))
    assert section.values["high_frequency_ratio"] is None
    assert "enlarged" in section.warnings[0]


def test_tint_is_the_largest_difference_of_a_channels_mean():
    images = torch.randint(0, 200, (5, 3, 4, 4), dtype=torch.uint8)
    redder = images.clone()
    redder[:, 0] += 20
    redder[:, 2] += 5
    assert tint(images, redder) == pytest.approx(20) == tint(redder, images)
    assert tint(images, images.flip(0)) == 0  # of all images together
    assert evaluate_reconstruction(given := material(images)).values["tint"] == tint(
        images, given.reconstructions
    )


@pytest.mark.parametrize("level", [0, 255])
def test_plain_images_have_no_sharpness(level):
    section = evaluate_reconstruction(material(torch.full((3, 1, 8, 8), level, dtype=torch.uint8)))
    for name in ("sharpness", "edge_correlation", "high_frequency_ratio"):
        assert section.values[name] is None
    assert section.protocol["edge_correlation"].endswith(": 3")
    assert "3 images only" in section.warnings[0]
    json.dumps(section.to_dict(), allow_nan=False)


@pytest.mark.parametrize("side", [1, 2, 5])
def test_tiny_images_are_measured_too(side):
    section = evaluate_reconstruction(material((random_images(4, 1, side, side) * 255).byte()))
    json.dumps(section.to_dict(), allow_nan=False)
    assert set(section.values) == set(section.meanings)
    assert f"{side} x {side} pixels" in section.protocol["ssim"] or side == 2


def test_a_gan_reconstructs_nothing():
    pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    config = resolved(make_config({"gan": "dense", "disc": "dense", "latent_dim": 2}), 8)
    players = build_players(config, (1, 8, 8)).eval()
    trained = in_memory(config, players, (1, 8, 8))
    assert evaluate_reconstruction(Material(trained, Images(pixels), Images(pixels))) is None


def test_what_is_measured_is_decoded_from_the_posteriors_mean():
    """Of a posterior whose samples differ by 1 from its mean, which every pixel shows."""

    class Posterior(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 2), 0.5), torch.zeros(len(x), 2)

    class Drawn(nn.Module):
        def forward(self, z):
            return z[:, :1, None, None].expand(-1, 1, 8, 8)

    pixels = torch.full((40, 1, 8, 8), 200, dtype=torch.uint8)
    looked_at = material(pixels, pbp="mse")
    looked_at.players.encoder, looked_at.players.decoder = Posterior(), Drawn()
    error = (1 / (1 + np.exp(-0.5)) - 200 / 255) ** 2
    values = evaluate_reconstruction(looked_at).values
    assert values["mse"] == pytest.approx(error, rel=1e-4)
    assert values["pbp"] == pytest.approx(64 * error, rel=1e-4)
    assert set(looked_at.reconstructions.unique().tolist()) == {round(255 / (1 + np.exp(-0.5)))}
