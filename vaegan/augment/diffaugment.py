"""DiffAugment: random changes to what the discriminator sees, with gradients through them, by kornia.

A class registered here takes x [B, C, H, W] in [-1, 1] to the same shape and dtype, each image changed by a
draw of its own; what is left empty is 0, a mid-grey. All are affine in x and clip nothing, so that colours
may leave the range and gradients of any order are exact. They hold no state. Draws come from torch's global
generator on the CPU, wherever x is, so that a seed means the same changes on every device.

Source: Zhao et al., Differentiable Augmentation for Data-Efficient GAN Training (arXiv 2006.10738), and its
DiffAugment_pytorch.py (mit-han-lab/data-efficient-gans), whose strengths and rounding these are.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaegan.registry import Registry

DIFFAUGMENTS = Registry("DiffAugment policy")
register_diffaugment = DIFFAUGMENTS.register


def build_diffaugment(names: Sequence[str]) -> nn.Sequential:
    """The policies of those names ("colour", "cutout"), one after the other; none leaves x as it is.

    Raises: ValueError for an unknown name.
    """
    return nn.Sequential(*[DIFFAUGMENTS.find(name)[0]() for name in names])


@register_diffaugment("colour")
class Colour(nn.Module):
    """Brightness shifted by up to 0.5, contrast times 0.5 to 1.5, saturation, in colour, times 0 to 2."""

    def forward(self, x: Tensor) -> Tensor:
        from kornia.enhance import adjust_brightness

        brightness, saturation, contrast = torch.rand(3, len(x))
        x = adjust_brightness(x, brightness - 0.5, clip_output=False)
        if x.shape[1] == 3:
            x = _spread(x, x.mean(1, keepdim=True), 2 * saturation)  # about each pixel's own grey
        return _spread(x, x.mean((1, 2, 3), keepdim=True), contrast + 0.5)  # about each image's mean


def _spread(x: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    """x with its distance from `centre` times `factor` [B]; kornia's own ways to do this clip to [0, 1]."""
    from kornia.enhance import adjust_contrast

    return centre + adjust_contrast(x - centre, factor, clip_output=False)


@register_diffaugment("translation")
class Translation(nn.Module):
    """Moved by whole pixels, up to about an eighth of the side along each axis; what is left empty is 0.

    A random crop of the padded image: slices interpolate nothing, and their gradients can be differentiated
    again, as penalties on them demand; those of grid_sample, behind kornia's translate, not in every torch.
    """

    def forward(self, x: Tensor) -> Tensor:
        from kornia.augmentation import RandomCrop

        height, width = x.shape[2:]
        padding = (width + 4) // 8, (height + 4) // 8  # left and right, top and bottom
        return RandomCrop((height, width), padding=padding, cropping_mode="slice", p=1.0)(x)


@register_diffaugment("cutout")
class Cutout(nn.Module):
    """A square of half the side set to 0, its centre anywhere in the image: some of it may lie outside."""

    def forward(self, x: Tensor) -> Tensor:
        from kornia.augmentation import RandomErasing

        height, width = x.shape[2:]
        top, left = height // 4, width // 4
        # kornia's squares lie inside: this one in a mask of 3/2 the side, of which it takes a ninth
        erase = RandomErasing(scale=(1 / 9, 1 / 9), ratio=(1.0, 1.0), value=0.0, p=1.0)
        mask = erase(x.new_ones(len(x), 1, height + 2 * top, width + 2 * left))
        return x * mask[:, :, top : top + height, left : left + width]
