"""Finds a file's kind by its first bytes, and by its name if these are not enough."""

import os
from collections.abc import Callable
from functools import cache

from PIL import Image

IMAGE = "image"
HEAD = 64  # bytes that are enough to recognise a kind
# kinds of files that look like images and are not read, and what to do with them
UNREAD = {
    "HEIC": "convert them to JPEG or PNG",
    "AVIF": "convert them to JPEG or PNG",
    "JPEG XL": "convert them to JPEG or PNG",
    "SVG": "convert them to PNG",
    "RAW": "develop them into JPEG, PNG or TIFF",
    "video": "extract images from them",
    "parquet": "--dataset accepts one of them, or their folder",
}
ENDINGS = {
    "HEIC": (".heic", ".heif", ".hif"),
    "AVIF": (".avif", ".avifs"),
    "JPEG XL": (".jxl",),
    "SVG": (".svg", ".svgz"),
    "RAW": (
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos"),
        *(".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    ),
    "parquet": (".parquet",),
    "video": (
        *(".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpe", ".mpeg", ".mpg", ".mts"),
        *(".ogv", ".webm", ".wmv"),
    ),
}
BRANDS = {  # of the box `ftyp`, which stands at the start of Apple's and MPEG's formats
    "HEIC": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
    "AVIF": (b"avif", b"avis"),
    "RAW": (b"crx ",),
}
STARTS = {
    IMAGE: (
        *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*", b"8BPS\0\1"),
        *(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"qoif"),
    ),
    "JPEG XL": (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"),
    "SVG": (b"<svg",),
    "video": (b"\x1aE\xdf\xa3", b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1"),
    "RAW": (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb"),
}


def image_endings() -> set[str]:
    """The endings of file names (".png") that Pillow can read."""
    Image.init()
    return {ending for ending, format in Image.registered_extensions().items() if format in Image.OPEN}


def kind_of(name: str, head: Callable[[], bytes]) -> str | None:
    """`IMAGE` for a file that Pillow reads, a kind of `UNREAD`, or None for any other file.

    head: reads the first bytes; called only if the name's ending is not that of an image.
    """
    ending = os.path.splitext(name)[1].lower()  # many times as fast as `Path.suffix`
    by_name = _kinds().get(ending)
    if by_name == IMAGE:
        return IMAGE
    by_content = content_kind(head())
    if by_name == "RAW" and by_content == IMAGE:  # most are TIFFs, and Pillow would read only their thumbnail
        return by_name
    return by_content or by_name


def content_kind(head: bytes) -> str | None:
    """The kind that the first bytes indicate; None if they indicate none."""
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        kind = next((kind for kind, brands in BRANDS.items() if brand in brands), "video")
        kind = None if brand[:3] == b"M4A" else kind  # sound
    elif head[:4] == b"RIFF":
        kind = {b"WEBP": IMAGE, b"AVI ": "video"}.get(head[8:12])
    elif head[:2] == b"BM" and head[6:10] == b"\0\0\0\0" and len(head) > 26:
        kind = IMAGE
    else:
        kind = next((kind for kind, starts in STARTS.items() if head.startswith(starts)), None)
    return IMAGE if kind in _readable() else kind


@cache
def _kinds() -> dict[str, str]:
    """The kind that each ending stands for."""
    unread = {ending: kind for kind, endings in ENDINGS.items() for ending in endings}
    read = {ending: IMAGE for ending in image_endings()}
    return unread | read | {ending: "video" for ending in ENDINGS["video"]}  # Pillow only lists MPEG


@cache
def _readable() -> set[str]:
    """The kinds of `UNREAD` that this Pillow, or a plug-in of it, can read."""
    return {kind for kind, endings in ENDINGS.items() if kind != "video" and endings[0] in image_endings()}
