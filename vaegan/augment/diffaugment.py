"""DiffAugment: differentiable random changes to the discriminator input, by kornia.

A class registered here maps x [B, C, H, W] in [-1, 1] to the same shape and dtype. Each image gets its own
random change; empty areas are filled with 0, a mid-grey. All changes are affine in x and clip nothing, so
colours may leave the range and gradients of any order are exact. They hold no state. Random numbers come
from torch's global generator on the CPU, wherever x is, so that a seed gives the same changes on every
device.
Source: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (arXiv 2006.10738), and its
DiffAugment_pytorch.py (mit-han-lab/data-efficient-gans); strengths and rounding are taken from there.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.registry import Registry

DIFFAUGMENTS = Registry("DiffAugment policy")
register_diffaugment = DIFFAUGMENTS.register


def build_diffaugment(names: Sequence[str]) -> nn.Sequential:
    """The policies of those names ("colour", "cutout"), applied in order; without names x stays as it is.

    Raises: ValueError for an unknown name.
    """
    return nn.Sequential(*[DIFFAUGMENTS.find(name)[0]() for name in names])


@register_diffaugment("colour")
class Colour(nn.Module):
    """Brightness shifted by up to 0.5, contrast times 0.5 to 1.5 and, in colour, saturation times 0 to 2."""

    def forward(self, x: Tensor) -> Tensor:
        from kornia.enhance import adjust_brightness

        brightness, saturation, contrast = torch.rand(3, len(x))
        x = adjust_brightness(x, brightness - 0.5, clip_output=False)
        if x.shape[1] == 3:
            x = _spread(x, x.mean(1, keepdim=True), 2 * saturation)  # about each pixel's own grey
        return _spread(x, x.mean((1, 2, 3), keepdim=True), contrast + 0.5)  # about each image's mean


def _spread(x: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    """Multiplies the distance of x from `centre` by `factor` [B]. kornia's versions would clip to [0, 1]."""
    from kornia.enhance import adjust_contrast

    return centre + adjust_contrast(x - centre, factor, clip_output=False)


@register_diffaugment("translation")
class Translation(nn.Module):
    """Shifts by whole pixels, up to about an eighth of the side along each axis; empty areas become 0.

    It picks rows and columns of the padded image, so nothing is interpolated, and its gradients can be
    differentiated again, as gradient penalties need. For grid_sample, which kornia's translate uses, not
    every version of torch can do this; its crop by slices goes through the images one by one.
    """

    def forward(self, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        across, down = (width + 4) // 8, (height + 4) // 8
        rows = torch.randint(2 * down + 1, (n, 1)) + torch.arange(height)
        columns = torch.randint(2 * across + 1, (n, 1)) + torch.arange(width)
        padded = F.pad(x, (across, across, down, down))
        rows = rows.to(x.device)[:, None, :, None].expand(-1, channels, -1, padded.shape[3])
        columns = columns.to(x.device)[:, None, None, :].expand(-1, channels, height, -1)
        return padded.gather(2, rows).gather(3, columns)


@register_diffaugment("cutout")
class Cutout(nn.Module):
    """Sets a square of half the side to 0. Its centre is anywhere in the image, so part may lie outside."""

    def forward(self, x: Tensor) -> Tensor:
        from kornia.augmentation import RandomErasing

        height, width = x.shape[2:]
        top, left = height // 4, width // 4
        # kornia's squares lie inside the image: use a mask of 3/2 the side, a ninth of which is the square
        erase = RandomErasing(scale=(1 / 9, 1 / 9), ratio=(1.0, 1.0), value=0.0, p=1.0)
        mask = erase(x.new_ones(len(x), 1, height + 2 * top, width + 2 * left))
        return x * mask[:, :, top : top + height, left : left + width]
