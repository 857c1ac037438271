"""Pixels in [-1, 1] for a network that takes them in either range of a run."""

from torch import Tensor, nn

from vaegan.pixels import PixelRange


class SignedPixels(nn.Module):
    """Brings images to [-1, 1] from the range of the run, which `build_players` sets."""

    pixel_range: PixelRange = "01"

    def forward(self, x: Tensor) -> Tensor:
        return x if self.pixel_range == "pm1" else x * 2 - 1
