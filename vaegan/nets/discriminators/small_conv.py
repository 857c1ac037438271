from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, conv, conv_trunk
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm
from vaegan.nets.signed_pixels import SignedPixels


@register_discriminator("small_conv")
class SmallConvDiscriminator(StagedDiscriminator):
    """Stride-2 convolutions on pixels in [-1, 1], then one linear layer; narrow, without normalisation.

    Made for penalties on its slope, which is taken to the pixels as the run has them: in [0, 1] it is twice
    the slope to [-1, 1]. Kernels of 4 pixels cover the stride of 2 evenly, where those of 3 leave a lattice.
    """

    slope_in_one_pass = True
    first_convolution = staticmethod(conv)

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        base_channels: BaseChannels = 16,
        depth: Depth | None = None,
        kernel_size: KernelSize = 4,
        activation: Activation = "leaky_relu",
        norm: Norm = "none",
    ):
        stages, features = conv_trunk(
            image_shape,
            base_channels,
            depth,
            kernel_size,
            activation,
            norm,
            first_convolution=self.first_convolution,
        )
        stages[0] = nn.Sequential(SignedPixels(), *stages[0])
        super().__init__(stages, nn.Sequential(nn.Flatten(), nn.Linear(features, 1)))
