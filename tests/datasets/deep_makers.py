"""Makers of image files with more than 8 bits a value, some of which Pillow does not write."""

import struct
import zlib
from pathlib import Path

import numpy as np


def save_png16(path: Path, values: np.ndarray, transparent: tuple[int, ...] = ()) -> None:
    """A PNG of 16 bits from whole numbers [H, W] or [H, W, 2 to 4].

    transparent: the one value or colour that is.
    """
    n_channels = 1 if values.ndim == 2 else values.shape[2]
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[n_channels]
    rows = b"".join(b"\0" + row.tobytes() for row in values.astype(">u2"))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    key = [_chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))] if transparent else []
    chunks = [_chunk(b"IHDR", header), *key, _chunk(b"IDAT", zlib.compress(rows)), _chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def save_tiff(
    path: Path, values: np.ndarray, planes: bool = False, packed: bool = False, turn: int = 1
) -> None:
    """A TIFF from values [H, W] or [H, W, 3] of any type.

    planes: whether the colours lie one after the other, as few programs write them. packed: compressed.
    turn: the tag of its orientation.
    """
    height, width = values.shape[:2]
    n_channels = values.shape[2] if values.ndim == 3 else 1
    data = (np.moveaxis(values, -1, 0) if planes else values).tobytes()
    data = zlib.compress(data) if packed else data
    bits, kind = values.itemsize * 8, {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    each = len(data) // n_channels if planes else len(data)
    n_strips = n_channels if planes else 1
    start = 8 + 2 + 12 * 12 + 4  # of what does not fit into the tags
    extra = struct.pack(f"<{n_channels}H", *[bits] * n_channels).ljust(8, b"\0")
    extra += struct.pack(f"<{n_strips}I", *(start + 32 + i * each for i in range(n_strips))).ljust(12, b"\0")
    extra += struct.pack(f"<{n_strips}I", *[each] * n_strips).ljust(12, b"\0")
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, n_channels, bits if n_channels == 1 else start),
        (259, 3, 1, 8 if packed else 1),
        (262, 3, 1, 1 if n_channels == 1 else 2),
        (273, 4, n_strips, start + 32 if n_strips == 1 else start + 8),
        (274, 3, 1, turn),
        (277, 3, 1, n_channels),
        (278, 4, 1, height),
        (279, 4, n_strips, each if n_strips == 1 else start + 20),
        (284, 3, 1, 2 if planes else 1),
        (339, 3, 1, kind),
    ]
    body = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    path.write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + body + b"\0" * 4 + extra + data)
