"""A folder of images: flat or nested, every format that Pillow reads, any mixture of modes and sizes."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from datasets.base import (
    DATASETS,
    Description,
    Request,
    Splits,
    register_dataset,
    shuffled_split,
    train_count,
)
from vaegan.errors import OptionError, did_you_mean

OWN_SIZE = 64
FACES = "anime_faces"


class Folder:
    """The images below a folder, in colour, split by a shuffle with `split_seed`.

    Each is turned as its EXIF tag says, cut to its central square and resized. Hidden files, files
    without an image's ending and linked folders are passed over; images that cannot be read are
    skipped and named.
    """

    def __init__(self, request: Request, root: Path):
        self.root = root
        self.size = request.image_size or OWN_SIZE
        self.split_seed = request.split_seed

    def describe(self) -> Description:
        n_images = len(self._files())
        n_train = train_count(n_images)
        return Description(
            (3, self.size, self.size),
            n_train,
            n_images - n_train,
            note="files; those that cannot be read will be left out",
        )

    def load(self) -> Splits:
        """Raises: OptionError when there is no readable image."""
        files = self._files()
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            results = list(pool.map(self._read, files))
        images = [result for result in results if isinstance(result, Tensor)]
        skipped = [
            (file, result) for file, result in zip(files, results, strict=True) if isinstance(result, str)
        ]
        if not images:
            raise OptionError("dataset", f"none of the {len(files)} image files in {self.root} can be read")
        train, test = shuffled_split(torch.stack(images), None, self.split_seed)
        return Splits(train, test, skipped)

    def _files(self) -> list[Path]:
        """Image files in the order of their paths. Raises: OptionError when there are none."""
        Image.init()
        endings = {ending for ending, format in Image.registered_extensions().items() if format in Image.OPEN}
        relative = [path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file()]
        visible = [path for path in relative if not any(part.startswith(".") for part in path.parts)]
        files = sorted(path for path in visible if path.suffix.lower() in endings)
        if not files:
            raise OptionError("dataset", f"no image in {self.root} ({len(visible)} other files found)")
        return [self.root / path for path in files]

    def _read(self, file: Path) -> Tensor | str:
        """uint8 [3, size, size], or why the file cannot be read."""
        try:
            with Image.open(file) as image:
                square = ImageOps.fit(as_rgb(ImageOps.exif_transpose(image)), (self.size, self.size))
        except Exception as error:  # Pillow's readers raise many kinds on damaged files
            return f"{type(error).__name__}: {error}".replace(str(file), file.name)
        return torch.from_numpy(np.array(square)).permute(2, 0, 1).contiguous()


def as_rgb(image: Image.Image) -> Image.Image:
    """The image (of an animation: its first frame) in RGB; 16 bits scaled to 8, transparency over white."""
    if image.mode.startswith("I"):
        grey = np.asarray(image).astype(np.float64) / 257  # 65535 -> 255; Pillow's own conversion would clip
        image = Image.fromarray(grey.clip(0, 255).round().astype(np.uint8))
    elif image.mode == "F":
        grey = np.asarray(image)
        scale = 255 if grey.max() <= 1 else 1
        image = Image.fromarray((grey * scale).clip(0, 255).round().astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def open_folder(request: Request) -> Folder:
    """The folder at the path `request.name`. Raises: OptionError when there is none."""
    root = Path(request.name).expanduser()
    if not request.name or not os.path.isdir(root):
        hint = did_you_mean(request.name, DATASETS.names())
        what = "a file, not a folder" if os.path.isfile(root) else "neither a data set nor a folder"
        known = ", ".join(DATASETS.names())
        raise OptionError("dataset", f"{what}; {hint}Known: {known}, or the path of a folder of images.")
    return Folder(request, root)


@register_dataset("faces")
class Faces:
    """The folder `anime_faces` in the data folder."""

    def __init__(self, request: Request):
        self.request = request
        self.root = request.data_dir / FACES

    def describe(self) -> Description:
        if self.root.is_dir():
            return Folder(self.request, self.root).describe()
        size = self.request.image_size or OWN_SIZE
        return Description((3, size, size), None, None, note=f"no folder {self.root}")

    def load(self) -> Splits:
        """Raises: OptionError when there is no such folder: it cannot be downloaded."""
        if not self.root.is_dir():
            raise OptionError(
                "dataset",
                f"no folder {self.root}; give a folder of images: --dataset PATH, or --data-dir its parent",
            )
        return Folder(self.request, self.root).load()
