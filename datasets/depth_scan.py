"""Finds the files with more than 8 bits a value in a folder, and the range that they share."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vaegan.datasets.decode import Openable, in_parallel, read
from vaegan.datasets.deep_files import HEAD, extent_in, is_deep, may_be_deep
from vaegan.datasets.depth import Extent, ValueRange, range_from, said
from vaegan.files import write_whole
from vaegan.progress import with_progress


@dataclass(frozen=True)
class Depth:
    """The number of image files with more than 8 bits a value, and the extent of all their values.

    extent: None if there are none, or if it was not requested. mixed: True if some files hold integers and
    others fractions.
    """

    n_deep: int = 0
    extent: Extent | None = None
    mixed: bool = False

    def value_range(self, given: ValueRange | None) -> ValueRange | None:
        """The given range, or else the range found; None if no file needs one."""
        if not self.n_deep:
            return None
        return given or (self.extent and range_from(self.extent))

    def remark(self, n_files: int, given: ValueRange | None) -> str | None:
        """A sentence on how files with more than 8 bits are read; None if there is nothing to report."""
        if given and not self.n_deep:
            return f"no image file has more than 8 bits a value; --value-range {said(given)} changes nothing"
        value_range = self.value_range(given)
        if value_range is None:
            return None
        how = "as given"
        if not given:
            ends = said((self.extent.least, self.extent.greatest)).replace(",", " to ")
            how = f"found from all their values, {ends}; --value-range LO,HI sets others"
            how += "; integers and fractions are mixed, so one range hardly fits both" if self.mixed else ""
        black, white = said(value_range).split(",")
        others = "; the others stay as they are" if self.n_deep < n_files else ""
        return (
            f"{self.n_deep:,} of {n_files:,} image files have more than 8 bits a value: {black} becomes "
            f"black and {white} white ({how}){others}"
        )


def scan(files: Sequence[Path | Openable], values: bool = True) -> Depth:
    """The depth of those files; decodes only those with more than 8 bits.

    values: True to find their extent; otherwise nothing is decoded. Unreadable files are not counted.
    """
    # in an archive, reading the start of a file takes as long as all of it: leave that to several processes
    candidates = [file for file in files if not isinstance(file, Path) or _begins_deep(file)]
    looked_at = in_parallel(candidates, _extent if values else _deep)
    found = list(with_progress(looked_at, len(candidates), "finding the range of values"))
    if not values:
        return Depth(sum(each is True for each in found))
    extents = [each for each in found if isinstance(each, Extent)]
    if not extents:
        return Depth()
    mixed = len({each.whole for each in extents}) == 2
    return Depth(len(extents), Extent.around(extents), mixed)


def _begins_deep(file: Path) -> bool:
    try:
        with open(file, "rb", buffering=0) as opened:
            return may_be_deep(opened.read(HEAD))
    except OSError:
        return False


def _extent(file: Path | Openable) -> Extent | str | None:
    return read(file, extent_in)


def _deep(file: Path | Openable) -> bool | str:
    return read(file, is_deep)


def remembered(file: Path, state: str) -> Depth | None:
    """The depth that `remember` wrote for the same state of a folder; None if there is none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["state"] == state:
            depth = kept["depth"]
            return Depth(depth["n_deep"], depth["extent"] and Extent(**depth["extent"]), depth["mixed"])
    return None


def remember(file: Path, state: str, depth: Depth) -> None:
    """Saves the depth for the next start. If the file cannot be written, the next start scans again."""
    text = json.dumps({"state": state, "depth": asdict(depth)})
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
