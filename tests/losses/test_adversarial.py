import math

import pytest
import torch
import torch.nn.functional as F

from vaegan.losses import adversarial


@pytest.fixture
def logits():
    return torch.randn(16, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 5


def test_is_binary_cross_entropy_with_originals_as_1_and_fakes_as_0(logits):
    ones, zeros = torch.ones_like(logits), torch.zeros_like(logits)
    bce = F.binary_cross_entropy_with_logits
    torch.testing.assert_close(adversarial.disc_real(logits), bce(logits, ones))
    torch.testing.assert_close(adversarial.disc_fake(logits), bce(logits, zeros))
    torch.testing.assert_close(adversarial.gen(logits), bce(logits, ones))


def test_a_draw_costs_the_discriminator_twice_log_2():
    zeros = torch.zeros(4)
    assert (adversarial.disc_real(zeros) + adversarial.disc_fake(zeros)).item() == pytest.approx(
        adversarial.DRAW
    )
    assert pytest.approx(2 * math.log(2)) == adversarial.DRAW


def test_the_generator_keeps_its_gradient_when_it_is_seen_through():
    logits = torch.tensor([-80.0], requires_grad=True)
    adversarial.gen(logits).backward()
    assert logits.grad.item() == pytest.approx(-1)


@pytest.mark.parametrize("loss", [adversarial.disc_real, adversarial.disc_fake, adversarial.gen])
def test_gradients_match_finite_differences(loss, logits):
    assert torch.autograd.gradcheck(loss, logits[:4].requires_grad_())
