import math

from torch import Tensor, nn

from vaegan.nets.blocks import GaussianHead
from vaegan.nets.encoders import register_encoder
from vaegan.nets.knob_types import Pretrained
from vaegan.nets.timm_backbone import TimmBackbone


@register_encoder("timm:NAME")
class TimmEncoder(nn.Module):
    """A timm backbone with linear heads on its whole last map (or all its tokens)."""

    def __init__(
        self, name: str, image_shape: tuple[int, int, int], latent_dim: int, *, pretrained: Pretrained = False
    ):
        super().__init__()
        self.body = TimmBackbone(name, image_shape, pretrained)
        self.head = GaussianHead(math.prod(self.body.out_shape), latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.head(self.body(x))
