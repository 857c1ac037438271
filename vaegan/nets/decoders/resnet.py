from torch import Tensor, nn

from vaegan.nets.blocks import ToMap, conv, halvings, widths
from vaegan.nets.decoders import register_decoder
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, Norm
from vaegan.nets.residual import ResidualBlock


@register_decoder("resnet")
class ResNetDecoder(nn.Module):
    """Residual blocks, each at twice the size of the one before (nearest-neighbour upsampling).

    Source: the generator of Gulrajani et al., Improved Training of Wasserstein GANs (arXiv 1704.00028),
    appendix F, with ResNet-18's block.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        base_channels: BaseChannels = 32,
        depth: Depth | None = None,
        activation: Activation = "relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        channels, size, _ = image_shape
        depth = halvings(size, depth)
        stages = widths(base_channels, depth)[::-1]  # smallest map first
        layers = [ToMap(latent_dim, stages[0], size >> depth)]
        for in_channels, out_channels in zip(stages, [*stages[1:], base_channels], strict=True):
            layers += [
                nn.Upsample(scale_factor=2),
                ResidualBlock(in_channels, out_channels, norm_name=norm, activation_name=activation),
            ]
        self.body = nn.Sequential(*layers, conv(base_channels, channels, 3))

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
