from torch import Tensor, nn

from vaegan.nets.discriminators import register_discriminator
from vaegan.nets.knob_types import Pretrained
from vaegan.nets.timm_backbone import TimmBackbone


@register_discriminator("timm:NAME")
class TimmDiscriminator(nn.Module):
    """A timm backbone with its own pooling and one logit."""

    def __init__(self, name: str, image_shape: tuple[int, int, int], *, pretrained: Pretrained = False):
        super().__init__()
        self.backbone = TimmBackbone(name, image_shape, pretrained, pooled=True)
        self.head = nn.Linear(self.backbone.out_shape[0], 1)

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x [B, C, H, W] -> logits [B] and the backbone's intermediate maps, first to last."""
        pooled, features = self.backbone.with_intermediates(x)
        return self.head(pooled).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B]; above 0 means "an original"."""
        return self.head(self.backbone(x)).squeeze(1)
