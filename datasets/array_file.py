"""Arrays in .npy and .npz files: their headers, and access to a few rows at a time."""

import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy

CHUNK = 2**22  # bytes of rows that are read at once


@dataclass(frozen=True)
class StoredArray:
    """An array in a file. name: its name within an .npz; "" for an .npy.

    start: position of the first value in the file, or in the unpacked member. fortran: True if the values
    are stored column by column, so that those of one row are not next to each other.
    """

    file: Path
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int
    fortran: bool

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize

    def open(self) -> BinaryIO:
        return _open_member(self.file, self.name) if self.name else self.file.open("rb")

    def whole(self) -> np.ndarray:
        """The whole array in memory. Raises: ValueError for an array of Python objects."""
        with self.open() as file:
            return npy.read_array(file, allow_pickle=False)


def stored_arrays(file: Path) -> dict[str, StoredArray]:
    """The arrays of an .npy file (under the name "") or of an .npz file, by their names.

    Raises: ValueError, OSError or BadZipFile for a file that is neither, or that is incomplete.
    """
    if not zipfile.is_zipfile(file):
        return {"": _headed(file, "", file.stat().st_size)}
    with zipfile.ZipFile(file) as archive:
        sizes = {info.filename: info.file_size for info in archive.infolist()}
    names = [name.removesuffix(".npy") for name in sizes if name.endswith(".npy")]
    return {name: _headed(file, name, sizes[f"{name}.npy"]) for name in names}


def _headed(path: Path, name: str, size: int) -> StoredArray:
    """The array that a header describes. size: bytes of its file or member."""
    with _open_member(path, name) if name else path.open("rb") as file:
        version = npy.read_magic(file)
        read = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"format version {version} is unknown")
        shape, fortran, dtype = read(file)
        start = file.tell()
    due = math.prod(shape) * dtype.itemsize
    if size - start < due and not dtype.hasobject:
        raise ValueError(f"{size - start:,} bytes of values, but its header announces {due:,}")
    return StoredArray(path, name, shape, dtype, start, fortran and len(shape) > 1)


def _open_member(file: Path, name: str) -> BinaryIO:
    with zipfile.ZipFile(file) as archive:
        return archive.open(f"{name}.npy")  # stays open without the archive


class Rows:
    """The rows of an array. Read them in order: a compressed file cannot be read backwards.

    The file is opened when the first row is read, and stays open.
    """

    def __init__(self, array: StoredArray):
        self.array = array
        self._opened: BinaryIO | None = None
        self._whole: np.ndarray | None = None

    def read(self, first: int, n: int = 1) -> np.ndarray:
        """Rows `first` to `first + n`, with the array's number of axes."""
        array = self.array
        if array.fortran:
            self._whole = array.whole() if self._whole is None else self._whole
            return self._whole[first : first + n]
        self._opened = self._opened or array.open()
        self._opened.seek(array.start + first * array.row_bytes)
        content = self._opened.read(n * array.row_bytes)
        return np.frombuffer(content, array.dtype).reshape(-1, *array.shape[1:])

    def chunks(self) -> Iterator[np.ndarray]:
        """All rows in order, in chunks of several rows."""
        n = max(1, CHUNK // max(1, self.array.row_bytes))
        for first in range(0, self.array.shape[0], n):
            yield self.read(first, n)
