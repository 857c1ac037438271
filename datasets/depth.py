"""Values of more than 8 bits: the range that all images of a set share, and its scaling to 0 to 255."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ValueRange = tuple[float, float]  # the values that become black and white


@dataclass(frozen=True)
class Extent:
    """The least and the greatest value of some images. whole: True if the values have an integer type."""

    least: float
    greatest: float
    whole: bool

    @classmethod
    def of(cls, values: np.ndarray) -> "Extent | None":
        """The extent of all finite values; None if there are none."""
        whole = values.dtype.kind in "iub"
        if not whole:
            values = values[np.isfinite(values)]
        return cls(float(values.min()), float(values.max()), whole) if values.size else None

    @classmethod
    def around(cls, extents: Iterable["Extent"]) -> "Extent":
        """The smallest extent that contains all of these; `whole` only if all are."""
        extents = list(extents)
        return cls(
            min(each.least for each in extents),
            max(each.greatest for each in extents),
            all(each.whole for each in extents),
        )


def range_from(extent: Extent) -> ValueRange:
    """The range of images whose values have this extent.

    Integers: 0 to 2^k - 1 with the smallest k >= 8 that contains them. Fractions: [0, 1] or [-1, 1] if these
    contain them; [0, 255] if it contains them and they reach its upper half. All others, such as integers
    below 0 (CT images): from their own least to their greatest value.
    """
    least, greatest = extent.least, extent.greatest
    if extent.whole:
        if least >= 0:
            return 0.0, float(2 ** max(8, int(greatest).bit_length()) - 1)
    elif greatest <= 1 and least >= -1:
        return (0.0, 1.0) if least >= 0 else (-1.0, 1.0)
    elif least >= 0 and 127.5 < greatest <= 255:
        return 0.0, 255.0
    return least, greatest if greatest > least else least + 1


def to_8_bits(values: np.ndarray, value_range: ValueRange) -> np.ndarray:
    """The values as uint8: the ends of the range become 0 and 255; values outside become the nearer end.

    Raises: ValueError for values that are not finite.
    """
    if not np.isfinite(values).all():
        raise ValueError("some of its values are not finite (NaN or infinity)")
    black, white = value_range
    shares = (values.astype(np.float64) - black) / (white - black)
    return (shares.clip(0, 1) * 255).round().astype(np.uint8)


def said(value_range: ValueRange) -> str:
    """The range as it is typed: "0,4095"."""
    return ",".join(f"{int(end)}" if end == int(end) else f"{end!r}" for end in value_range)
