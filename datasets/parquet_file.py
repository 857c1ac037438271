"""Reads rows of parquet files with a column of complete image files, as Hugging Face writes them."""

import io
import json
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, BinaryIO

from vaegan.errors import OptionError

ROWS_AT_ONCE = 32  # decoded images are small, the files in these rows may be large
BUFFER = 2**20  # bytes of a column that are read at once; without a buffer, a whole row group would be


class ParquetFile:
    """A parquet file. Each process opens it by itself when it first reads from it, and keeps it open.

    Read rows in order: within a row group it cannot be read backwards.
    """

    def __init__(self, path: Path):
        """Raises: OptionError without pyarrow and for a file that cannot be read."""
        self.path = path
        self._process: int | None = None
        with self._open() as opened:
            metadata = opened.metadata
            groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
            self._starts = [0, *accumulate(groups)]
            self.schema = opened.schema_arrow

    def __len__(self) -> int:
        return self._starts[-1]

    @cached_property
    def features(self) -> dict[str, dict[str, Any]]:
        """Hugging Face's description of each column; empty if there is none."""
        try:
            noted = json.loads((self.schema.metadata or {})[b"huggingface"])["info"]["features"]
            return {name: feature for name, feature in noted.items() if isinstance(feature, dict)}
        except (KeyError, TypeError, ValueError, AttributeError):
            return {}

    def column(self, name: str) -> list[Any]:
        """All values of a column, in memory."""
        with self._open() as opened:
            return opened.read([name], use_threads=False).column(0).to_pylist()

    def value(self, column: str, row: int) -> Any:
        """One value of a column."""
        if self._process != os.getpid():  # in a shared file, processes move each other's position
            self._opened, self._process, self._at = self._open(), os.getpid(), None
        group = bisect_right(self._starts, row) - 1
        if self._at != (column, group) or row < self._first:
            self._at, self._first, self._batch = (column, group), self._starts[group], ()
            self._batches = self._opened.iter_batches(
                ROWS_AT_ONCE, row_groups=[group], columns=[column], use_threads=False
            )
        while row >= self._first + len(self._batch):
            self._first += len(self._batch)
            self._batch = next(self._batches).column(0)
        return self._batch[row - self._first].as_py()

    def _open(self):
        try:
            from pyarrow.parquet import ParquetFile as Opened
        except ImportError:
            problem = "pyarrow, which reads parquet files, is missing; pip install 'vaegan[parquet]'"
            raise OptionError("dataset", problem) from None
        try:
            return Opened(self.path, buffer_size=BUFFER)
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            problem = f"{self.path.name} cannot be read ({reason}); copy or download it again"
            raise OptionError("dataset", problem) from None

    def __reduce__(self):
        return type(self), (self.path,)


@dataclass(frozen=True)
class ImageRow:
    """The image file in one row of a parquet file."""

    file: ParquetFile
    column: str
    row: int

    @property
    def name(self) -> str:
        return f"{self.file.path.name}[{self.row}]"

    def open(self, mode: str = "rb") -> BinaryIO:
        """Raises: ValueError for a row without an image."""
        value = self.file.value(self.column, self.row)
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            path = value.get("path") if isinstance(value, dict) else None
            raise ValueError(f"holds the path {path} and no image" if path else "holds no image")
        return io.BytesIO(content)


def image_columns(file: ParquetFile) -> Iterator[str]:
    """The columns of images, by Hugging Face's description, or else by their types and names."""
    from pyarrow import types

    for field in file.schema:
        kind = field.type
        parts = {kind.field(i).name for i in range(kind.num_fields)} if types.is_struct(kind) else set()
        noted = file.features.get(field.name, {}).get("_type")
        bare = types.is_binary(kind) or types.is_large_binary(kind)
        if "bytes" in parts or bare:
            named = field.name.casefold() in ("image", "img", "images", "bytes", "image_bytes", "jpg", "png")
            if noted == "Image" or (noted is None and (parts == {"bytes", "path"} or named)):
                yield field.name
