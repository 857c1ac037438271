"""Conversion between the pixels of image files and the channels that a run works in."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def in_channels(pixels: np.ndarray, channels: int) -> Tensor:
    """uint8 [3, H, W] in RGB -> uint8 [channels, H, W]: unchanged for 3, grey (ITU-R 601 luma) for 1."""
    if channels == 1:
        grey = np.array(Image.fromarray(pixels.transpose(1, 2, 0)).convert("L"))
        return torch.from_numpy(grey).unsqueeze(0)
    return torch.from_numpy(pixels)


def save_png(path: Path, image: Tensor) -> None:
    """Writes an image, uint8 [C, H, W], as a PNG file in grey or RGB."""
    pixels = image.permute(1, 2, 0).numpy()
    Image.fromarray(pixels.squeeze(2) if len(image) == 1 else pixels).save(path, format="png")
