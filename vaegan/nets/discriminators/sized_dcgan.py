from typing import Annotated, Literal

from pydantic import Field
from torch import nn

from vaegan.nets.blocks import StagedDiscriminator, conv, halvings_to
from vaegan.nets.blocks import activation as activation_layer
from vaegan.nets.blocks import norm as norm_layer
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Norm

SMALLEST_WIDTH = 64  # at half the image's size; doubled at each halving down to 4 x 4

LastActivation = Annotated[
    Literal["sigmoid", "leaky_relu"], Field(description="activation of the last features")
]


@register_discriminator("sized_dcgan")
class SizedDcganDiscriminator(StagedDiscriminator):
    """A DCGAN discriminator whose depth follows from the image size, with a sigmoid on its last features.

    The sigmoid is before the linear layer, so the logits can reach any label of the least-squares loss.
    A critic has leaky ReLU instead (--disc-last-activation leaky_relu). Convolutions have a bias before
    batch norm. Number of parameters for one channel, as published: 134,593 (size 16) and 661,697 (32).
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        last_activation: LastActivation = "sigmoid",
        norm: Norm = "auto",
    ):
        in_channels, size, _ = image_shape
        depth = halvings_to(4, size)
        stages = []
        for index in range(depth):
            out_channels = SMALLEST_WIDTH << index
            sigmoid = index == depth - 1 and last_activation == "sigmoid"
            stages.append(
                nn.Sequential(
                    conv(in_channels, out_channels, 4, stride=2),
                    norm_layer(norm if index > 0 else "none", out_channels),
                    nn.Sigmoid() if sigmoid else activation_layer("leaky_relu"),
                )
            )
            in_channels = out_channels
        super().__init__(stages, nn.Sequential(nn.Flatten(), nn.Linear(in_channels * 4 * 4, 1)))
