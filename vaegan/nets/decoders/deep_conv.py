from itertools import pairwise

from torch import Tensor, nn

from vaegan.nets.blocks import ToMap, conv_transpose, doubling_stage, halvings, widths
from vaegan.nets.blocks import activation as activation_layer
from vaegan.nets.blocks import norm as norm_layer
from vaegan.nets.decoders import register_decoder
from vaegan.nets.knob_types import Activation, Depth, KernelSize, Norm

SMALLEST_WIDTH = 64  # DCGAN's 512, 256, 128, 64 at 64 pixels; more or fewer with another depth


@register_decoder("deep_conv")
class DeepConvDecoder(nn.Module):
    """DCGAN's generator: transposed convolutions from latents to image, with at most 512 channels at first.

    The linear layer to the first map is DCGAN's first transposed convolution on a 1 x 1 map.
    Source: Radford et al., Unsupervised Representation Learning with DCGANs (arXiv 1511.06434), figure 1.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        depth: Depth | None = None,
        kernel_size: KernelSize = 4,
        activation: Activation = "relu",
        norm: Norm = "auto",
    ):
        super().__init__()
        channels, size, _ = image_shape
        depth = halvings(size, depth)
        stages = widths(SMALLEST_WIDTH, depth)[::-1]  # smallest map first
        layers = [
            ToMap(latent_dim, stages[0], size >> depth, bias=norm == "none"),
            norm_layer(norm, stages[0]),
            activation_layer(activation),
        ]
        for in_channels, out_channels in pairwise(stages):
            layers.append(doubling_stage(in_channels, out_channels, kernel_size, activation, norm))
        self.body = nn.Sequential(*layers, conv_transpose(stages[-1], channels, kernel_size))

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
