from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, conv_trunk
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm


@register_discriminator("deep_conv")
class DeepConvDiscriminator(StagedDiscriminator):
    """DCGAN's discriminator: stride-2 convolutions, the first without normalisation, then one linear layer.

    The linear layer on the flattened last map is DCGAN's closing convolution over that whole map.
    Source: Radford et al., Unsupervised Representation Learning with DCGANs (arXiv 1511.06434), section 3.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        base_channels: BaseChannels = 64,
        depth: Depth | None = None,
        kernel_size: KernelSize = 4,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        stages, features = conv_trunk(
            image_shape, base_channels, depth, kernel_size, activation, norm, norm_first=False
        )
        super().__init__(stages, nn.Sequential(nn.Flatten(), nn.Linear(features, 1)))
