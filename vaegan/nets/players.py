"""The two players of a run: `gen` (encoder, decoder and PBP loss; a decoder alone in a GAN) and `disc`."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.func import functional_call

from vaegan.errors import UserError
from vaegan.pixels import PixelRange, output_activation


class Players(nn.Module):
    """The networks of both players. They run in the run's precision and return float32.

    encoder, pbp: None in a GAN, whose decoder gets noise.
    precision: "fp32", or "bf16" for autocast (parameters stay float32).
    ema: decay per step, after warm-up, of an average of the decoder's weights. The averaged decoder is used
    in evaluation mode; its batch-norm statistics are copies. None for no average.
    disc_sees_8bit: True if D's inputs are rounded to 8-bit levels.
    """

    def __init__(
        self,
        encoder: nn.Module | None,
        decoder: nn.Module,
        pbp: nn.Module | None,
        disc: nn.Module | None = None,
        *,
        latent_dim: int,
        pixel_range: PixelRange = "01",
        precision: str = "fp32",
        ema: float | None = None,
        disc_sees_8bit: bool = False,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.pbp = pbp
        self.disc = disc
        self.latent_dim = latent_dim
        self.pixel_range: PixelRange = pixel_range
        self.precision = precision
        self.disc_sees_8bit = disc_sees_8bit
        self.ema = None if ema is None else _average_of(decoder, ema)

    def networks(self) -> dict[str, nn.Module]:
        """The existing networks, by part."""
        parts = {"encoder": self.encoder, "decoder": self.decoder, "disc": self.disc}
        return {name: network for name, network in parts.items() if network is not None}

    def parameters_of(self, player: str) -> Iterator[nn.Parameter]:
        """The parameters that this player's optimiser updates."""
        parts = [self.disc] if player == "disc" else [self.encoder, self.decoder, self.pbp]
        for part in filter(None, parts):
            yield from part.parameters()

    def average(self, step: int) -> None:
        """Updates the average of the decoder's weights, if there is one, after `gen`'s step (from 1).

        The first step's weights are copied, so that the random initial weights are not part of the average.
        """
        if self.ema is not None:
            self.ema.update(self.decoder, step)

    @property
    def trained_decoder(self) -> nn.Module:
        """The decoder to evaluate a run with: the averaged one, if there is one."""
        return self.decoder if self.ema is None else self.ema.module

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [B, C, H, W] -> the posterior's mu and logvar, each [B, latent_dim]."""
        with self.autocast(x):
            mu, logvar = self.encoder(x)
        return mu.float(), logvar.float()

    def decode(self, z: Tensor) -> Tensor:
        """z [B, latent_dim] -> pixel logits [B, C, H, W]."""
        decoder = self.decoder if self.training else self.trained_decoder
        with self.autocast(z):
            logits = decoder(z)
        return logits.float()

    def decode_apart(self, z: Tensor) -> Tensor:
        """As `decode`, but batch norm keeps no statistics of this pass."""
        if not self.training:
            return self.decode(z)
        kept = {name: buffer.clone() for name, buffer in self.decoder.named_buffers()}
        with self.autocast(z):
            return functional_call(self.decoder, kept, (z,)).float()

    def discriminate(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B], or maps of them [B, h, w]; above 0 means "an original"."""
        return self.judge(x)[0]

    def judge(self, x: Tensor, with_features: bool = False) -> tuple[Tensor, list[Tensor]]:
        """D's logits for x [B, C, H, W], and its features [B, ...] if they are wanted, else none."""
        with self.autocast(x):
            logits, features = self.disc.with_features(x) if with_features else (self.disc(x), [])
        return logits.float(), [feature.float() for feature in features]

    def pixels(self, logits: Tensor) -> Tensor:
        """Pixel logits -> pixels in the model's range."""
        return output_activation(logits, self.pixel_range)

    def reconstruct(self, x: Tensor) -> Tensor:
        """x_hat [B, C, H, W] decoded from the posterior's mean, in the model's range.

        Raises: UserError for a GAN, which has no encoder.
        """
        if self.encoder is None:
            raise UserError("a GAN has no encoder and cannot reconstruct; train a VAE for reconstructions")
        return self.pixels(self.decode(self.encode(x)[0]))

    def autocast(self, tensor: Tensor) -> torch.autocast:
        """The context of the run's precision, on the device of this tensor."""
        return torch.autocast(tensor.device.type, torch.bfloat16, enabled=self.precision == "bf16")


def _average_of(network: nn.Module, decay: float) -> nn.Module:
    """An average of the network's weights, which begins as a copy of it."""
    from timm.utils import ModelEmaV3

    return ModelEmaV3(network, decay=decay, use_warmup=True, exclude_buffers=True)


def image_logits(logits: Tensor) -> Tensor:
    """D's logit of each image, [B], from logits [B] or maps [B, h, w]: a map's mean."""
    return logits if logits.dim() == 1 else logits.flatten(1).mean(1)


def paired(real: Tensor, fake: Tensor) -> Tensor:
    """Values of the originals [B, ...], repeated for two kinds of fakes, so that each fake has one."""
    return real if len(real) == len(fake) else torch.cat([real, real])
