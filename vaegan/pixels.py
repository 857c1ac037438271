"""The value ranges of pixels; the only file that defines them.

Images are uint8 on disk and in memory, in the model's range ("01": [0, 1] behind a sigmoid, "pm1":
[-1, 1] behind a tanh) in the networks and the losses, and in [0, 1] in every figure and metric.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

PixelRange = Literal["01", "pm1"]
INTERVALS = {"01": "[0, 1]", "pm1": "[-1, 1]"}


def from_uint8(images: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> float32 in [0, 1]."""
    return images.float().div_(255)


def to_uint8(images: Tensor) -> Tensor:
    """Images in [0, 1] -> uint8, rounded as in a PNG file."""
    return images.mul(255).round().clamp(0, 255).byte()


def to_model_range(images: Tensor, pixel_range: PixelRange) -> Tensor:
    """uint8 [B, C, H, W], or float32 in [0, 1] -> float32 in the model's range."""
    x = from_uint8(images) if images.dtype == torch.uint8 else images
    return x if pixel_range == "01" else x.mul(2).sub_(1)


def output_activation(logits: Tensor, pixel_range: PixelRange) -> Tensor:
    """A decoder's pixel logits -> pixels in the model's range."""
    return torch.sigmoid(logits) if pixel_range == "01" else torch.tanh(logits)


def activation_slope(logits: Tensor, pixel_range: PixelRange) -> Tensor:
    """The derivative of `output_activation` at the pixel logits, without cancellation where it is near 0."""
    if pixel_range == "01":
        return torch.sigmoid(logits) * torch.sigmoid(-logits)
    return 4 * torch.sigmoid(2 * logits) * torch.sigmoid(-2 * logits)  # tanh(l) = 2 sigmoid(2 l) - 1


def to_unit_range(x: Tensor, pixel_range: PixelRange) -> Tensor:
    """Pixels in the model's range -> [0, 1], for figures and metrics."""
    return x if pixel_range == "01" else (x + 1) / 2


def in_8bit(x: Tensor, pixel_range: PixelRange) -> Tensor:
    """Pixels in the model's range -> the same, rounded to 8-bit levels; gradients pass as if they were not.

    8-bit images come back bit for bit. Source: the straight-through estimator of Bengio et al., Estimating
    or Propagating Gradients Through Stochastic Neurons (arXiv 1308.3432), section 4.
    """
    levels = to_unit_range(x.detach(), pixel_range).mul(255).round().clamp(0, 255)
    rounded = to_model_range(levels.div(255), pixel_range)
    return rounded + (x - x.detach())  # adds exact zeros


def in_model_range(change: Callable[[Tensor], Tensor], pixel_range: PixelRange) -> Callable[[Tensor], Tensor]:
    """Turns a change of images in [-1, 1] into one of images in the model's range."""
    return change if pixel_range == "pm1" else lambda x: (change(x.mul(2).sub(1)) + 1) / 2
