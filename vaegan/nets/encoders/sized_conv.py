from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead, activation, conv, halvings_to
from vaegan.nets.encoders import register_encoder

SMALLEST_WIDTH = 32  # at the largest map; doubled at each halving


@register_encoder("sized_conv")
class SizedConvEncoder(nn.Module):
    """Stride-2 convolutions down to 2 x 2 (their number follows from the size), a linear layer, two heads.

    Widths 32, 64, 128 at 16 pixels, with one more doubling for each doubling of the size, without a limit.
    The convolutions have a bias although batch norm removes it, as in the published networks and their
    numbers of parameters for one channel: 163,944 (size 16, 20 latents) and 702,600 (32, 100). The slope of
    the leaky ReLU is 0.2.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        in_channels, size, _ = image_shape
        layers = []
        for stage in range(halvings_to(2, size)):
            out_channels = SMALLEST_WIDTH << stage
            layers += [
                conv(in_channels, out_channels, 3, stride=2),
                nn.BatchNorm2d(out_channels),
                activation("leaky_relu"),
            ]
            in_channels = out_channels
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(in_channels * 2 * 2, in_channels))
        self.head = GaussianHead(in_channels, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
