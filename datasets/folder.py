"""A folder of images: flat or nested, every format that Pillow reads, in any mixture of modes and sizes."""

import os
from functools import cached_property
from pathlib import Path

from torch import Tensor

from vaegan.datasets.base import Description, Request, Splits, register_dataset
from vaegan.datasets.collection import OWN_SIZE
from vaegan.datasets.image_files import ImageFiles
from vaegan.datasets.label_table import table_text
from vaegan.datasets.layout import Layout, read_layout
from vaegan.datasets.levels import check_level
from vaegan.datasets.listing import Listing, list_images
from vaegan.datasets.readers import register_reader
from vaegan.errors import OptionError

FACES = "anime_faces"


@register_reader("a folder of images", os.path.isdir, last=True)
class Folder(ImageFiles):
    """The images below a folder, in colour.

    Each is turned as its EXIF tag says, cropped to its central square and resized. `list_images` selects the
    files; `read_layout` finds their split and their classes. Unreadable images are skipped and listed. The
    cache identifies an image by its file's path, size and times.
    """

    kind = "image files"
    cached_in = "folders"

    @cached_property
    def names(self) -> list[Path]:
        """Image files in the order of their paths. Raises: OptionError if there are none."""
        return [self.listing.images[i] for i in self._layout.kept]

    @property
    def unopened(self) -> list[tuple[Path, str]]:
        """Folders that cannot be listed, each with the reason."""
        return self.listing.closed

    @property
    def labels(self) -> tuple[Tensor, tuple[str, ...]] | None:
        return self._layout.labels

    @property
    def held_out(self) -> Tensor | None:
        return self._layout.held_out

    @cached_property
    def listing(self) -> Listing:
        """The contents of the folder. Raises: OptionError if there are no images."""
        listing = list_images(self.root)
        if not listing.images:
            problem = f"no image in {self.root} ({listing.others} other files found)"
            closed = [f"{folder} cannot be listed ({reason})" for folder, reason in listing.closed[:1]]
            raise OptionError("dataset", "; ".join([problem, *closed, *listing.remarks()]))
        return listing

    @cached_property
    def _layout(self) -> Layout:
        paths = [file.relative_to(self.root) for file in self.listing.images]
        tables = {table.relative_to(self.root): table_text(_content(table)) for table in self.listing.tables}
        asked = self.request
        return read_layout(paths, tables, new_split=asked.split is not None, labelled=asked.labels == "auto")

    @property
    def files(self) -> list[Path]:
        return self.names

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*self.listing.remarks(), *self._layout.remarks, *super().remarks)

    def stamp(self, position: int) -> bytes:
        """The file's path, size and times."""
        file = self.names[position]
        try:
            state = file.stat()
        except OSError:
            return os.fsencode(file)  # the file is gone; opening it will report that
        numbers = f"{state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
        return os.fsencode(file)[self._n_above :] + b"\0" + numbers.encode()

    @cached_property
    def _n_above(self) -> int:
        """Number of bytes of a path up to this folder's contents.

        To cut them off is many times as fast as to compute a relative path.
        """
        return len(os.fsencode(self.root / "x")) - 1


def _content(table: Path) -> bytes:
    """The bytes of a table; none if it cannot be read, so that it is reported as an empty table."""
    try:
        return table.read_bytes()
    except OSError:
        return b""


@register_dataset("faces")
class Faces:
    """The folder `anime_faces` in the data folder."""

    def __init__(self, request: Request):
        """Raises: OptionError if the data folder is one level too high or too low."""
        self.request = request
        self.root = request.data_dir / FACES
        check_level(request.data_dir, FACES)

    def describe(self) -> Description:
        if self.root.is_dir():
            return Folder(self.request, self.root).describe()
        size = self.request.image_size or OWN_SIZE
        return Description((3, size, size), None, None, note=f"no folder {self.root}")

    def load(self) -> Splits:
        """Raises: OptionError if there is no such folder, because it cannot be downloaded."""
        if not self.root.is_dir():
            raise OptionError(
                "dataset",
                f"no folder {self.root}; give a folder of images: --dataset PATH, or --data-dir its parent",
            )
        return Folder(self.request, self.root).load()
