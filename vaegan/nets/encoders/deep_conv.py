from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead, conv_trunk
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm


@register_encoder("deep_conv")
class DeepConvEncoder(nn.Module):
    """DCGAN's discriminator as an encoder: its convolutions, with heads for mu and logvar.

    Source: Radford et al., Unsupervised Representation Learning with DCGANs (arXiv 1511.06434), section 3.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        base_channels: BaseChannels = 64,
        depth: Depth | None = None,
        kernel_size: KernelSize = 4,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        stages, features = conv_trunk(
            image_shape, base_channels, depth, kernel_size, activation, norm, norm_first=False
        )
        self.body = nn.Sequential(*stages)
        self.head = GaussianHead(features, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
