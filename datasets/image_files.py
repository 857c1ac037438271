"""Image files in a folder, in an archive, or in the rows of a table."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path

import numpy as np

from vaegan.datasets.base import Splits
from vaegan.datasets.collection import Collection
from vaegan.datasets.decode import Openable, decode, in_parallel
from vaegan.datasets.depth import ValueRange
from vaegan.datasets.depth_scan import Depth, remember, remembered, scan


class ImageFiles(Collection):
    """A source of files that Pillow reads, with one range of values for all files of more than 8 bits."""

    @property
    def files(self) -> Sequence[Path | Openable]:
        """The file of each image, in the order of `names`."""
        raise NotImplementedError

    @property
    def remarks(self) -> tuple[str, ...]:
        remark = self._depth.remark(len(self.names), self.request.value_range)
        return (remark,) if remark else ()

    @property
    def value_range(self) -> ValueRange | None:
        """One range for all files: the given one, or else the range found from their values."""
        return self._depth.value_range(self.request.value_range)

    @cached_property
    def _depth(self) -> Depth:
        kept = None if self._in_memory else remembered(self._depth_file, self._state)
        files = [self.files[i] for i in self.reading_order]
        return kept or scan(files, values=self.request.value_range is None)

    @property
    def _depth_file(self) -> Path:
        return self.request.cache_dir / self.own_cache / "depth.json"

    @cached_property
    def _state(self) -> str:
        """A hash that changes when one of the files does."""
        return hashlib.blake2b(b"\0".join(self.stamps), digest_size=16).hexdigest()

    def load(self) -> Splits:
        splits = super().load()
        if not self._in_memory and self.request.value_range is None:
            remember(self._depth_file, self._state, self._depth)
        return splits

    def decoded(self, positions: Sequence[int]) -> Iterator[np.ndarray | str]:
        return in_parallel([self.files[i] for i in positions], partial(decode, square=self.square))
