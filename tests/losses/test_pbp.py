"""PBP losses against closed forms and float64 autograd."""

import math

import pytest
import torch
from torch import nn

from vaegan.losses.pbp import PBP_LOSSES, AbsoluteError, BernoulliNLL, GaussianNLL, SquaredError

SHAPE = (4, 3, 5, 5)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(SHAPE, dtype=torch.float64, generator=generator)
    x = torch.rand(SHAPE, dtype=torch.float64, generator=generator)
    return logits, torch.sigmoid(logits), x


@pytest.mark.parametrize(("name", "loss"), list(PBP_LOSSES.entries()))
def test_is_a_sum_over_pixels_and_a_mean_over_the_batch(name, loss, batch):
    loss = loss().double()
    whole = loss(*batch)
    assert whole.shape == ()
    images = [loss(*(part[i : i + 1] for part in batch)) for i in range(len(batch[0]))]
    torch.testing.assert_close(whole, torch.stack(images).mean())
    wider = [torch.cat([part, part], dim=3) for part in batch]
    torch.testing.assert_close(loss(*wider), 2 * whole)


@pytest.mark.parametrize(("name", "loss"), list(PBP_LOSSES.entries()))
def test_gradients_match_finite_differences(name, loss, batch):
    logits, _, x = (part[:1, :1] for part in batch)
    module = loss().double()
    assert torch.autograd.gradcheck(
        lambda logits: module(logits, torch.sigmoid(logits), x), logits.requires_grad_()
    )


def test_bernoulli_is_the_negative_log_likelihood(batch):
    logits, p, x = batch
    expected = -(x * p.log() + (1 - x) * (1 - p).log()).sum() / len(x)
    torch.testing.assert_close(BernoulliNLL()(logits, p, x), expected)


def test_bernoulli_keeps_value_and_gradient_at_extreme_logits():
    logits = torch.tensor([[-200.0, 200.0]], requires_grad=True)
    loss = BernoulliNLL()(logits, torch.sigmoid(logits), torch.tensor([[1.0, 0.0]]))
    loss.backward()
    assert loss.item() == pytest.approx(400)
    assert logits.grad.tolist() == [[-1, 1]]


def test_squared_and_absolute_error_of_hand_made_pixels():
    x_hat = torch.tensor([[0.5, 0.0], [1.0, 1.0]])
    x = torch.tensor([[0.0, 0.0], [0.0, -1.0]])
    assert SquaredError()(x_hat, x_hat, x).item() == (0.25 + 1 + 4) / 2
    assert AbsoluteError()(x_hat, x_hat, x).item() == (0.5 + 1 + 2) / 2


def test_gaussian_is_the_negative_log_density(batch):
    logits, x_hat, x = batch
    loss = GaussianNLL().double()
    with torch.no_grad():
        loss.log_sigma_logit.fill_(-0.7)
    sigma = loss.log_sigma.exp()
    expected = -torch.distributions.Normal(x_hat, sigma).log_prob(x).sum() / len(x)
    torch.testing.assert_close(loss(logits, x_hat, x), expected)


def test_gaussian_learns_the_root_mean_squared_error_as_its_sigma(batch):
    logits, x_hat, x = batch
    loss = GaussianNLL().double()
    optimiser = torch.optim.Adam(loss.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss(logits, x_hat, x).backward()
        optimiser.step()
    rmse = (x_hat - x).square().mean().sqrt()
    assert loss.log_sigma.exp().item() == pytest.approx(rmse.item(), rel=1e-3)


def test_gaussian_sigma_stays_above_its_floor():
    loss = GaussianNLL()
    nn.init.constant_(loss.log_sigma_logit, -1000.0)
    assert loss.log_sigma.item() == pytest.approx(-6)


def test_bernoulli_floor_is_the_loss_of_a_perfect_reconstruction():
    images = torch.randint(
        0, 256, (6, 1, 7, 7), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    x = images.double() / 255
    logits = torch.logit(x).clamp(-60, 60)
    floor = BernoulliNLL.floor(x).item()
    assert BernoulliNLL.floor(images).item() == pytest.approx(floor)
    assert floor == pytest.approx(BernoulliNLL()(logits, x, x).item())
    assert floor > 0


def test_bernoulli_floor_of_black_and_white_is_zero_and_of_middle_grey_log_2_a_pixel():
    black_and_white = torch.tensor([0, 255], dtype=torch.uint8).repeat(8).reshape(2, 1, 2, 4)
    assert BernoulliNLL.floor(black_and_white / 255) == 0
    grey = torch.full((3, 1, 2, 2), 127, dtype=torch.uint8)
    assert BernoulliNLL.floor(grey / 255).item() == pytest.approx(4 * math.log(2), rel=1e-4)
