"""Values of more than 8 bits out of image files.

Pillow reads grey images with all their bits. Of colours it keeps the upper 8 of 16, which are black in an
image that fills only the lower 12; both halves of such values are read here.
"""

import io
import re
import sys

import numpy as np
from PIL import Image

from vaegan.datasets.depth import Extent, ValueRange, range_from, to_8_bits

PNG = b"\x89PNG\r\n\x1a\n"
PNG_DEPTH = 24  # the byte with the bits of a value
HEAD = 32  # bytes at a file's start that tell what it may hold
AT_MOST_8_BITS = (b"\xff\xd8\xff", b"GIF8", b"BM")  # how JPEG, GIF and BMP files begin
OTHER_ORDER = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}  # of a value's two bytes
ORIENTATION = 0x0112  # EXIF tag
BITS, SAMPLE_FORMAT, UNSIGNED = 258, 339, 1  # TIFF tags, and a value of the second
FULL = 2**16 - 1


def may_be_deep(head: bytes) -> bool:
    """Whether a file that begins with these bytes may have more than 8 bits a value."""
    if head.startswith(PNG):
        return head[PNG_DEPTH : PNG_DEPTH + 1] == b"\x10"
    return not head.startswith(AT_MOST_8_BITS) and head[8:12] != b"WEBP"


def is_deep(image: Image.Image) -> bool:
    """Whether the opened image has more than 8 bits a value; told from its header."""
    halved = ";16" in _raw_mode(image) or _ppm_most(image) > 255
    return _is_grey(image) or halved or _tag(image, BITS, 8) > 8


def values_of(image: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """The values of an opened image with more than 8 bits, [H, W] or [H, W, C], and its alpha, [H, W].

    Alpha, None where nothing is transparent, has as many bits as the values.
    Raises: ValueError for an image that is stored in a way that is not read.
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
    key = image.info.get("transparency")  # the value or the colour that is
    if key is None:
        return values, None
    seen = values != key if values.ndim == 2 else (values != np.array(key)).any(-1)
    return values, np.where(seen, FULL, 0)


def in_8_bits(image: Image.Image, value_range: ValueRange | None) -> Image.Image:
    """The opened image; if it has more than 8 bits, with its values scaled from that range to 0 to 255.

    Raises: ValueError for such an image where there is no range: its own would be a guess.
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
    if image.format != "TIFF":  # which Pillow has turned as it read it
        scaled.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return scaled


def extent_in(image: Image.Image) -> Extent | None:
    """The extent of the opened image's values; None for an image of at most 8 bits, and without a number."""
    return Extent.of(values_of(image)[0]) if is_deep(image) else None


def _is_grey(image: Image.Image) -> bool:
    """Whether it has one value a pixel, which Pillow reads with all its bits."""
    return image.mode.startswith("I") or image.mode == "F"


def _tag(image: Image.Image, number: int, default: int) -> int:
    """A TIFF's tag, of several values the first; the default where there is none."""
    return image.tag_v2.get(number, (default,))[0] if image.format == "TIFF" else default


def _raw_mode(image: Image.Image) -> str:
    """How the opened image's values lie in the file, in Pillow's words; empty where it does not say."""
    tiles = getattr(image, "tile", None)
    args = tiles[0][3] if tiles else ""
    first = args[0] if isinstance(args, tuple) and args else args
    return first if isinstance(first, str) else ""


def _read_as(image: Image.Image, raw_mode: str) -> np.ndarray:
    """The bytes of the opened image as that raw mode reads them, uint8 [H, W, C]; the image stays unread."""
    position = image.fp.tell()
    image.fp.seek(0)
    content = io.BytesIO(image.fp.read())
    image.fp.seek(position)
    with Image.open(content) as again:
        again.tile = [_in_raw_mode(tile, raw_mode) for tile in again.tile]
        again.load()
        return np.asarray(again)


def _in_raw_mode(tile: tuple, raw_mode: str) -> tuple:
    """A part of a file as Pillow describes it, to be read in another raw mode."""
    args = (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode
    return tile._replace(args=args) if hasattr(tile, "_replace") else (*tile[:3], args)  # before Pillow 11


def _ppm_most(image: Image.Image) -> int:
    """What a PPM in colour has for white; 0 for all others."""
    if image.format != "PPM" or image.mode != "RGB" or not isinstance(image.tile[0][3], tuple):
        return 0
    return image.tile[0][3][1]


def _ppm_colours(image: Image.Image) -> np.ndarray:
    """Of a PPM, uint16 [H, W, 3], white being 65535 as in grey ones."""
    codec, _, start, _ = image.tile[0]
    image.fp.seek(start)
    content = image.fp.read()
    if codec == "ppm_plain":
        values = np.array(re.sub(rb"#[^\n]*", b"", content).split(), np.int64)
    else:
        values = np.frombuffer(content, ">u2", image.width * image.height * 3)
    shares = values.reshape(image.height, image.width, 3) / _ppm_most(image)
    return (shares.clip(0, 1) * FULL).round().astype(np.uint16)
