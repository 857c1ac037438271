from typing import Annotated

from pydantic import AfterValidator, Field
from torch import nn

from vaegan.errors import OptionError
from vaegan.nets.blocks import StagedDiscriminator, conv_trunk, widths
from vaegan.nets.blocks import activation as activation_layer
from vaegan.nets.blocks import norm as norm_layer
from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Activation, BaseChannels, Norm
from vaegan.nets.signed_pixels import SignedPixels

HALVINGS = {16: 1, 34: 2, 70: 3}  # by the side of the patches, pixels
KERNEL_SIZE = 4


def _known_side(side: int) -> int:
    if side not in HALVINGS:
        raise ValueError(f"known patches: {', '.join(map(str, HALVINGS))} pixels a side")
    return side


ReceptiveField = Annotated[
    int,
    AfterValidator(_known_side),
    Field(description=f"side of the patches that are judged, pixels ({', '.join(map(str, HALVINGS))})"),
]


@register_discriminator("patch")
class PatchDiscriminator(StagedDiscriminator):
    """PatchGAN: a map of logits, one for each patch of `receptive_field` pixels a side, on pixels in [-1, 1].

    None for the largest patches that are smaller than the image. Neighbouring patches overlap, and those at
    the edge reach beyond it. At 70 pixels and 3 channels 2,765,633 parameters, with batch norm, as published.
    Source: Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (arXiv 1611.07004),
    section 3.2.2 and appendix 6.1.2; padding and the stage without a stride as in the authors' code.
    """

    slope_in_one_pass = True

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        *,
        receptive_field: ReceptiveField | None = None,
        base_channels: BaseChannels = 64,
        activation: Activation = "leaky_relu",
        norm: Norm = "auto",
    ):
        side = _fitting(receptive_field, image_shape[1])
        depth = HALVINGS[side]
        stages, _ = conv_trunk(
            image_shape, base_channels, depth, KERNEL_SIZE, activation, norm, norm_first=False
        )
        stages[0] = nn.Sequential(SignedPixels(), *stages[0])
        *_, in_channels, out_channels = widths(base_channels, depth + 1)
        stages.append(
            nn.Sequential(
                nn.Conv2d(in_channels, out_channels, KERNEL_SIZE, padding=1, bias=norm == "none"),
                norm_layer(norm, out_channels),
                activation_layer(activation),
            )
        )
        super().__init__(stages, nn.Conv2d(out_channels, 1, KERNEL_SIZE, padding=1))


def _fitting(receptive_field: int | None, size: int) -> int:
    """The side of the patches on images of `size` pixels a side.

    Raises: OptionError for patches larger than the image.
    """
    fitting = [side for side in HALVINGS if side <= size]
    if not fitting:
        raise OptionError("image_size", f"{size} pixels; the smallest patches have {min(HALVINGS)} a side")
    if receptive_field is None:
        return max((side for side in fitting if side < size), default=fitting[0])
    if receptive_field not in fitting:
        raise OptionError(
            "receptive_field",
            f"patches of {receptive_field} pixels a side do not fit into images of {size}; "
            f"accepted: {', '.join(map(str, fitting))}",
        )
    return receptive_field
