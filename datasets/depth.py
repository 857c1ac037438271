"""Values of more than 8 bits: the range that a whole set of images shares, and how it becomes 0 to 255."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

ValueRange = tuple[float, float]  # the values that become black and white


@dataclass(frozen=True)
class Extent:
    """The least and the greatest value of some images. whole: whether they are integers by their type."""

    least: float
    greatest: float
    whole: bool

    @classmethod
    def of(cls, values: np.ndarray) -> "Extent | None":
        """Of all finite values; None where there is none."""
        whole = values.dtype.kind in "iub"
        if not whole:
            values = values[np.isfinite(values)]
        return cls(float(values.min()), float(values.max()), whole) if values.size else None

    @classmethod
    def around(cls, extents: Iterable["Extent"]) -> "Extent":
        """The one that holds all of these; whole only where all are."""
        extents = list(extents)
        return cls(
            min(each.least for each in extents),
            max(each.greatest for each in extents),
            all(each.whole for each in extents),
        )


def range_from(extent: Extent) -> ValueRange:
    """The range of images whose values have this extent.

    Integers: 0 to 2^k - 1 with the smallest k of at least 8 that holds them. Fractions: [0, 1] or [-1, 1]
    where these hold them; [0, 255] where that does and they reach its upper half. Else, as for integers
    below 0 (CT images), their own least and greatest.
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
    """The values as uint8: the range's ends become 0 and 255, and what lies outside becomes the nearer end.

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
