"""Images kept on disk, each made once: a flat file of uint8 pixels, and an index of their positions."""

import copy
import math
import mmap
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor

from vaegan.errors import OptionError
from vaegan.progress import with_progress

TABLES = (
    "CREATE TABLE IF NOT EXISTS images (key BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID",
    # a separate table, because older stores have none
    "CREATE TABLE IF NOT EXISTS checksums (key BLOB PRIMARY KEY, checksum INTEGER) WITHOUT ROWID",
)
MIB = 2**20
SAVED_AT_ONCE = 32 * MIB  # bytes of images between two saves: the most that an interruption can lose
# Bytes that are read before their memory is given back: the system maps some 64 KiB
# around each position that is read, so the memory in use is several times this.
MAPPED_AT_ONCE = 16 * MIB


class StoredImages:
    """uint8 images [N, C, H, W] in a file, read when they are needed.

    It replaces a tensor of images that would not fit into memory: it has a `len` and a `shape`, and
    `images[indices]` or `images[a:b]` gives a tensor. checksums: the CRC-32 of each image's pixels,
    uint32 [N]; None if they are not known.
    """

    def __init__(
        self,
        file: Path,
        places: Tensor,
        image_shape: Sequence[int],
        checksums: np.ndarray | None = None,
    ):
        """places: int64 [N], the position of each image in the file. image_shape: [C, H, W]."""
        self.checksums = checksums
        self._file = file
        with file.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        _advise(self._map, "MADV_RANDOM")  # reading ahead is useless in a shuffle
        self._places = places
        self._image_shape = tuple(image_shape)
        self._bytes_read = 0

    def __len__(self) -> int:
        return len(self._places)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, C, H, W)."""
        return (len(self), *self._image_shape)

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        """uint8 [B, C, H, W] in memory. Raises: OSError if the file has been truncated meanwhile."""
        if self._map.size() < len(self._map):  # reading past the end would kill the process
            raise OSError(None, "the file was cut short while it was read", str(self._file))
        n_whole = len(self._map) // math.prod(self._image_shape)
        file = np.frombuffer(self._map, np.uint8, n_whole * math.prod(self._image_shape))
        images = file.reshape(n_whole, *self._image_shape)[self._places[index].numpy()]
        self._bytes_read += images.nbytes
        if self._bytes_read > MAPPED_AT_ONCE:  # pages that were read count as memory of the process
            _advise(self._map, "MADV_DONTNEED")
            self._bytes_read = 0
        return torch.from_numpy(images)

    def part(self, indices: Tensor) -> "StoredImages":
        """The images at `indices`, in that order, still on disk."""
        part = copy.copy(self)
        part._places = self._places[indices]
        part.checksums = None if self.checksums is None else self.checksums[indices.numpy()]
        return part


class ImageStore:
    """A folder that keeps images by key, so that none is made twice.

    Several runs may use it at once: one adds images while the others wait, and no stored pixel is ever
    changed. Images saved before an interruption stay.
    """

    def __init__(self, folder: Path, image_shape: Sequence[int]):
        """folder: created when it is needed. image_shape: [C, H, W] of every image."""
        self.folder = folder
        self.image_shape = tuple(image_shape)
        self.image_bytes = math.prod(image_shape)

    def fetch(
        self,
        keys: Sequence[bytes],
        make: Callable[[list[int]], Iterable[np.ndarray | str]],
        doing: str,
    ) -> tuple[StoredImages | None, dict[int, str]]:
        """The images of those keys that have one, in the keys' order, and the reasons for the others.

        keys: all different; an image's key must change when the image does. make: yields, for positions
        in `keys`, the images, uint8 [C, H, W], or the reason why there is none; failed ones are tried again
        the next time. doing: a verb for the terminal ("decoding"). Returns None instead of images if there
        are none; the reasons are by position in `keys`.
        Raises: OptionError if the folder cannot be written or its disk is full.
        """
        # without the lock, so that a complete store can also be read from a read-only place
        with suppress(OSError, sqlite3.Error), closing(self._index("ro")) as index:
            index.execute("BEGIN")  # so that positions and generation are consistent
            places = self._places(index)
            if places.keys() >= set(keys):
                return self._images(index, places, keys), {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock(), closing(self._index("rwc")) as index:
                for table in TABLES:
                    index.execute(table)
                self._mend(index)
                places = self._places(index)
                missing = [position for position, key in enumerate(keys) if key not in places]
                self._make_room(index, [key for key in keys if key in places], len(missing))
                problems = self._add(index, keys, missing, make, doing)
                return self._images(index, self._places(index), keys), problems
        except (OSError, sqlite3.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise OptionError("cache_dir", f"cannot keep images in {self.folder} ({reason})") from None

    def _lock(self) -> AbstractContextManager:
        lock = FileLock(self.folder / "lock")
        try:
            return lock.acquire(timeout=1)
        except Timeout:
            print(f"waiting for another run that adds to {self.folder}", flush=True)
            return lock.acquire()

    def _index(self, mode: str) -> sqlite3.Connection:
        """The index of positions; SQLite's user_version is the generation of the file that it describes."""
        return sqlite3.connect(f"{(self.folder / 'index.sqlite').absolute().as_uri()}?mode={mode}", uri=True)

    def _file(self, generation: int) -> Path:
        return self.folder / f"images-{generation}.uint8"

    def _places(self, index: sqlite3.Connection) -> dict[bytes, int]:
        return dict(index.execute("SELECT key, place FROM images"))

    def _checksums(self, index: sqlite3.Connection) -> dict[bytes, int]:
        try:
            return dict(index.execute("SELECT key, checksum FROM checksums"))
        except sqlite3.OperationalError:  # no such table
            return {}

    def _images(
        self, index: sqlite3.Connection, places: dict[bytes, int], keys: Sequence[bytes]
    ) -> StoredImages | None:
        """Raises: OSError if the file is missing or shorter than the index says."""
        there = [key for key in keys if key in places]
        found = torch.tensor([places[key] for key in there])
        if not len(found):
            return None
        file = self._file(_generation(index))
        if file.stat().st_size < (int(found.max()) + 1) * self.image_bytes:
            raise OSError(None, "a file has become shorter")
        known = self._checksums(index)
        checksums = [known[key] for key in there if key in known]
        whole = len(checksums) == len(there)
        return StoredImages(file, found, self.image_shape, np.array(checksums, np.uint32) if whole else None)

    def _mend(self, index: sqlite3.Connection) -> None:
        """Discards a damaged file, and removes files that the index no longer uses."""
        generations = [int(path.stem.removeprefix("images-")) for path in self.folder.glob("images-*.uint8")]
        end = max(self._places(index).values(), default=-1) + 1
        file = self._file(_generation(index))
        if end == 0 or not file.exists() or file.stat().st_size < end * self.image_bytes:
            with index:  # start a new file: another run may still be reading this one
                index.execute("DELETE FROM images")
                index.execute("DELETE FROM checksums")
                index.execute(f"PRAGMA user_version = {max(generations, default=-1) + 1}")
        for generation in generations:
            if generation != _generation(index):
                with suppress(PermissionError):  # Windows does not delete a file that another run is reading
                    self._file(generation).unlink()

    def _make_room(self, index: sqlite3.Connection, kept: list[bytes], n_new: int) -> None:
        """Checks the free disk space, and drops images of other keys if they outnumber those kept.

        Raises: OSError if there is not enough space.
        """
        places = self._places(index)
        moves = n_new > 0 and len(places) > 2 * len(kept)
        needed = (n_new + (len(kept) if moves else 0)) * self.image_bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OSError(None, f"{needed // MIB:,} MiB needed, {free // MIB:,} free")
        if not moves:
            return
        old, generation = self._file(_generation(index)), _generation(index) + 1
        new = self._file(generation)  # other runs may be reading the old one
        with old.open("rb") as source, new.open("wb") as target:
            for key in kept:
                source.seek(places[key] * self.image_bytes)
                target.write(source.read(self.image_bytes))
            _sync(target)
        with index:
            index.execute("DELETE FROM images")
            index.executemany("INSERT INTO images VALUES (?, ?)", [(key, i) for i, key in enumerate(kept)])
            index.execute("DELETE FROM checksums WHERE key NOT IN (SELECT key FROM images)")
            index.execute(f"PRAGMA user_version = {generation}")
        with suppress(PermissionError):
            old.unlink()

    def _add(
        self,
        index: sqlite3.Connection,
        keys: Sequence[bytes],
        missing: list[int],
        make: Callable[[list[int]], Iterable[np.ndarray | str]],
        doing: str,
    ) -> dict[int, str]:
        """Makes the missing images and saves them in portions. Returns the reasons for those that failed."""
        if not missing:
            return {}
        print(f"{doing} {len(missing):,} images, which will be kept in {self.folder}", flush=True)
        file = self._file(_generation(index))
        place = max(self._places(index).values(), default=-1) + 1
        at_once = max(1, SAVED_AT_ONCE // self.image_bytes)
        problems: dict[int, str] = {}
        rows: list[tuple[bytes, int, int]] = []
        with file.open("r+b" if file.exists() else "w+b") as data:
            data.seek(place * self.image_bytes)  # overwrites what an interruption left half written
            made = with_progress(make(missing), len(missing), doing)
            for position, image in zip(missing, made, strict=True):
                if isinstance(image, str):
                    problems[position] = image
                    continue
                pixels = image.tobytes()
                data.write(pixels)
                rows.append((keys[position], place, zlib.crc32(pixels)))
                place += 1
                if len(rows) == at_once:
                    self._save(index, data, rows)
            self._save(index, data, rows)
        return problems

    def _save(self, index: sqlite3.Connection, data: BinaryIO, rows: list[tuple[bytes, int, int]]) -> None:
        """Syncs the pixels to disk, then commits their index rows; empties the rows."""
        _sync(data)
        with index:
            index.executemany("INSERT INTO images VALUES (?, ?)", [row[:2] for row in rows])
            index.executemany("INSERT OR REPLACE INTO checksums VALUES (?, ?)", [row[::2] for row in rows])
        rows.clear()


def _generation(index: sqlite3.Connection) -> int:
    """Number of times the file has been rewritten."""
    return index.execute("PRAGMA user_version").fetchone()[0]


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _advise(mapped: mmap.mmap, advice: str) -> None:
    if hasattr(mmap, advice):  # Windows has none
        mapped.madvise(getattr(mmap, advice))
