import math

from torch import Tensor, nn

from vaegan.nets.blocks import dense_layers
from vaegan.nets.decoders import register_decoder
from vaegan.nets.knob_types import Activation, HiddenDim, NumLayers


@register_decoder("dense")
class DenseDecoder(nn.Module):
    """Linear layers; the last has one output for each value of the image."""

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
        self.body = nn.Sequential(
            *dense_layers(latent_dim, hidden_dim, num_layers, activation),
            nn.Linear(hidden_dim, math.prod(image_shape)),
            nn.Unflatten(1, image_shape),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
