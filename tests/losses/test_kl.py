from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from vaegan.losses.kl import free_bits_figures, kl, kl_to_standard_normal, kl_with_free_bits


def test_matches_torch_distributions():
    generator = torch.Generator().manual_seed(0)
    mu, logvar = torch.randn(2, 7, 5, dtype=torch.float64, generator=generator)
    posterior = Normal(mu, torch.exp(0.5 * logvar))
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(kl_to_standard_normal(mu, logvar), expected)


def test_is_zero_at_the_prior_alone():
    zeros = torch.zeros(3, 4)
    assert kl_to_standard_normal(zeros, zeros) == 0
    assert kl_to_standard_normal(zeros + 0.1, zeros) > 0
    assert kl_to_standard_normal(zeros, zeros - 0.1) > 0


def test_hand_made_value():
    # half the squared mean, for each of 2 latents; the variance is the prior's
    assert kl_to_standard_normal(torch.tensor([[1.0, 3.0]]), torch.zeros(1, 2)).item() == pytest.approx(5)


def test_gradient_matches_finite_differences():
    mu, logvar = torch.randn(2, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.autograd.gradcheck(kl_to_standard_normal, (mu.requires_grad_(), logvar.requires_grad_()))


# Free bits


def test_a_floor_holds_for_the_batch_mean_of_each_latent():
    # the divergence is half the squared mean: batch means of 2.5, 0.25 and 0 nats
    mu = torch.tensor([[1.0, 1.0, 0.0], [3.0, 0.0, 0.0]])
    logvar = torch.zeros(2, 3)
    expected = {0.0: 2.75, 0.1: 2.85, 0.25: 3.0, 1.0: 4.5, 5.0: 15.0}
    for free_bits, value in expected.items():
        assert kl_with_free_bits(mu, logvar, free_bits).item() == pytest.approx(value)


def posterior(n=6, latents=5):
    """Means and log variances, latents of growing divergence, that need gradients, in float64."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.1, 2, latents, dtype=torch.float64)
    mu, logvar = torch.randn(2, n, latents, dtype=torch.float64, generator=generator)
    return (scale * mu).requires_grad_(), (0.5 * scale * logvar).requires_grad_()


@pytest.mark.parametrize("free_bits", [0.05, 0.5, 100.0])
def test_the_terms_gradient_is_that_of_the_loss_with_free_bits_and_its_value_the_divergence(free_bits):
    mu, logvar = posterior()
    term = kl(SimpleNamespace(posterior=(mu, logvar)), free_bits=free_bits)
    assert term.item() == kl_to_standard_normal(mu, logvar).item()
    found = torch.autograd.grad(3 * term, (mu, logvar))
    per_latent = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).mean(0)
    by_hand = 3 * sum(max(torch.tensor(free_bits).double(), mean) for mean in per_latent)
    if by_hand.requires_grad:
        torch.testing.assert_close(found, torch.autograd.grad(by_hand, (mu, logvar)))
    under = per_latent < free_bits
    assert under.sum() > 0
    for gradient in found:
        assert (gradient[:, under] == 0).all() and (gradient[:, ~under] != 0).all()
    assert free_bits_figures(SimpleNamespace(posterior=(mu, logvar)), {}, free_bits=free_bits) == {
        "kl_free": kl_with_free_bits(mu, logvar, free_bits)
    }


def test_without_free_bits_the_term_is_the_divergence():
    mu, logvar = posterior()
    views = SimpleNamespace(posterior=(mu, logvar))
    expected = torch.autograd.grad(kl_to_standard_normal(mu, logvar), (mu, logvar))
    for term in (kl(views), kl(views, free_bits=0.0)):
        assert all(map(torch.equal, torch.autograd.grad(term, (mu, logvar)), expected))
