from torch import Tensor, nn

from vaegan.nets.blocks import ToMap, conv, doubling_stage, halvings, widths
from vaegan.nets.blocks import activation as activation_layer
from vaegan.nets.decoders import register_decoder
from vaegan.nets.knob_types import Activation, BaseChannels, Depth, KernelSize, Norm


@register_decoder("conv")
class ConvDecoder(nn.Module):
    """The conv encoder mirrored: a linear layer to the smallest map, transposed convolutions to full size.

    A kernel size that is divisible by the stride of 2 covers every pixel equally often. A kernel of 3 does
    not: it leaves a checkerboard, which a discriminator recognises easily. A last convolution at full size
    smooths more of it.
    Source: Odena et al., Deconvolution and Checkerboard Artifacts (Distill, 2016).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        base_channels: BaseChannels = 32,
        depth: Depth | None = None,
        kernel_size: KernelSize = 4,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        channels, size, _ = image_shape
        depth = halvings(size, depth)
        stages = widths(base_channels, depth)[::-1]  # smallest map first
        layers = [ToMap(latent_dim, stages[0], size >> depth), activation_layer(activation)]
        for in_channels, out_channels in zip(stages, [*stages[1:], base_channels], strict=True):
            layers.append(doubling_stage(in_channels, out_channels, kernel_size, activation, norm))
        self.body = nn.Sequential(*layers, conv(base_channels, channels, kernel_size))

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
