import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.discriminators.small_conv import SmallConvDiscriminator


class BlurredConv(nn.Conv2d):
    """A convolution with stride 2 of its input's 2 x 2 means, as one with the blurred kernel.

    Convolutions commute, so it is also the blur after the convolution that Zhang, Making Convolutional
    Networks Shift-Invariant Again (arXiv 1904.11486), puts before subsampling. Kernels are K x K, and
    (K + 1) x (K + 1) when blurred.
    """

    def forward(self, x: Tensor) -> Tensor:
        kernel = F.avg_pool2d(F.pad(self.weight, (1, 1, 1, 1)), 2, 1)
        return F.conv2d(x, kernel, self.bias, self.stride, self.kernel_size[0] // 2)


@register_discriminator("smooth_conv")
class SmoothConvDiscriminator(SmallConvDiscriminator):
    """`small_conv` with a blur before its first halving.

    Its gradient has hardly anything at the finest grid, where it would draw a lattice into the decoder.
    """

    first_convolution = BlurredConv
