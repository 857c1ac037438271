import math
from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from vaegan.errors import OptionError
from vaegan.nets.blocks import activation as activation_layer
from vaegan.nets.blocks import conv, widths
from vaegan.nets.blocks import norm as norm_layer
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Norm
from vaegan.nets.pretrained import FrozenNetwork, frozen_network
from vaegan.nets.signed_pixels import SignedPixels

SCALES = 4  # the network's last maps, as in the paper
SMALLEST_INPUT = 64  # pixels a side; below, networks that reduce by 32 would end on one pixel
LOGITS = 4  # a side, of each scale

Network = Annotated[
    str, Field(description="frozen network whose features D judges: efficientnet, random or timm:NAME")
]


@register_discriminator("projected")
class ProjectedDiscriminator(nn.Module):
    """Projected GAN: small trained heads on a frozen network's maps, which fixed random weights mix.

    A head for each of the last four maps gives 4 x 4 logits; together they are one map [B, 16, 4]. The mixing
    weights are drawn with the initial weights, and part of the state; the frozen network is not. Smaller
    images are enlarged to 64 pixels a side, but for the network `random`. The paper's heads have spectral
    norm (--spectral-norm).
    Source: Sauer et al., Projected GANs Converge Faster (arXiv 2111.01007), sections 3.2 and 4.
    """

    slope_in_one_pass = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        network: Network = "efficientnet",
        base_channels: BaseChannels = 32,
        activation: Activation = "leaky_relu",
        norm: Norm = "none",
    ):
        super().__init__()
        channels, size, _ = image_shape
        side = size if network == "random" else max(SMALLEST_INPUT, size)
        self.pixels = SignedPixels()
        # in a tuple, which PyTorch does not look into: nothing that initialises, normalises, synchronises,
        # trains, counts or saves layers finds those of the frozen network
        self._frozen = (frozen_network(network, side, option="network"),)
        shapes = _map_shapes(self._frozen[0], (channels, side, side))
        self.across_channels = nn.ModuleList(_FixedConv(shape[0], base_channels, 1) for shape in shapes)
        self.across_scales = nn.ModuleList(_FixedConv(base_channels, base_channels, 3) for _ in shapes)
        stages = [_stages(base_channels, shape[1], activation, norm) for shape in shapes]
        self.stages = nn.ModuleList(each for each, _ in stages)
        self.heads = nn.ModuleList(nn.Conv2d(width, 1, 3, padding=1) for _, width in stages)

    def _apply(self, change: Callable[[Tensor], Tensor], recurse: bool = True) -> "ProjectedDiscriminator":
        self._frozen[0]._apply(change, recurse)  # to a device, a layout or a type
        return super()._apply(change, recurse)

    def projections(self, x: Tensor) -> list[Tensor]:
        """x [B, C, H, W] -> the mixed maps [B, base_channels, h, w], from the largest to the smallest."""
        maps = self._frozen[0].maps((self.pixels(x) + 1) / 2)[-SCALES:]
        mixed: list[Tensor] = []
        for index in reversed(range(len(maps))):
            projection = self.across_channels[index](maps[index])
            if mixed:
                projection = projection + F.interpolate(mixed[0], projection.shape[-2:], mode="bilinear")
            mixed.insert(0, self.across_scales[index](projection))
        return mixed

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x [B, C, H, W] -> logits [B, 16, 4] and the last trained map of each scale, largest first."""
        projections = self.projections(x)
        features = [stages(each) for stages, each in zip(self.stages, projections, strict=True)]
        logits = [head(each).squeeze(1) for head, each in zip(self.heads, features, strict=True)]
        # every scale has as many logits, so that all count alike in losses for single logits
        return torch.cat([F.adaptive_avg_pool2d(each, LOGITS) for each in logits], dim=1), features

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B, 16, 4]; above 0 means "an original"."""
        return self.with_features(x)[0]


class _FixedConv(nn.Module):
    """A convolution without a bias whose random weights (He's, for no activation) are never trained."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int):
        super().__init__()
        weight = torch.empty(out_channels, in_channels, kernel_size, kernel_size)
        self.register_buffer("weight", nn.init.kaiming_normal_(weight, nonlinearity="linear"))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=self.weight.shape[-1] // 2)


def _map_shapes(network: FrozenNetwork, image_shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
    """The shapes of the maps to judge. Raises: OptionError for a network that gives none for such images."""
    try:
        shapes = network.map_shapes(image_shape)[-SCALES:]
    except (AssertionError, AttributeError, RuntimeError, TypeError) as error:
        raise OptionError(
            "network",
            f"{network.name} gives no maps for images of {image_shape[1]} pixels a side ({error}); "
            "take a convolutional network",
        ) from None
    return shapes


def _stages(base_channels: int, side: int, activation: str, norm: str) -> tuple[nn.Module, int]:
    """The trained stages on a map of `side` pixels a side, down to at most 4, and their output's channels."""
    depth = max(0, math.ceil(math.log2(side / LOGITS)))
    in_channels, layers = base_channels, []
    for out_channels in widths(base_channels, depth + 1):  # the first keeps the size
        kernel = {"kernel_size": 4, "stride": 2} if layers else {"kernel_size": 3}
        layers += [
            conv(in_channels, out_channels, **kernel, bias=norm == "none"),
            norm_layer(norm, out_channels),
            activation_layer(activation),
        ]
        in_channels = out_channels
    return nn.Sequential(*layers), in_channels
