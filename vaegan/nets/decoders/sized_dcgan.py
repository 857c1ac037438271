from itertools import pairwise

from torch import Tensor, nn

from vaegan.nets.blocks import activation, conv_transpose, halvings_to
from vaegan.nets.decoders import register_decoder

SMALLEST_WIDTH = 128  # at half the image's size; doubled at each halving down to 4 x 4


@register_decoder("sized_dcgan")
class SizedDcganDecoder(nn.Module):
    """A DCGAN generator whose depth and first width follow from the image size: 256 channels at 16 pixels.

    Unlike `deep_conv` it ends at 128 channels, and its convolutions have a bias before batch norm. Number of
    parameters for one channel, as published: 609,409 (size 16, 20 latents) and 3,445,377 (32, 100).
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        channels, size, _ = image_shape
        widths = [SMALLEST_WIDTH << stage for stage in reversed(range(halvings_to(4, size)))]
        layers = [nn.Unflatten(1, (latent_dim, 1, 1)), nn.ConvTranspose2d(latent_dim, widths[0], 4)]
        for in_channels, out_channels in pairwise(widths):
            layers += [
                nn.BatchNorm2d(in_channels),
                activation("relu"),
                conv_transpose(in_channels, out_channels, 4),
            ]
        layers += [nn.BatchNorm2d(widths[-1]), activation("relu")]
        self.body = nn.Sequential(*layers, conv_transpose(widths[-1], channels, 4))

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
