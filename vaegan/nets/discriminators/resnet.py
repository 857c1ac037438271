from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, widths
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, Norm
from vaegan.nets.residual import STAGES, default_base_channels, residual_stages


@register_discriminator("resnet")
class ResNetDiscriminator(StagedDiscriminator):
    """ResNet-18 with one logit; at 64 x 64 and 3 channels 11,177,025 parameters, as published.

    Source: He et al., Deep Residual Learning for Image Recognition (arXiv 1512.03385), table 1.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        base_channels: BaseChannels | None = None,
        depth: Depth = STAGES,
        activation: Activation = "relu",
        norm: Norm = "auto",
    ):
        base_channels = base_channels or default_base_channels(image_shape[1])
        stages = residual_stages(
            image_shape, base_channels, depth, norm_name=norm, activation_name=activation
        )
        features = widths(base_channels, depth)[-1]
        super().__init__(stages, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(features, 1)))
        self.slope_in_one_pass = norm == "none"
