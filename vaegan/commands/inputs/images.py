"""Reads image files and folders of them, prepared for a run or for a check."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vaegan.datasets import Request
from vaegan.datasets.decode import Square, decode, upright_rgb
from vaegan.datasets.depth import ValueRange
from vaegan.datasets.folder import Folder
from vaegan.errors import OptionError, UserError
from vaegan.figures.image_files import in_channels
from vaegan.pixels import from_uint8, to_uint8
from vaegan.run.trained import Trained

Given = str | Path | Image.Image | np.ndarray | Tensor | Sequence  # of these, one or several


def open_folder(request: Request) -> Folder:
    """The folder, with its files listed. Raises: UserError if there are none."""
    path = request.name
    root = Path(path).expanduser()
    if not root.is_dir():
        what = "a file; only folders of image files are accepted" if root.exists() else "no such folder"
        raise UserError(f"{path}: {what}")
    folder = Folder(request, root)
    try:
        _ = folder.names
    except OptionError as error:
        raise UserError(f"{path}: {error.problem}") from None
    return folder


def square_of(trained: Trained, value_range: ValueRange | None) -> Square:
    """The square that the run crops from images, and its size."""
    return Square(trained.image_shape[1], trained.config.crop, value_range)


def read_image(trained: Trained, file: Path) -> Tensor | str:
    """An image file prepared as for the run, uint8 [C, H, W], or the reason why it cannot be read."""
    file = file.expanduser()
    if not file.is_file():
        return "no such file"
    pixels = decode(file, square_of(trained, trained.config.value_range))
    return pixels if isinstance(pixels, str) else in_channels(pixels, trained.image_shape[0])


def as_images(trained: Trained, given: Given) -> Tensor:
    """Images prepared for the run, float32 [N, C, H, W] in [0, 1], cropped and resized as in its training.

    given: one or several of these: files; PIL images; arrays [H, W], [H, W, C], [N, H, W] or [N, H, W, C];
    tensors [C, H, W] or [N, C, H, W]. Arrays and tensors hold uint8, or numbers in [0, 1]; those of the run's
    own shape are used unchanged.
    Raises: UserError for anything else, and for a file that cannot be read.
    """
    if isinstance(given, list | tuple):
        if not given:
            raise UserError("images: none were given")
        return torch.cat([as_images(trained, each) for each in given])
    if isinstance(given, str | Path):
        image = read_image(trained, Path(given))
        if isinstance(image, str):
            raise UserError(f"{given}: cannot be read ({image})")
        return from_uint8(image.unsqueeze(0))
    if isinstance(given, Image.Image):
        return _squares(trained, [given])
    if isinstance(given, np.ndarray):
        values = torch.from_numpy(np.ascontiguousarray(_with_channels(given))).movedim(-1, 1)
    elif isinstance(given, Tensor):
        values = given.detach().cpu().unsqueeze(0) if given.ndim == 3 else given.detach().cpu()
    else:
        raise UserError(f"images: {type(given).__name__}; files, PIL images, arrays and tensors are accepted")
    if values.ndim != 4 or values.shape[1] not in (1, 3, 4) or 0 in values.shape:
        raise UserError(
            f"images: {type(given).__name__} of shape {list(given.shape)}; tensors [C, H, W] or [N, C, H, W] "
            "and arrays [H, W], [H, W, C], [N, H, W] or [N, H, W, C] are accepted"
        )
    if values.dtype == torch.uint8:
        values = from_uint8(values)
    elif not values.is_floating_point() or not 0 <= values.min() <= values.max() <= 1:
        raise UserError("images: numbers of another range; uint8, or numbers in [0, 1], are accepted")
    if values.shape[1:] == trained.image_shape:
        return values.float()
    pixels = to_uint8(values).movedim(1, -1).numpy()
    pictures = [Image.fromarray(each.squeeze(-1) if each.shape[-1] == 1 else each) for each in pixels]
    return _squares(trained, pictures)


def _with_channels(images: np.ndarray) -> np.ndarray:
    """Arrays of images as [N, H, W, C]; the last of three dimensions is the channels if it is 1, 3 or 4."""
    if images.ndim == 2:
        return images[None, ..., None]
    if images.ndim == 3:
        return images[None] if images.shape[-1] in (1, 3, 4) else images[..., None]
    return images


def _squares(trained: Trained, images: list[Image.Image]) -> Tensor:
    """Opened images prepared for the run, float32 [N, C, H, W] in [0, 1]."""
    square = square_of(trained, trained.config.value_range)
    try:
        pixels = [square.of(upright_rgb(image, square.value_range)).transpose(2, 0, 1) for image in images]
    except ValueError as error:
        raise UserError(f"images: {error}") from None
    return from_uint8(torch.stack([in_channels(each, trained.image_shape[0]) for each in pixels]))
