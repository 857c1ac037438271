"""Which of a folder's files have more than 8 bits a value, and the range that they share."""

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
    """How many image files have more than 8 bits a value, and the extent of all these values.

    extent: None where there is none, or where it was not asked for. mixed: whether integers lie beside
    fractions.
    """

    n_deep: int = 0
    extent: Extent | None = None
    mixed: bool = False

    def value_range(self, given: ValueRange | None) -> ValueRange | None:
        """The given range or what is found; None where no file needs one."""
        if not self.n_deep:
            return None
        return given or (self.extent and range_from(self.extent))

    def remark(self, n_files: int, given: ValueRange | None) -> str | None:
        """How the files with more than 8 bits are read; None where there is nothing to say."""
        if given and not self.n_deep:
            return f"no image file has more than 8 bits a value; --value-range {said(given)} changes nothing"
        value_range = self.value_range(given)
        if value_range is None:
            return None
        how = "as given"
        if not given:
            ends = said((self.extent.least, self.extent.greatest)).replace(",", " to ")
            how = f"found from all their values, {ends}; --value-range LO,HI sets others"
            how += "; integers and fractions are mixed, which one range hardly fits" if self.mixed else ""
        black, white = said(value_range).split(",")
        others = "; the others stay as they are" if self.n_deep < n_files else ""
        return (
            f"{self.n_deep:,} of {n_files:,} image files have more than 8 bits a value: {black} becomes "
            f"black and {white} white ({how}){others}"
        )


def scan(files: Sequence[Path | Openable], values: bool = True) -> Depth:
    """The depth of those files, of which only those are decoded that have more than 8 bits.

    values: whether their extent is asked for; without it, nothing is decoded. A file that cannot be read
    counts as none.
    """
    # the starts of files in an archive take as long as all of them, which several processes read at once
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
    """What `remember` wrote for the same state of a folder."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept["state"] == state:
            depth = kept["depth"]
            return Depth(depth["n_deep"], depth["extent"] and Extent(**depth["extent"]), depth["mixed"])
    return None


def remember(file: Path, state: str, depth: Depth) -> None:
    """Keep what was found for the next start; where nothing can be written, that looks again."""
    text = json.dumps({"state": state, "depth": asdict(depth)})
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, lambda path: path.write_text(text, encoding="utf-8"))
