"""Reads archives: lists their files and returns the bytes of each. Nothing is unpacked to disk."""

import bz2
import gzip
import io
import lzma
import os
import posixpath
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

# exceptions that the readers of archives raise if an archive is damaged
DAMAGE = (OSError, EOFError, RuntimeError, ValueError, NotImplementedError, tarfile.TarError)
DAMAGE += (zipfile.BadZipFile, zlib.error, lzma.LZMAError)
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
MOST_LINKS = 8  # links in a row that are followed to a file of a tar


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    path: within the archive. key: the place of its bytes. order: smaller for members that can be read sooner.
    state: changes when the content does. encrypted: True if it cannot be read without a password.
    """

    archive: "Packed"
    path: PurePosixPath
    key: Any
    order: int
    state: str
    encrypted: bool = False

    @property
    def name(self) -> str:
        return self.path.name

    def open(self, mode: str = "rb") -> BinaryIO:
        """The content, in memory. Raises: one of DAMAGE."""
        return io.BytesIO(self.archive.read(self))


Listed = tuple[Member, Callable[[int], bytes]]  # a file, and a function that reads its first n bytes


class Packed:
    """An archive. Each process opens it by itself when it first reads from it, and keeps it open."""

    def __init__(self, file: Path):
        self.file = file
        self._opened: Any = None
        self._process: int | None = None

    def members(self) -> Iterator[Listed]:
        """The files of the archive. Raises: one of DAMAGE."""
        raise NotImplementedError

    def read(self, member: Member) -> bytes:
        """The bytes of a member. Raises: one of DAMAGE."""
        if self._process != os.getpid():  # in a shared file, processes move each other's position
            self._opened, self._process = self._open(), os.getpid()
        return self._read(member.key)

    def _open(self) -> Any:
        raise NotImplementedError

    def _read(self, key: Any) -> bytes:
        raise NotImplementedError

    def __reduce__(self):
        return type(self), (self.file,)


class Zip(Packed):
    """A zip archive."""

    def members(self) -> Iterator[Listed]:
        """The files of the archive. Raises: one of DAMAGE."""
        with zipfile.ZipFile(self.file) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    state = f"{info.CRC} {info.file_size}"
                    encrypted = bool(info.flag_bits & 1)
                    path = inner_path(info.filename)
                    member = Member(self, path, info.filename, info.header_offset, state, encrypted)
                    yield member, lambda n, info=info: opened.open(info).read(n)

    def _open(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.file)

    def _read(self, key: str) -> bytes:
        return self._opened.read(key)


class Tar(Packed):
    """A tar archive. Read the members of a compressed one in order: it cannot be read backwards."""

    def members(self) -> Iterator[Listed]:
        """The files of the archive, and the targets of its links. Raises: one of DAMAGE."""
        whole = self.file.stat()

        def listed(name: str, info: tarfile.TarInfo) -> Listed:
            state = f"{info.size} {info.mtime} of {whole.st_size} {whole.st_mtime_ns}"
            place = info.offset_data
            member = Member(self, PurePosixPath(name), (place, info.size), place, state)
            return member, lambda n: opened.extractfile(info).read(n)

        files: dict[str, tarfile.TarInfo] = {}
        with tarfile.open(self.file) as opened:
            for info in opened:
                name = str(inner_path(info.name))
                files[name] = info
                if info.isfile():
                    yield listed(name, info)
            for name, info in files.items():
                if (info.issym() or info.islnk()) and (target := _target(name, files)):
                    yield listed(name, target)

    def _read(self, key: tuple[int, int]) -> bytes:
        offset, size = key
        self._opened.seek(offset)
        return self._opened.read(size)

    def _open(self) -> BinaryIO:
        with self.file.open("rb") as file:
            start = file.read(max(map(len, COMPRESSED)))
        way = next((way for magic, way in COMPRESSED.items() if start.startswith(magic)), open)
        return way(self.file, "rb")


def _target(name: str, files: dict[str, tarfile.TarInfo]) -> tarfile.TarInfo | None:
    """The file of that name, or the file that the link of that name leads to; None if there is none."""
    for _ in range(MOST_LINKS):
        info = files.get(name)
        if info is None or not (info.issym() or info.islnk()):
            return info if info is not None and info.isfile() else None
        folder = posixpath.dirname(name) if info.issym() else ""
        name = str(inner_path(posixpath.normpath(posixpath.join(folder, info.linkname))))
    return None


def inner_path(name: str) -> PurePosixPath:
    """A member's path within the archive, without the parts that would lead out of it."""
    parts = name.replace("\\", "/").split("/")
    return PurePosixPath(*(part for part in parts if part not in ("", ".", "..")))
