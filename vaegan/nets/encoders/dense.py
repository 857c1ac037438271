from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead, dense_layers
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import Activation, HiddenDim, NumLayers


@register_encoder("dense")
class DenseEncoder(nn.Module):
    """Linear layers on the flattened image."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        *,
        hidden_dim: HiddenDim = 400,
        num_layers: NumLayers = 1,
        activation: Activation = "relu",
    ):
        super().__init__()
        channels, height, width = image_shape
        layers = dense_layers(channels * height * width, hidden_dim, num_layers, activation)
        self.body = nn.Sequential(nn.Flatten(), *layers)
        self.head = GaussianHead(hidden_dim, latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
