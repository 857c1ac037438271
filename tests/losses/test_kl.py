import pytest
import torch
from torch.distributions import Normal, kl_divergence

from vaegan.losses.kl import kl_to_standard_normal


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
