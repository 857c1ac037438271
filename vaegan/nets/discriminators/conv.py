from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, conv_trunk
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm


@register_discriminator("conv")
class ConvDiscriminator(StagedDiscriminator):
    """Stride-2 convolutions, then one linear layer."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        base_channels: BaseChannels = 32,
        depth: Depth | None = None,
        kernel_size: KernelSize = 3,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        stages, features = conv_trunk(image_shape, base_channels, depth, kernel_size, activation, norm)
        super().__init__(stages, nn.Sequential(nn.Flatten(), nn.Linear(features, 1)))
