"""A folder of images: flat or nested, every format that Pillow reads, any mixture of modes and sizes."""

import hashlib
import os
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
from vaegan.datasets.base import (
    DATASETS,
    Description,
    Images,
    Request,
    Splits,
    register_dataset,
    shuffled_split,
    train_count,
)
from vaegan.datasets.decode import Square, decode, image_endings, in_parallel
from vaegan.datasets.store import ImageStore

from vaegan.errors import OptionError, did_you_mean

OWN_SIZE = 64
FACES = "anime_faces"
CACHE_VERSION = 1  # to be raised when the same file is decoded into other pixels


class Folder:
    """The images below a folder, in colour, split by a shuffle with `split_seed`.

    Each is turned as its EXIF tag says, cut to its central square and resized. Hidden files, files
    without an image's ending and linked folders are passed over; images that cannot be read are
    skipped and named. What does not fit into the request's memory limit is decoded once and kept in
    the cache, by folder, size and crop; there, a file whose path, size and times are as they were is
    not opened again.
    """

    def __init__(self, request: Request, root: Path):
        self.request = request
        self.root = root
        self.square = Square(request.image_size or OWN_SIZE, request.crop)
        self.shape = (3, self.square.size, self.square.size)

    def describe(self) -> Description:
        n_images = len(self.files)
        n_train = train_count(n_images)
        where = "memory" if self._in_memory else "the cache"
        note = f"files; those that cannot be read will be left out; to be read from {where}"
        return Description(self.shape, n_train, n_images - n_train, note)

    def load(self) -> Splits:
        """Raises: OptionError when there is no readable image."""
        images, problems = self._read() if self._in_memory else self._read_once()
        if images is None:
            raise OptionError(
                "dataset", f"none of the {len(self.files)} image files in {self.root} can be read"
            )
        train, test = shuffled_split(Images(images), self.request.split_seed)
        unread = [(self.files[i], reason) for i, reason in problems.items()]
        return Splits(train, test, unread + self.closed)

    @property
    def files(self) -> list[Path]:
        """Image files in the order of their paths. Raises: OptionError when there are none."""
        return self._listing[0]

    @property
    def closed(self) -> list[tuple[Path, str]]:
        """Folders that cannot be listed, each with why."""
        return self._listing[1]

    @cached_property
    def _listing(self) -> tuple[list[Path], list[tuple[Path, str]]]:
        endings = image_endings()
        files, n_others, closed = [], 0, []
        for folder, folders, names in os.walk(self.root, onerror=closed.append):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                path = os.path.join(folder, name)
                # a link that leads nowhere is listed, to be named as unreadable; a pipe would never end
                if name.startswith(".") or not (os.path.isfile(path) or not os.path.exists(path)):
                    continue
                if os.path.splitext(name)[1].lower() in endings:
                    files.append(path)
                else:
                    n_others += 1
        if not files:
            raise OptionError("dataset", f"no image in {self.root} ({n_others} other files found)")
        return sorted(map(Path, files)), [(Path(error.filename), error.strerror) for error in closed]

    @property
    def _in_memory(self) -> bool:
        return self.request.fits_memory(len(self.files), self.shape)

    def _read(self) -> tuple[torch.Tensor | None, dict[int, str]]:
        """The readable images in memory, and why the other files cannot be read, by their positions."""
        images = torch.empty(len(self.files), *self.shape, dtype=torch.uint8)
        n_read, problems = 0, {}
        for i, image in enumerate(self._decoded(range(len(self.files)))):
            if isinstance(image, str):
                problems[i] = image
            else:
                images[n_read] = torch.from_numpy(image)
                n_read += 1
        return images[:n_read] if n_read else None, problems

    def _read_once(self):
        """The same through the cache, with the images on disk."""
        root = os.fsencode(self.root.resolve())
        folder = f"{self.root.resolve().name[:50]}-{hashlib.blake2b(root, digest_size=6).hexdigest()}"
        how = f"{self.square.size}px-crop{self.square.crop or 'largest'}-v{CACHE_VERSION}"
        store = ImageStore(self.request.cache_dir / "folders" / folder / how, self.shape)
        return store.fetch([self._stamp(file) for file in self.files], self._decoded, "decoding")

    def _stamp(self, file: Path) -> bytes:
        """Changes when the file does: its path, size and times."""
        try:
            state = file.stat()
        except OSError:
            return os.fsencode(file)  # gone: opening it will tell
        numbers = f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
        return os.fsencode(file.relative_to(self.root)) + b"\0" + numbers.encode()

    def _decoded(self, positions) -> Iterator[np.ndarray | str]:
        return in_parallel([self.files[i] for i in positions], partial(decode, square=self.square))


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
