from torch import Tensor, nn

from vaegan.nets.blocks import FeatureNorm, ToMap, activation, conv_transpose, doubling_stage
from vaegan.nets.decoders import register_decoder
from vaegan.nets.encoders.coursework_conv import BASE_CHANNELS, KERNEL_SIZE, refuse_size
from vaegan.nets.knob_types import HiddenDim


@register_decoder("coursework_conv")
class CourseworkConvDecoder(nn.Module):
    """The coursework encoder mirrored: two linear layers, two transposed convolutions.

    Its widths (256 hidden units, 64 and 32 channels) are our choice, since they were not published.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, *, hidden_dim: HiddenDim = 256):
        super().__init__()
        channels, size, _ = image_shape
        refuse_size(size)
        self.body = nn.Sequential(
            nn.Linear(latent_dim, hidden_dim, bias=False),
            FeatureNorm(hidden_dim),
            activation("leaky_relu"),
            ToMap(hidden_dim, 2 * BASE_CHANNELS, size // 4, bias=False),
            nn.BatchNorm2d(2 * BASE_CHANNELS),
            activation("leaky_relu"),
            doubling_stage(2 * BASE_CHANNELS, BASE_CHANNELS, KERNEL_SIZE, "leaky_relu", "batch"),
            conv_transpose(BASE_CHANNELS, channels, KERNEL_SIZE),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
