"""Parts of residual networks: ResNet-18's blocks and a trunk of four stages that adapts to the image size.

Source: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1.
Without normalisation the branches begin at 0, or their sum would grow with the depth: Zhang et al., Fixup
Initialization (arXiv 1901.09321), section 3, and, for discriminators under R1, Huang et al., The GAN is dead;
long live the GAN! (arXiv 2501.05441).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vaegan.nets.blocks import activation, conv, norm, widths

STAGES = 4
BLOCKS_PER_STAGE = 2  # ResNet-18


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut: [B, in, H, W] -> [B, out, H / stride, W / stride]."""

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, norm_name: str, activation_name: str
    ):
        super().__init__()
        bias = norm_name == "none"
        self.residual = nn.Sequential(
            conv(in_channels, out_channels, 3, stride=stride, bias=bias),
            norm(norm_name, out_channels),
            activation(activation_name),
            conv(out_channels, out_channels, 3, bias=bias),
            norm(norm_name, out_channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            # A 1 x 1 convolution with a stride, split in two. As one layer, in channels-last order and below
            # 8 channels, it corrupts memory on the CPU (seen with PyTorch 2.15).
            self.shortcut = nn.Sequential(
                nn.MaxPool2d(1, stride) if stride != 1 else nn.Identity(),
                conv(in_channels, out_channels, 1, bias=bias),
                norm(norm_name, out_channels),
            )
        self.activation = activation(activation_name)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.residual(x) + self.shortcut(x))


def default_base_channels(size: int) -> int:
    """64 channels from 64 pixels a side on, as in ResNet-18; 16 for smaller images, as in its CIFAR networks.

    Source: sections 4.1 and 4.2 of the paper.
    """
    return 64 if size >= 64 else 16


def stem(
    in_channels: int, out_channels: int, size: int, *, norm_name: str, activation_name: str
) -> nn.Module:
    """The layers before the residual stages: ResNet-18's from 64 pixels a side on, less reduction below.

    They reduce by 4 from 64 pixels on, by 2 above 16, else not at all, so that the stages work on maps
    that begin at 14 to 32 pixels and end above 1.
    """
    kernel_size, stride = (3, 1) if size <= 16 else (7, 2)
    layers = [
        conv(in_channels, out_channels, kernel_size, stride=stride, bias=norm_name == "none"),
        norm(norm_name, out_channels),
        activation(activation_name),
    ]
    if size >= 64:
        layers.append(nn.MaxPool2d(3, 2, 1))
    return nn.Sequential(*layers)


def residual_stages(
    image_shape: tuple[int, int, int], base_channels: int, depth: int, *, norm_name: str, activation_name: str
) -> list[nn.Module]:
    """A stem and `depth` residual stages; each after the first halves the side and doubles the channels."""
    channels, size, _ = image_shape
    options = {"norm_name": norm_name, "activation_name": activation_name}
    stages = [stem(channels, base_channels, size, **options)]
    in_channels = base_channels
    for index, out_channels in enumerate(widths(base_channels, depth)):
        blocks = [ResidualBlock(in_channels, out_channels, stride=1 if index == 0 else 2, **options)]
        blocks += [ResidualBlock(out_channels, out_channels, **options) for _ in range(BLOCKS_PER_STAGE - 1)]
        stages.append(nn.Sequential(*blocks))
        in_channels = out_channels
    if norm_name == "none":
        scale_branches([block for stage in stages[1:] for block in stage])
    return stages


@torch.no_grad()
def scale_branches(blocks: Sequence[ResidualBlock]) -> None:
    """Initial weights for blocks without normalisation: each residual branch begins at 0.

    The last layer of a branch is 0, the first one He's divided by the square root of the number of blocks.
    Source: Fixup's rule for branches of two layers, without its scalar biases and multipliers.
    """
    for block in blocks:
        first, last = (layer for layer in block.residual if isinstance(layer, nn.Conv2d))
        nn.init.kaiming_normal_(first.weight)
        first.weight.mul_(len(blocks) ** -0.5)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(first.bias)
        nn.init.zeros_(last.bias)
