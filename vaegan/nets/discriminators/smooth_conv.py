import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.discriminators.small_conv import SmallConvDiscriminator


class BoxBlur(nn.Module):
    """The mean of 2 x 2 neighbours: [B, C, H, W] -> the same shape; a chessboard becomes grey.

    Before a strided convolution it is as good as after it, where Zhang, Making Convolutional Networks
    Shift-Invariant Again (arXiv 1904.11486), has it: both are linear.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1)


@register_discriminator("smooth_conv")
class SmoothConvDiscriminator(SmallConvDiscriminator):
    """`small_conv` with a blur before each halving.

    Its gradient has hardly anything at the finest grid, where it would draw a lattice into the decoder.
    """

    before_stage = BoxBlur
