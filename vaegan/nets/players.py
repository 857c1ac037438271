"""The two players of a run: `gen` (encoder, decoder and what the PBP loss learns) and `disc`."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from vaegan.pixels import PixelRange, output_activation


class Players(nn.Module):
    """The networks of both players, called in the run's precision; what they return is float32.

    precision: "fp32", or "bf16" for autocast (parameters stay float32).
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        pbp: nn.Module,
        disc: nn.Module | None = None,
        *,
        latent_dim: int,
        pixel_range: PixelRange = "01",
        precision: str = "fp32",
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.pbp = pbp
        self.disc = disc
        self.latent_dim = latent_dim
        self.pixel_range: PixelRange = pixel_range
        self.precision = precision

    def networks(self) -> dict[str, nn.Module]:
        """The networks that are there, by part."""
        parts = {"encoder": self.encoder, "decoder": self.decoder, "disc": self.disc}
        return {name: network for name, network in parts.items() if network is not None}

    def parameters_of(self, player: str) -> Iterator[nn.Parameter]:
        """What this player's optimiser adjusts."""
        parts = [self.disc] if player == "disc" else [self.encoder, self.decoder, self.pbp]
        for part in parts:
            yield from part.parameters()

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> the posterior's mu and logvar, each [B, latent_dim]."""
        with self._autocast(x):
            mu, logvar = self.encoder(x)
        return mu.float(), logvar.float()

    def decode(self, z: Tensor) -> Tensor:
        """z [B, latent_dim] -> pixel logits [B, C, H, W]."""
        with self._autocast(z):
            logits = self.decoder(z)
        return logits.float()

    def discriminate(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B]; above 0 means "an original"."""
        with self._autocast(x):
            logits = self.disc(x)
        return logits.float()

    def pixels(self, logits: Tensor) -> Tensor:
        """Pixel logits -> pixels in the model's range."""
        return output_activation(logits, self.pixel_range)

    def reconstruct(self, x: Tensor) -> Tensor:
        """x_hat [B, C, H, W] decoded from the posterior's mean, in the model's range."""
        return self.pixels(self.decode(self.encode(x)[0]))

    def _autocast(self, tensor: Tensor) -> torch.autocast:
        return torch.autocast(tensor.device.type, torch.bfloat16, enabled=self.precision == "bf16")
