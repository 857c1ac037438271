from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead, conv_trunk
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm


@register_encoder("conv")
class ConvEncoder(nn.Module):
    """Stride-2 convolutions, then plain linear heads for mu and logvar."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        base_channels: BaseChannels = 32,
        depth: Depth | None = None,
        kernel_size: KernelSize = 3,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        stages, features = conv_trunk(image_shape, base_channels, depth, kernel_size, activation, norm)
        self.body = nn.Sequential(*stages)
        self.head = GaussianHead(features, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
