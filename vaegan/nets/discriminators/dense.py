import math

from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, dense_layers
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, HiddenDim, NumLayers


@register_discriminator("dense")
class DenseDiscriminator(StagedDiscriminator):
    """Linear layers on the flattened image."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        hidden_dim: HiddenDim = 200,
        num_layers: NumLayers = 1,
        activation: Activation = "leaky_relu",
    ):
        first, *others = dense_layers(math.prod(image_shape), hidden_dim, num_layers, activation)
        super().__init__([nn.Sequential(nn.Flatten(), first), *others], nn.Linear(hidden_dim, 1))
