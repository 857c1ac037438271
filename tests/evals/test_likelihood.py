"""Bounds on the likelihood against a linear-Gaussian VAE, whose likelihood and posterior are known."""

import json
import math

import pytest
import torch
from in_memory import in_memory, material
from torch import nn
from torch.distributions import Bernoulli, MultivariateNormal, Normal, kl_divergence

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets.base import Images
from vaegan.evals.likelihood import (
    as_observed,
    bits_per_dim,
    decoder_log_likelihood,
    evaluate_likelihood,
    iw_bound,
    level_width,
    log_weights,
)
from vaegan.evals.material import Material
from vaegan.losses.pbp import BernoulliNLL, GaussianNLL, SquaredError


class LinearGaussian:
    """x = W z + b + sigma * noise in float64 (probabilistic PCA), and copies of four images of six pixels.

    The columns of W are orthogonal, so that latents are independent given x, as in a VAE's posterior.
    """

    def __init__(self, copies: int = 1):
        generator = torch.Generator().manual_seed(0)
        columns = torch.linalg.qr(torch.randn(6, 3, dtype=torch.float64, generator=generator))[0]
        lengths = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
        self.weight, self.sigma = columns * lengths, 0.7
        self.bias = torch.randn(6, dtype=torch.float64, generator=generator)
        self.x = torch.randn(4, 6, dtype=torch.float64, generator=generator).repeat_interleave(copies, 0)
        covariance = self.weight @ self.weight.T + self.sigma**2 * torch.eye(6, dtype=torch.float64)
        self.log_p = MultivariateNormal(self.bias, covariance).log_prob(self.x)
        variance = 1 / (1 + lengths.square() / self.sigma**2)
        self.mu = variance * ((self.x - self.bias) @ self.weight) / self.sigma**2
        self.logvar = variance.log().expand_as(self.mu)

    def log_likelihood(self, z: torch.Tensor) -> torch.Tensor:
        return Normal(z @ self.weight.T + self.bias, self.sigma).log_prob(self.x).sum(1)

    def log_weights(self, mu: torch.Tensor, logvar: torch.Tensor, n_samples: int) -> torch.Tensor:
        return log_weights(mu, logvar, self.log_likelihood, n_samples, torch.Generator().manual_seed(1))


@pytest.mark.parametrize("n_samples", [1, 7])
def test_with_the_exact_posterior_both_bounds_are_the_likelihood(n_samples):
    model = LinearGaussian()
    weights = model.log_weights(model.mu, model.logvar, n_samples)
    assert weights.dtype == torch.float64
    torch.testing.assert_close(weights, model.log_p[:, None].expand(4, n_samples))
    torch.testing.assert_close(iw_bound(weights), model.log_p)


def test_with_a_wrong_posterior_the_elbo_is_below_by_the_divergence_and_more_samples_close_the_gap():
    model = LinearGaussian(copies=40)
    mu, logvar = model.mu + 0.3, model.logvar + 0.5
    exact = Normal(model.mu, torch.exp(0.5 * model.logvar))
    gap = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), exact).sum(1)
    weights = model.log_weights(mu, logvar, 500).reshape(4, 20_000)
    log_p, gap = model.log_p[::40], gap[::40]
    torch.testing.assert_close(weights.mean(1), log_p - gap, atol=0.03, rtol=0)
    bounds = [weights.mean(1)]
    for n_samples in (4, 50, 20_000):
        groups = weights.reshape(-1, n_samples)
        bounds.append(iw_bound(groups).reshape(4, -1).mean(1))
        assert (bounds[-1] > bounds[-2]).all()
    assert (bounds[2] < log_p).all()
    torch.testing.assert_close(bounds[-1], log_p, atol=0.03, rtol=0)


def test_a_bound_of_very_unlikely_images_does_not_overflow():
    weights = torch.tensor([[-20_000.0, -20_000.0 + math.log(3)]], dtype=torch.float64)
    assert iw_bound(weights).item() == pytest.approx(-20_000 + math.log(2))


def test_bits_per_dim_of_levels_told_from_noise_as_wide_as_they_are():
    """256 levels, all as likely: 8 bits. Their noise has a density of 1 / (256 widths)."""
    nll_of_one = math.log(2 * 256 / 255)
    assert bits_per_dim(3 * nll_of_one, 3, level_width("pm1")) == pytest.approx(8)
    assert bits_per_dim(12 * math.log(2), 4) == pytest.approx(3)
    assert (level_width("01"), level_width("pm1")) == pytest.approx((1 / 255, 2 / 255))


def levels(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_density_is_that_of_images_under_noise_within_their_level():
    images = levels(50, 3, 8, 8)
    observed, _ = as_observed(images, GaussianNLL(), torch.Generator().manual_seed(0))
    off = observed * 255 - images
    assert off.abs().max() < 0.501  # float32
    assert off.mean().item() == pytest.approx(0, abs=0.02)
    assert off.var().item() == pytest.approx(1 / 12, rel=0.05)
    assert torch.equal((observed * 255).round(), images.float())


def test_grey_images_are_binarised_for_a_likelihood_of_black_and_white():
    images = torch.tensor([0, 51, 204, 255], dtype=torch.uint8).repeat(500, 1, 1, 1)
    observed, how = as_observed(images, BernoulliNLL(), torch.Generator().manual_seed(0))
    assert set(observed.unique().tolist()) == {0, 1}
    assert observed.mean((0, 1, 2)).tolist() == pytest.approx([0, 0.2, 0.8, 1], abs=0.05)
    assert "binarised" in how


def test_black_and_white_images_are_taken_as_they_are():
    images = (levels(5, 3, 4, 4) > 127).byte() * 255
    observed, how = as_observed(images, BernoulliNLL(), torch.Generator())
    assert torch.equal(observed, images / 255)
    assert "as stored" in how


class Silent(nn.Module):
    """A plug-in that does not say what it is."""

    def forward(self, logits, x_hat, x):
        return (x_hat - x).abs().sum() / len(x)


@pytest.mark.parametrize(
    ("loss", "images"),
    [
        (BernoulliNLL(), levels(2, 3, 4, 4)),
        (SquaredError(), levels(2, 1, 4, 4)),
        (Silent(), levels(2, 1, 4, 4)),
    ],
)
def test_there_is_no_likelihood_of_coloured_pixels_nor_by_an_error(loss, images):
    assert as_observed(images, loss, torch.Generator())[0] is None


@pytest.mark.parametrize("options", [{}, {"pbp": "gaussian", "pixel_range": "pm1"}, {"pbp": "gaussian"}])
def test_the_decoders_log_likelihood_is_that_of_each_image(options):
    looked_at = material(levels(5, 1, 6, 6), **options)
    players = looked_at.players
    z, images = torch.randn(5, 2, generator=torch.Generator().manual_seed(0)), levels(5, 1, 6, 6) / 255
    found = decoder_log_likelihood(looked_at, images)(z)
    logits = players.decode(z)
    if options:
        x = 2 * images - 1 if players.pixel_range == "pm1" else images
        expected = Normal(players.pixels(logits), players.pbp.log_sigma.exp()).log_prob(x)
    else:
        expected = Bernoulli(logits=logits, validate_args=False).log_prob(images)
    torch.testing.assert_close(found, expected.sum((1, 2, 3)).double(), rtol=1e-5, atol=1e-4)


class Prior(nn.Module):
    """An encoder that tells nothing: each posterior is the prior."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return torch.zeros(len(x), 2), torch.zeros(len(x), 2)


class Ignorant(nn.Module):
    """A decoder that draws every z the same, so that log p(x) is known."""

    def __init__(self, logits: torch.Tensor):
        super().__init__()
        self.logits = logits

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(len(z), *self.logits.shape)


def ignorant(pixels: torch.Tensor, logit: float, **options) -> Material:
    looked_at = material(pixels, **options)
    looked_at.players.encoder = Prior()
    looked_at.players.decoder = Ignorant(torch.full(pixels.shape[1:], logit))
    return looked_at


def test_without_use_of_its_latents_a_binary_vae_has_the_pixels_own_likelihood():
    """All pixels white with a probability of 0.25: a closed form for every bound."""
    pixels = (levels(450, 1, 4, 4) > 127).byte() * 255
    section = evaluate_likelihood(ignorant(pixels, math.log(0.25 / 0.75)))
    white = (pixels == 255).float()
    each = -(white * math.log(0.25) + (1 - white) * math.log(0.75)).sum((1, 2, 3))
    whole, first = each.mean().item(), each[:400].mean().item()
    values = section.values
    assert (values["pbp"], values["kl"], values["bound"]) == pytest.approx((whole, 0, whole), rel=1e-5)
    assert (values["nll_bound"], values["iw_bound"]) == pytest.approx((first, first), rel=1e-5)
    assert values["iw_standard_error"] == pytest.approx(each[:400].std().item() / 20, rel=0.01)
    assert values["bits_per_dim"] == pytest.approx(first / 16 / math.log(2), rel=1e-5)
    assert section.meanings["bound"].text.endswith("minus the ELBO")
    assert section.protocol["likelihood_images"] == "the first 400"
    assert set(values) == set(section.meanings)


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_a_gaussian_as_wide_as_all_levels_takes_as_many_bits_in_either_range(pixel_range):
    """Around middle grey with a sigma of 100 levels: bits by the density at each level."""
    pixels = levels(100, 1, 8, 8)
    looked_at = ignorant(pixels, 0.0, pbp="gaussian", pixel_range=pixel_range)
    sigma = 100 * (2 if pixel_range == "pm1" else 1) / 255
    log_sigma = torch.tensor(math.log(sigma), dtype=torch.float64)
    looked_at.players.pbp.log_sigma_logit.fill_(torch.log(torch.expm1(log_sigma + 6)) - 6)
    section = evaluate_likelihood(looked_at)
    expected = -Normal(127.5, 100.0).log_prob(pixels.double()).mean().item() / math.log(2)
    assert section.values["bits_per_dim"] == pytest.approx(expected, abs=1e-3)
    assert section.values["iw_bound"] == pytest.approx(section.values["nll_bound"])


def test_the_bounds_of_a_vae_are_in_order_and_repeat():
    found = [evaluate_likelihood(material(levels(120, 1, 8, 8), pbp="gaussian")).values for _ in range(2)]
    assert found[0] == found[1]
    assert found[0]["bound"] == pytest.approx(found[0]["pbp"] + found[0]["kl"])
    assert found[0]["iw_bound"] < found[0]["nll_bound"]


def test_the_elbos_parts_are_those_of_samples_of_the_posterior():
    """Not of its mean: a decoder that draws the first latent tells them apart."""
    looked_at = material(torch.full((300, 1, 1, 1), 255, dtype=torch.uint8), pbp="mse")

    class Drawn(nn.Module):
        def forward(self, z):
            return z[:, :1, None, None]

    class Posterior(nn.Module):
        def forward(self, x):
            return torch.full((len(x), 2), 0.5), torch.full((len(x), 2), -1.0)

    looked_at.players.encoder, looked_at.players.decoder = Posterior(), Drawn()
    values = evaluate_likelihood(looked_at).values
    posterior = Normal(torch.tensor(0.5), torch.tensor(-0.5).exp())
    z = posterior.icdf(torch.linspace(0.0005, 0.9995, 1000))
    assert values["pbp"] == pytest.approx((1 - z.sigmoid()).square().mean().item(), rel=0.07)
    assert values["kl"] == pytest.approx(2 * kl_divergence(posterior, Normal(0.0, 1.0)).item(), rel=1e-5)


@pytest.mark.parametrize(
    ("channels", "options", "has_likelihood", "is_bound"),
    [
        (1, {}, True, False),  # grey: the likelihood is that of binarised images, not of these
        (3, {}, False, False),
        (3, {"pbp": "gaussian"}, True, True),
        (1, {"pbp": "mse"}, False, False),
        (1, {"pbp": "l1"}, False, False),
    ],
)
def test_what_is_no_likelihood_is_not_called_one(channels, options, has_likelihood, is_bound):
    section = evaluate_likelihood(material(levels(100, channels, 8, 8), **options))
    json.dumps(section.to_dict(), allow_nan=False)
    figures = [section.values[name] for name in ("nll_bound", "iw_bound", "bits_per_dim")]
    assert [figure is not None for figure in figures] == [has_likelihood] * 3
    assert bool(section.warnings) == (not has_likelihood)
    assert section.protocol["likelihood"].startswith("none") == (not has_likelihood)
    assert ("not a bound" in section.meanings["bound"].text) == (not is_bound)


def test_few_images_are_warned_about_and_a_gan_has_no_likelihood():
    assert "5 images only" in evaluate_likelihood(material(levels(5, 1, 8, 8))).warnings[0]
    config = resolved(make_config({"gan": "dense", "disc": "dense", "latent_dim": 2}), 8)
    players = build_players(config, (1, 8, 8)).eval()
    trained = in_memory(config, players, (1, 8, 8))
    images = Images(levels(5, 1, 8, 8))
    assert evaluate_likelihood(Material(trained, images, images)) is None
