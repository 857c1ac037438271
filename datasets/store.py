"""Images kept on disk, each made once: a flat file of uint8 pixels, and an index of what lies where."""

import copy
import math
import mmap
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import Progress
from torch import Tensor

from vaegan.errors import OptionError

MIB = 2**20
SAVED_AT_ONCE = 32 * MIB  # bytes of images between two savings: all that an interruption can cost
MAPPED_AT_ONCE = 64 * MIB  # bytes of the file that a reader keeps in its own memory


class StoredImages:
    """uint8 images [N, C, H, W] in a file, read when they are asked for.

    It stands in for a tensor of images that would not fit into memory: it has a `len` and a `shape`,
    and `images[indices]` or `images[a:b]` gives a tensor.
    """

    def __init__(self, file: Path, places: Tensor, image_shape: Sequence[int]):
        """places: int64 [N], where in the file each image lies. image_shape: [C, H, W]."""
        with file.open("rb") as opened:
            self._map = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        _advise(self._map, "MADV_RANDOM")  # a shuffle has no use for what lies next in the file
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
        """uint8 [B, C, H, W] in memory."""
        n_whole = len(self._map) // math.prod(self._image_shape)
        file = np.frombuffer(self._map, np.uint8, n_whole * math.prod(self._image_shape))
        images = file.reshape(n_whole, *self._image_shape)[self._places[index].numpy()]
        self._bytes_read += images.nbytes
        if self._bytes_read > MAPPED_AT_ONCE:  # what was read counts as the process's until it is given back
            _advise(self._map, "MADV_DONTNEED")
            self._bytes_read = 0
        return torch.from_numpy(images)

    def part(self, indices: Tensor) -> "StoredImages":
        """Some of the images, in that order, still on disk."""
        part = copy.copy(self)
        part._places = self._places[indices]
        return part


class ImageStore:
    """A folder that keeps the images made for some keys, so that none is made twice.

    Several runs may use it at once: one adds to it while the others wait, and no pixel that is there
    is ever changed. What was saved before an interruption stays.
    """

    def __init__(self, folder: Path, image_shape: Sequence[int]):
        """folder: made when it is needed. image_shape: [C, H, W] of every image."""
        self.folder = folder
        self.image_shape = tuple(image_shape)
        self.image_bytes = math.prod(image_shape)

    def fetch(
        self,
        keys: Sequence[bytes],
        make: Callable[[list[int]], Iterable[np.ndarray | str]],
        doing: str,
    ) -> tuple[StoredImages | None, dict[int, str]]:
        """The images of those keys that have one, in the keys' order, and why the others have none.

        keys: all different; an image's key must change when the image would. make: yields, for positions
        in `keys`, the images, uint8 [C, H, W], or why there is none. doing: for the terminal ("decoding").
        Returns None for images where there are none, and the reasons by their positions in `keys`.
        Raises: OptionError when the folder cannot be written or its disk is full.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._lock(), closing(sqlite3.connect(self.folder / "index.sqlite")) as index:
                places = self._places(index)
                missing = [position for position, key in enumerate(keys) if key not in places]
                problems = {}
                if missing:
                    self._make_room(index, [key for key in keys if key in places], len(missing))
                    problems = self._add(index, keys, missing, make, doing)
                    places = self._places(index)
                found = torch.tensor([places[key] for key in keys if key in places])
                images = StoredImages(self._file(index), found, self.image_shape) if len(found) else None
                return images, problems
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

    def _file(self, index: sqlite3.Connection) -> Path:
        return self.folder / f"images-{_generation(index)}.uint8"

    def _places(self, index: sqlite3.Connection) -> dict[bytes, int]:
        """Where in the file each key's image lies; nothing when the file is shorter than it should be."""
        index.execute("CREATE TABLE IF NOT EXISTS images (key BLOB PRIMARY KEY, place INTEGER) WITHOUT ROWID")
        places = dict(index.execute("SELECT key, place FROM images"))
        file = self._file(index)
        there = file.stat().st_size if file.exists() else 0
        if places and there < (max(places.values()) + 1) * self.image_bytes:
            with index:
                index.execute("DELETE FROM images")
            return {}
        return places

    def _make_room(self, index: sqlite3.Connection, kept: list[bytes], n_new: int) -> None:
        """See that the disk has room, and drop the images of other keys when they are more than those kept.

        Raises: OSError when there is no room.
        """
        needed = n_new * self.image_bytes
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise OSError(None, f"{needed // MIB:,} MiB needed, {free // MIB:,} free")
        places = self._places(index)
        if len(places) <= 2 * len(kept):
            return
        old = self._file(index)
        generation = _generation(index) + 1
        new = self.folder / f"images-{generation}.uint8"  # other runs may be reading the old one
        with old.open("rb") as source, new.open("wb") as target:
            for key in kept:
                source.seek(places[key] * self.image_bytes)
                target.write(source.read(self.image_bytes))
            _sync(target)
        with index:
            index.execute("DELETE FROM images")
            index.executemany("INSERT INTO images VALUES (?, ?)", [(key, i) for i, key in enumerate(kept)])
            index.execute(f"PRAGMA user_version = {generation}")
        with suppress(PermissionError):  # Windows keeps what another run is reading
            old.unlink()

    def _add(
        self,
        index: sqlite3.Connection,
        keys: Sequence[bytes],
        missing: list[int],
        make: Callable[[list[int]], Iterable[np.ndarray | str]],
        doing: str,
    ) -> dict[int, str]:
        """Make the missing images and save them, some at a time; returns why some could not be made."""
        file = self._file(index)
        place = max(self._places(index).values(), default=-1) + 1
        at_once = max(1, SAVED_AT_ONCE // self.image_bytes)
        problems = {}
        console = Console(highlight=False, soft_wrap=True, markup=False)
        console.print(f"{doing} {len(missing):,} images, to be kept in {self.folder}")
        progress = Progress(console=console, transient=True, disable=not console.is_terminal)
        with file.open("r+b" if file.exists() else "w+b") as data, progress:
            task = progress.add_task(doing, total=len(missing))
            data.seek(place * self.image_bytes)  # over what an interruption left half written
            made = iter(make(missing))
            for start in range(0, len(missing), at_once):
                rows = []
                for position, image in zip(missing[start : start + at_once], made, strict=False):
                    if isinstance(image, str):
                        problems[position] = image
                        continue
                    data.write(image.tobytes())
                    rows.append((keys[position], place))
                    place += 1
                _sync(data)  # before the index speaks of it
                with index:
                    index.executemany("INSERT INTO images VALUES (?, ?)", rows)
                progress.update(task, completed=start + at_once)
        return problems


def _generation(index: sqlite3.Connection) -> int:
    """How often the file has been written anew."""
    return index.execute("PRAGMA user_version").fetchone()[0]


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _advise(mapped: mmap.mmap, advice: str) -> None:
    if hasattr(mmap, advice):  # Windows has none
        mapped.madvise(getattr(mmap, advice))
