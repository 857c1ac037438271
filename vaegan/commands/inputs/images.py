"""Image files and folders of them, read as a run or a look through them needs them."""

from pathlib import Path

from torch import Tensor

from vaegan.datasets import Request
from vaegan.datasets.decode import Square, decode
from vaegan.datasets.depth import ValueRange
from vaegan.datasets.folder import Folder
from vaegan.errors import OptionError, UserError
from vaegan.figures.image_files import in_channels
from vaegan.run.trained import Trained


def open_folder(request: Request) -> Folder:
    """The folder, with its files listed. Raises: UserError where there are none."""
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
    """The square that the run cuts out of images, and its size."""
    return Square(trained.image_shape[1], trained.config.crop, value_range)


def read_image(trained: Trained, file: Path) -> Tensor | str:
    """An image file as the run would take it, uint8 [C, H, W], or why it cannot be read."""
    file = file.expanduser()
    if not file.is_file():
        return "no such file"
    pixels = decode(file, square_of(trained, trained.config.value_range))
    return pixels if isinstance(pixels, str) else in_channels(pixels, trained.image_shape[0])
