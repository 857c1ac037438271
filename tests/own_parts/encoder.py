"""An encoder of a user's own."""

from torch import Tensor, nn

from vaegan.nets.encoders import register_encoder


@register_encoder("own_linear")
class OwnEncoder(nn.Module):
    """One layer from pixels to the posterior."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int):
        super().__init__()
        channels, height, width = image_shape
        self.posterior = nn.Linear(channels * height * width, 2 * latent_dim)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mu, logvar = self.posterior(x.flatten(1)).chunk(2, 1)
        return mu, logvar
