import pytest
import torch

from vaegan.pixels import in_8bit, in_model_range, output_activation, to_model_range, to_unit_range

IMAGES = torch.tensor([[0, 51, 255]], dtype=torch.uint8)


@pytest.mark.parametrize(("pixel_range", "expected"), [("01", [0, 0.2, 1]), ("pm1", [-1, -0.6, 1])])
def test_model_range(pixel_range, expected):
    x = to_model_range(IMAGES, pixel_range)
    assert x.dtype == torch.float32
    assert x[0].tolist() == pytest.approx(expected)
    assert to_unit_range(x, pixel_range)[0].tolist() == pytest.approx([0, 0.2, 1])


def test_output_activation_is_a_sigmoid_or_a_tanh():
    logits = torch.linspace(-3, 3, 7)
    torch.testing.assert_close(output_activation(logits, "01"), 1 / (1 + (-logits).exp()))
    torch.testing.assert_close(output_activation(logits, "pm1"), logits.tanh())


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_a_change_written_for_the_symmetric_range_is_the_same_in_either(pixel_range):
    x = to_model_range(IMAGES, pixel_range)
    darker = in_model_range(lambda x: x - 0.5, pixel_range)(x)
    assert to_unit_range(darker, pixel_range)[0].tolist() == pytest.approx([-0.25, -0.05, 0.75])


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_8bit_images_keep_every_bit_when_they_are_rounded(pixel_range):
    x = to_model_range(torch.arange(256).byte(), pixel_range)
    assert in_8bit(x, pixel_range).equal(x)


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_pixels_are_rounded_to_the_nearest_level_and_gradients_pass(pixel_range):
    given = torch.tensor([0.4, 0.6, 51.3, 254.9, 260]) / 255
    x = to_model_range(given, pixel_range).requires_grad_()
    rounded = in_8bit(x, pixel_range)
    assert rounded.equal(to_model_range(torch.tensor([0, 1, 51, 255, 255]).byte(), pixel_range))
    (rounded * torch.arange(5.0)).sum().backward()
    assert x.grad.tolist() == [0, 1, 2, 3, 4]
