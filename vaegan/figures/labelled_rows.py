"""Rows of images with a label in front of each, and maps in colours, as one PNG file."""

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from vaegan.figures.grids import GAP, SMALLEST_TILE, grid, sized
from vaegan.marks import save_picture

FONT_SIZE = 14
MARGIN = 8  # pixels beside a label


def save_rows(path: Path, rows: Sequence[tuple[str, Tensor]], largest: int) -> None:
    """Rows of as many images each, [N, C, H, W] in [0, 1], below each other, their labels on the left.

    largest: pixels a side of an image; smaller ones are enlarged with their pixels kept square.
    """
    shown = [sized(images.float().cpu(), SMALLEST_TILE, largest).expand(-1, 3, -1, -1) for _, images in rows]
    images = grid(torch.cat(shown), len(shown[0]))
    font = ImageFont.load_default(FONT_SIZE)
    left = round(max(font.getlength(label) for label, _ in rows)) + 2 * MARGIN
    picture = Image.new("RGB", (left + images.width, images.height), "white")
    picture.paste(images, (left, 0))
    pen, height = ImageDraw.Draw(picture), shown[0].shape[-2] + GAP
    for number, (label, _) in enumerate(rows):
        middle = round(GAP + (number + 0.5) * height)
        pen.text((left - MARGIN, middle), label, fill="black", font=font, anchor="rm")
    save_picture(path, picture)


def signed_colours(values: Tensor, top: float) -> Tensor:
    """Values [N, H, W] -> colours [N, 3, H, W]: red from 0 to `top`, blue from 0 to -`top`, white at 0."""
    return _coloured((values / top + 1) / 2, "RdBu_r")


def plain_colours(values: Tensor, low: float, top: float) -> Tensor:
    """Values [N, H, W] -> colours [N, 3, H, W], dark at `low`, light at `top`."""
    return _coloured((values - low) / (top - low), "magma")


def _coloured(shares: Tensor, colours: str) -> Tensor:
    from matplotlib import colormaps

    return torch.from_numpy(colormaps[colours](shares.clamp(0, 1).cpu().numpy())[..., :3]).permute(0, 3, 1, 2)
