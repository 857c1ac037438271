"""Numbers in the text of a weight."""

import math
from typing import Any


def at_least_0(given: Any) -> float:
    """A number from its text or from YAML. Raises: ValueError for anything else, and below 0."""
    try:
        value = float(given)
    except (TypeError, ValueError, OverflowError):
        raise ValueError("not a number") from None
    if not math.isfinite(value) or value < 0:
        raise ValueError("expected a finite number of at least 0")
    return value


def short(value: float) -> str:
    """The number without needless digits; reads back as the same one."""
    text = f"{value:g}"
    return text if float(text) == value else repr(value)
