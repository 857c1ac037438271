from torch import Tensor, nn

from vaegan.errors import OptionError
from vaegan.nets.blocks import FeatureNorm, GaussianHead, activation, conv_trunk
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import HiddenDim

BASE_CHANNELS = 32
KERNEL_SIZE = 4  # even, so that the mirrored convolutions cover every pixel equally often


def refuse_size(size: int) -> None:
    """Raises: OptionError for a size that cannot be halved twice."""
    if size % 4:
        raise OptionError(
            "image_size", f"{size} pixels cannot be halved twice; this network needs a multiple of 4"
        )


@register_encoder("coursework_conv")
class CourseworkConvEncoder(nn.Module):
    """Two stride-2 convolutions (28 -> 14 -> 7), two linear layers, batch norm and leaky ReLU between them.

    The second linear layer consists of the heads for mu and logvar. Widths and kernels are our choice, since
    they were not published: 32 and 64 channels, 256 hidden units, 4 x 4.
    """

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, *, hidden_dim: HiddenDim = 256):
        super().__init__()
        refuse_size(image_shape[1])
        stages, features = conv_trunk(image_shape, BASE_CHANNELS, 2, KERNEL_SIZE, "leaky_relu", "batch")
        self.body = nn.Sequential(
            *stages,
            nn.Flatten(),
            nn.Linear(features, hidden_dim, bias=False),
            FeatureNorm(hidden_dim),
            activation("leaky_relu"),
        )
        self.head = GaussianHead(hidden_dim, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
