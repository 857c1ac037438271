from itertools import pairwise

from torch import Tensor, nn

from vaegan.nets.blocks import ToMap, activation, conv, conv_transpose, halvings_to
from vaegan.nets.decoders import register_decoder
from vaegan.nets.encoders.sized_conv import SMALLEST_WIDTH


@register_decoder("sized_conv")
class SizedConvDecoder(nn.Module):
    """A linear layer to 2 x 2, transposed convolutions to twice the image size, a stride-2 convolution back.

    It begins at twice the encoder's greatest width. Number of parameters for one channel, as published:
    418,849 (size 16, 20 latents) and 1,784,609 (32, 100).
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        channels, size, _ = image_shape
        widths = [SMALLEST_WIDTH << stage for stage in range(halvings_to(2, size), -1, -1)]
        layers = [ToMap(latent_dim, widths[0], 2)]
        for in_channels, out_channels in pairwise([*widths, SMALLEST_WIDTH]):
            layers += [
                conv_transpose(in_channels, out_channels, 3),
                nn.BatchNorm2d(out_channels),
                activation("relu"),
            ]
        self.body = nn.Sequential(*layers, conv(SMALLEST_WIDTH, channels, 3, stride=2))

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
