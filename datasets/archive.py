"""An archive of images: .zip and .tar, compressed or not. Nothing is unpacked to disk."""

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath

from vaegan.datasets.base import Request
from vaegan.datasets.image_files import ImageFiles
from vaegan.datasets.kinds import HEAD, IMAGE, kind_of
from vaegan.datasets.label_table import LABEL_TABLE, table_text
from vaegan.datasets.layout import Layout, read_layout
from vaegan.datasets.listing import Listing
from vaegan.datasets.packed import DAMAGE, Member, Tar, Zip
from vaegan.datasets.readers import ends_with, register_reader
from vaegan.errors import OptionError
from vaegan.marks import what_made

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")


@register_reader("an archive of images (.zip, .tar, .tar.gz)", ends_with(*ENDINGS))
class Archive(ImageFiles):
    """The images in an archive, as if it were a folder with the same files.

    Members that are encrypted or damaged are listed as files that cannot be read. The cache identifies an
    image by its path and checksum (zip), or by its path and times and the archive's size and time (tar).
    """

    kind = "image files"
    cached_in = "archives"

    def __init__(self, request: Request, path: Path):
        super().__init__(request, path)
        self._packed = (Zip if zipfile.is_zipfile(path) else Tar)(path)

    @cached_property
    def names(self) -> list[Path]:
        """The path of each image: the archive's path, then the path inside it, in order.

        Raises: OptionError for an archive without images.
        """
        return [self.root / member.path for member in self.files]

    @property
    def unopened(self) -> list[tuple[Path, str]]:
        """The archive itself, with the reason, if it ends too early."""
        return self._listing.closed

    @property
    def labels(self):
        return self._layout.labels

    @property
    def held_out(self):
        return self._layout.held_out

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*self._listing.remarks(), *self._layout.remarks, *super().remarks)

    @property
    def reading_order(self) -> Sequence[int]:
        return sorted(range(len(self.files)), key=lambda i: self.files[i].order)

    def stamp(self, position: int) -> bytes:
        member = self.files[position]
        return f"{member.path}\0{member.state}".encode(errors="surrogateescape")

    @cached_property
    def files(self) -> list[Member]:
        everything = self._found[1]
        return [everything[i] for i in self._layout.kept]

    @property
    def _listing(self) -> Listing:
        return self._found[0]

    @cached_property
    def _layout(self) -> Layout:
        _, images, tables = self._found
        asked = self.request
        paths = [image.path for image in images]
        return read_layout(paths, tables, new_split=asked.split is not None, labelled=asked.labels == "auto")

    @cached_property
    def _found(self) -> tuple[Listing, list[Member], dict[PurePosixPath, str]]:
        """A `Listing` with the counts, all images in the order of their paths, and the texts of label tables.

        Raises: OptionError for a file that is no archive, for one without images, and if all are encrypted.
        """
        listing, images, tables = Listing(self.root), {}, {}
        inside = defaultdict(set)  # what lies in each folder
        try:
            for member, start in self._packed.members():
                for path in (member.path, *member.path.parents):
                    inside[path.parent].add(path.name)
                if not _hidden(member.path):
                    self._sort(member, start, listing, images, tables)
        except DAMAGE as error:
            if not images:
                problem = f"cannot be read as an archive ({_reason(error)}); copy or download it again"
                raise OptionError("dataset", problem) from None
            listing.closed.append((self.root, f"its end is missing ({_reason(error)})"))
        made = {folder: what_made(names) for folder, names in inside.items() if folder.name}
        made = {folder: what for folder, what in made.items() if what is not None}
        listing.ours = [(self.root / folder, what) for folder, what in made.items()]
        found = [images[path] for path in sorted(images) if made.keys().isdisjoint(path.parents)]
        if not found:
            problem = f"no image in {self.root} ({listing.others:,} other files found)"
            raise OptionError("dataset", "; ".join([problem, *listing.remarks()]))
        if all(member.encrypted for member in found):
            raise OptionError("dataset", "its images are encrypted; unpack it and give the folder")
        return listing, found, tables

    def _sort(self, member: Member, start, listing: Listing, images: dict, tables: dict) -> None:
        """Files a member under images, tables, unread or others.

        If two members have the same path, the later one counts, as when the archive is unpacked.
        """

        def read(n: int) -> bytes:
            with suppress(*DAMAGE):
                return start(n)
            return b""

        path = member.path
        kind = kind_of(path.name, lambda: read(HEAD))
        if kind == IMAGE:
            images[path] = member
        elif kind is not None:
            listing.unread[kind] += 1
        else:
            listing.others += 1
            if path.name.casefold() == LABEL_TABLE:
                tables[path] = table_text(read(-1))


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def _reason(error: Exception) -> str:
    text = (str(error) or "it ends too early").splitlines()[0]
    return f"{type(error).__name__}: {text.rstrip(':')}"
