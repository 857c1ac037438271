"""Random changes to training images, on their device, through kornia.

A function registered here returns a module that maps images [B, C, H, W] in [0, 1] to images of the same
shape and range. Each image gets its own random change. The function's argument, if it has one, is the
strength that a user may set: `rotate:20`. Areas left empty by a rotation or a shift are filled by
reflection.
"""

import inspect
import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from vaegan.registry import Registry

AUGMENTATIONS = Registry("augmentation")
register_augmentation = AUGMENTATIONS.register


def build_augmentation(names: Sequence[str]) -> nn.Sequential:
    """The augmentations of those names ("hflip", "rotate:20"), applied in order.

    Raises: ValueError for an unknown name, and for a strength that is out of range or cannot be set.
    """
    return nn.Sequential(*[_build(name) for name in names], *([UnitRange()] if names else []))


class UnitRange(nn.Module):
    """Clips to [0, 1]: interpolation may overshoot by a rounding error, which no cross-entropy accepts."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(0, 1)


def _build(given: str) -> nn.Module:
    name, colon, strength = given.partition(":")
    function, _ = AUGMENTATIONS.find(name)
    if not colon:
        return function()
    if not inspect.signature(function).parameters:
        raise ValueError(f"{name} has no strength to set")
    try:
        value = float(strength)
    except ValueError:
        value = math.nan  # refused below with the range
    try:
        return function(value)
    except ValueError as error:
        raise ValueError(f"{given}: {error}") from None


@register_augmentation("hflip")
def horizontal_flip() -> nn.Module:
    """Flips half of the images from left to right."""
    from kornia.augmentation import RandomHorizontalFlip

    return RandomHorizontalFlip(p=0.5)


@register_augmentation("vflip")
def vertical_flip() -> nn.Module:
    """Flips half of the images upside down."""
    from kornia.augmentation import RandomVerticalFlip

    return RandomVerticalFlip(p=0.5)


@register_augmentation("rotate")
def rotation(degrees: float = 10.0) -> nn.Module:
    """Rotates about the centre by up to this many degrees in either direction."""
    _check(degrees, 180)
    return _moved(degrees=degrees)


@register_augmentation("shift")
def shift(share: float = 0.1) -> nn.Module:
    """Shifts along each axis by up to this share of the side."""
    _check(share, 0.5)
    return _moved(translate=(share, share))


@register_augmentation("zoom")
def zoom(share: float = 0.1) -> nn.Module:
    """Enlarges or shrinks by up to this share."""
    _check(share, 0.5)
    return _moved(scale=(1 - share, 1 + share))


@register_augmentation("colour")
class Colour(nn.Module):
    """Multiplies brightness, contrast and, in colour, saturation by factors from 1 - share to 1 + share."""

    def __init__(self, share: float = 0.2):
        from kornia.augmentation import ColorJiggle

        super().__init__()
        _check(share, 1)
        self.grey = ColorJiggle(brightness=share, contrast=share, p=1.0)
        self.coloured = ColorJiggle(brightness=share, contrast=share, saturation=share, p=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.coloured(x) if x.shape[1] == 3 else self.grey(x)


def _moved(**how: Any) -> nn.Module:
    from kornia.augmentation import RandomAffine

    return RandomAffine(**{"degrees": 0.0} | how, padding_mode="reflection", p=1.0)


def _check(strength: float, most: float) -> None:
    if not 0 < strength <= most:
        raise ValueError(f"a strength above 0 and of at most {most:g} is accepted")
