"""One checksum per image, so that a changed image is noticed among any number of others."""

import base64
import os
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from torch import Tensor

AT_ONCE = 64 << 20  # bytes of images that one thread reads and processes at a time


def checksums(images: Any) -> np.ndarray:
    """CRC-32 of each image's pixels, uint32 [N].

    images: uint8, sliced to tensors [N, C, H, W]. Stored images may have them already, as `images.checksums`;
    100,000 colour images of 64 x 64 in memory take about a second.
    """
    known = getattr(images, "checksums", None)
    if known is not None:
        return known
    n_each = max(1, AT_ONCE // max(1, images[:1].nbytes))
    parts = range(0, len(images), n_each)
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # zlib releases the lock of the interpreter
        found = list(pool.map(lambda start: _of_part(images[start : start + n_each]), parts))
    return np.concatenate([np.empty(0, np.uint32), *found])


def _of_part(images: Tensor) -> np.ndarray:
    pixels = images.cpu().contiguous().numpy().reshape(len(images), -1)
    return np.array([zlib.crc32(image) for image in pixels], np.uint32)


def as_text(found: np.ndarray) -> str:
    """Checksums as a text that JSON can store."""
    return base64.b64encode(found.astype("<u4").tobytes()).decode()


def difference(now: str, before: str) -> str | None:
    """The difference between images and earlier ones in words ("1 of 48"); None if all are the same.

    now, before: their checksums, from `as_text`.
    """
    if now == before:
        return None
    ours, theirs = (np.frombuffer(base64.b64decode(text), "<u4") for text in (now, before))
    if len(ours) != len(theirs):
        return f"{len(ours):,}, but there were {len(theirs):,}"
    if np.array_equal(np.sort(ours), np.sort(theirs)):
        return "the same images in another order"
    return f"{(ours != theirs).sum():,} of {len(ours):,}"
