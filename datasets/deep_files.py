"""Reads values of more than 8 bits from image files.

Pillow reads grey images with all their bits. For colour images it keeps the upper 8 of 16 bits, which are
black if an image uses only the lower 12. This module reads both halves of such values.
"""

import io
import re
import sys

import numpy as np
from PIL import Image

from vaegan.datasets.depth import Extent, ValueRange, range_from, to_8_bits

PNG = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH = 24  # position of the byte that holds the number of bits of a value
HEAD = 32  # bytes at a file's start that are needed to recognise its kind
AT_MOST_8_BITS = (b"\xff\xd8\xff", b"GIF8", b"BM")  # how JPEG, GIF and BMP files begin
OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}  # of a value's two bytes
ORIENTATION = 0x0112  # EXIF tag
BITS, SAMPLE_FORMAT, UNSIGNED = 258, 339, 1  # TIFF tags, and a value of the second
FULL = 2**16 - 1


def may_be_deep(head: bytes) -> bool:
    """True if a file that begins with these bytes may have more than 8 bits a value."""
    if head.startswith(PNG):
        return head[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10"
    return not head.startswith(AT_MOST_8_BITS) and head[8:12] != b"WEBP"


def is_deep(image: Image.Image) -> bool:
    """True if the opened image has more than 8 bits a value, according to its header."""
    halved = ";16" in _raw_mode(image) or _ppm_most(image) > 255
    return _is_grey(image) or halved or _tag(image, BITS, 8) > 8


def values_of(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of an opened image with more than 8 bits, [H, W] or [H, W, C], and its alpha, [H, W].

    Alpha is None if nothing is transparent; it has as many bits as the values.
    Raises: ValueError for an image stored in a layout that is not supported.
    """
    raw_mode = _raw_mode(image)
    if _is_grey(image):
        image.load()
        values = np.asarray(image)
        if values.dtype == np.int32 and _tag(image, SAMPLE_FORMAT, UNSIGNED) == UNSIGNED:
            values = values.view(np.uint32)
    elif _ppm_most(image) > 255:
        values = _ppm_colours(image)
    elif raw_mode == "LA;16B":  # four bytes a pixel, as RGBA has
        upper, lower, *alpha = np.moveaxis(_read_as(image, "RGBA").astype(np.uint16), -1, 0)
        return upper * 256 + lower, alpha[0] * 256 + alpha[1]
    elif re.fullmatch("(RGB|RGBA|RGBX|CMYK);16[LBN]", raw_mode):
        other = raw_mode[:-1] + OTHER_ORDER[raw_mode[-1]]
        upper, lower = _read_as(image, raw_mode), _read_as(image, other)
        values = upper.astype(np.uint16) * 256 + lower
    else:
        raise ValueError(f"its layout of more than 8 bits a value ({raw_mode}) is not read; save it as PNG")
    if image.mode == "RGBA":
        return values[..., :3], values[..., 3]
    key = image.info.get("transparency")  # the value or the colour that is transparent
    if key is None:
        return values, None
    seen = values != key if values.ndim == 2 else (values != np.array(key)).any(-1)
    return values, np.where(seen, FULL, 0)


def in_8_bits(image: Image.Image, value_range: ValueRange | None) -> Image.Image:
    """The opened image; if it has more than 8 bits, its values are scaled from `value_range` to 0 to 255.

    Raises: ValueError for such an image without a range, since the image's own range would be a guess.
    """
    if not is_deep(image):
        return image
    if value_range is None:
        raise ValueError("more than 8 bits a value, and nothing says which is white; save it with 8 bits")
    values, alpha = values_of(image)
    mode = "L" if values.ndim == 2 else "CMYK" if values.shape[-1] == 4 else "RGB"
    scaled = Image.frombytes(mode, image.size, to_8_bits(values, value_range).tobytes())
    if alpha is not None:
        opaque = range_from(Extent(0, max(0, value_range[1]), whole=True))
        scaled.putalpha(Image.frombytes("L", image.size, to_8_bits(alpha, opaque).tobytes()))
    if image.format != "TIFF":  # Pillow turns a TIFF as it reads it
        scaled.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return scaled


def extent_in(image: Image.Image) -> Extent | None:
    """The extent of the opened image's values; None for at most 8 bits, or if no value is a number."""
    return Extent.of(values_of(image)[0]) if is_deep(image) else None


def _is_grey(image: Image.Image) -> bool:
    """True for an image of one value a pixel, which Pillow reads with all its bits."""
    return image.mode.startswith("I") or image.mode == "F"


def _tag(image: Image.Image, number: int, default: int) -> int:
    """A TIFF's tag (the first of several values); the default if there is none."""
    return image.tag_v2.get(number, (default,))[0] if image.format == "TIFF" else default


def _raw_mode(image: Image.Image) -> str:
    """The layout of the opened image's values in the file, as Pillow names it; "" if it gives none."""
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _read_as(image: Image.Image, raw_mode: str) -> np.ndarray:
    """The bytes of the opened image read in that raw mode, uint8 [H, W, C]; the image itself stays unread."""
    position = image.fp.tell()
    image.fp.seek(0)
    content = io.BytesIO(image.fp.read())
    image.fp.seek(position)
    with Image.open(content) as again:
        again.tile = [_in_raw_mode(tile, raw_mode) for tile in again.tile]
        again.load()
        return np.asarray(again)


def _in_raw_mode(tile: tuple, raw_mode: str) -> tuple:
    """A tile (a part of a file as Pillow describes it), changed to be read in another raw mode."""
    args = (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)  # before Pillow 11


def _ppm_most(image: Image.Image) -> int:
    """The value of white in a colour PPM; 0 for all other images."""
    if image.format != "PPM" or image.mode != "RGB" or not isinstance(image.tile[0][3], tuple):
        return 0
    return image.tile[0][3][1]


def _ppm_colours(image: Image.Image) -> np.ndarray:
    """The values of a colour PPM, uint16 [H, W, 3], with white at 65535 as in grey ones."""
    codec, _, start, _ = image.tile[0]
    image.fp.seek(start)
    content = image.fp.read()
    if codec == "ppm_plain":
        values = np.array(re.sub(rb"#[^\n]*", b"", content).split(), np.int64)
    else:
        values = np.frombuffer(content, ">u2", image.width * image.height * 3)
    shares = values.reshape(image.height, image.width, 3) / _ppm_most(image)
    return (shares.clip(0, 1) * FULL).round().astype(np.uint16)
