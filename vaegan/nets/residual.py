"""Parts of residual networks: ResNet-18's blocks and a trunk of four stages that adapts to the image size.

Source: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1.
"""

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
    return stages
