"""Lists the image files below a folder, each once, and counts everything else there."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vaegan.datasets.kinds import HEAD, IMAGE, UNREAD, kind_of
from vaegan.datasets.label_table import LABEL_TABLE
from vaegan.marks import what_made

SHOWN = 3  # folders named in a message


@dataclass
class Listing:
    """The contents of a folder. images: paths of images, in order. tables: paths of files called labels.csv.

    others: number of files that are neither images nor of a known kind. closed: folders that cannot be
    listed, each with the reason. unread: number of files of each kind that looks like images and is not read.
    ours: runs and pictures that vaegan made, each with its kind. again: number of links to images that are
    already listed. needless: links to folders that are read already, or that contain this one. itself: the
    kind of the folder, if vaegan made it.
    """

    root: Path
    images: list[Path] = field(default_factory=list)
    tables: list[Path] = field(default_factory=list)
    others: int = 0
    closed: list[tuple[Path, str]] = field(default_factory=list)
    unread: Counter[str] = field(default_factory=Counter)
    ours: list[tuple[Path, str]] = field(default_factory=list)
    again: int = 0
    needless: list[Path] = field(default_factory=list)
    itself: str | None = None

    def remarks(self) -> Iterator[str]:
        """One sentence for each thing that is left out."""
        for kind, count in sorted(self.unread.items()):
            yield f"not read: {count:,} {kind}; {UNREAD[kind]}"
        for made, plural in MADE.items():
            if folders := [folder for folder, what in self.ours if what == made]:
                yield f"left out: {self._named(folders, plural)}"
        if self.itself is not None:
            yield f"{self.root} is one of the {MADE[self.itself]}; its images are read, as requested"
        if self.again:
            yield f"left out: links to images that are there already, {self.again:,}"
        if self.needless:
            links = "links to folders that are read already or contain this one"
            yield f"left out: {self._named(self.needless, links)}"

    def _named(self, paths: list[Path], what: str) -> str:
        """The number of paths, and the names of the first ones."""
        shown = ", ".join(str(path.relative_to(self.root)) for path in sorted(paths)[:SHOWN])
        more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
        return f"{what}, {len(paths):,} ({shown}{more})"


MADE = {
    "run": "folders of runs",
    "ablation": "folders of ablations",
    "output": "folders that vaegan has filled",
}


def list_images(root: Path) -> Listing:
    """The files below the folder, including those in linked folders.

    Hidden files and folders, and all that vaegan made, are skipped; the folder itself is always read. If
    links lead to a file, it is listed at its own place if that is below the folder, else by the first path.
    """
    return _Walk(root).listing


class _Walk:
    """Walks through real folders first, then through links, and enters no folder twice."""

    def __init__(self, root: Path):
        self.listing = Listing(root)
        self.home = Path(os.path.realpath(root))
        self._seen: set[str] = set()
        self._folder_links: list[Path] = []
        self._file_links: list[Path] = []
        self._real: set[str] = set()  # real paths of image files that are not links
        self._made: dict[Path, str | None] = {}
        self._enter(root, str(self.home))
        while self._folder_links:
            self._folder_links.sort(reverse=True)
            self._follow(self._folder_links.pop())
        self._add_linked_files()
        self.listing.images.sort()

    def _enter(self, folder: Path, place: str) -> None:
        """folder: its path, perhaps through links. place: its real path."""
        waiting = [(folder, place)]
        while waiting:
            folder, place = waiting.pop()
            if place in self._seen:
                continue
            self._seen.add(place)
            try:
                with os.scandir(folder) as found:
                    entries = list(found)
            except OSError as error:
                self.listing.closed.append((folder, error.strerror))
                continue
            made = what_made({entry.name for entry in entries})
            if place == str(self.home):
                self.listing.itself = made
            elif made is not None:
                self.listing.ours.append((folder, made))
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                path = folder / entry.name
                if entry.is_symlink() or getattr(entry, "is_junction", bool)():  # junctions exist on Windows
                    (self._folder_links if path.is_dir() else self._file_links).append(path)
                elif entry.is_dir():
                    waiting.append((path, f"{place}{os.sep}{entry.name}"))
                elif entry.is_file() and self._add(path):
                    self._real.add(f"{place}{os.sep}{entry.name}")

    def _follow(self, link: Path) -> None:
        """Enters a linked folder, unless it contains the requested folder or was made by vaegan."""
        place = Path(os.path.realpath(link))
        if str(place) in self._seen or place in self.home.parents:
            self.listing.needless.append(link)
        elif (made := self._made_around(place)) is not None:
            self.listing.ours.append((link, made))
        else:
            self._enter(link, str(place))

    def _add_linked_files(self) -> None:
        for path in sorted(self._file_links):
            place = os.path.realpath(path)
            if place in self._real:
                self.listing.again += 1
            # a broken link is listed, so that it is reported as unreadable; reading a pipe would never end
            elif os.path.isfile(path) or not os.path.exists(path):
                if (made := self._made_around(Path(place).parent)) is not None:
                    self.listing.ours.append((path, made))
                elif self._add(path):
                    self._real.add(place)

    def _add(self, path: Path) -> bool:
        """Lists a file by its kind; returns True for an image."""
        kind = kind_of(path.name, lambda: first_bytes(path))
        if kind == IMAGE:
            self.listing.images.append(path)
        elif kind is not None:
            self.listing.unread[kind] += 1
        else:
            self.listing.others += 1
            if path.name.casefold() == LABEL_TABLE:
                self.listing.tables.append(path)
        return kind == IMAGE

    def _made_around(self, place: Path) -> str | None:
        """The kind of that folder or of one around it, if vaegan made it and the user did not ask for it."""
        if place == place.parent or place == self.home or place in self.home.parents:
            return None
        if place not in self._made:
            try:
                made = what_made(os.listdir(place))
            except OSError:
                made = None
            self._made[place] = made or self._made_around(place.parent)
        return self._made[place]


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file; b"" if it cannot be read, so that it counts as no image."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except OSError:
        return b""
    try:
        return os.read(file, HEAD)  # takes a fifth of the time of a buffered file
    except OSError:
        return b""
    finally:
        os.close(file)
