"""A discriminator of a user's own that returns a map of logits."""

from torch import Tensor, nn

from vaegan.nets.discriminators import register_discriminator


@register_discriminator("own_patch")
class OwnPatchDiscriminator(nn.Module):
    """A logit for each patch of 4 x 4 pixels."""

    def __init__(self, image_shape: tuple[int, int, int], *, channels: int = 4):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(image_shape[0], channels, 4, 4), nn.LeakyReLU(0.2), nn.Conv2d(channels, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).squeeze(1)  # [B, h, w]
