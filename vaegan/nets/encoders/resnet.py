import math

from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead, features_of
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, Norm
from vaegan.nets.residual import STAGES, default_base_channels, residual_stages


@register_encoder("resnet")
class ResNetEncoder(nn.Module):
    """ResNet-18 down to its last map, then linear heads on the whole map.

    The map is not averaged as in a classifier, because a decoder needs to know the positions of things.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        base_channels: BaseChannels | None = None,
        depth: Depth = STAGES,
        activation: Activation = "relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        base_channels = base_channels or default_base_channels(image_shape[1])
        self.body = nn.Sequential(
            *residual_stages(image_shape, base_channels, depth, norm_name=norm, activation_name=activation)
        )
        self.head = GaussianHead(math.prod(features_of(self.body, image_shape)), latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
