"""A weight that stays as it is; typed as a number."""

import math
from dataclasses import dataclass
from typing import Any

from vaegan.objective.weights.number import short
from vaegan.objective.weights.weight import Time, Weight, register_weight


@register_weight("constant")
@dataclass(frozen=True)
class Constant(Weight):
    """The same factor in every step, at least 0."""

    value: float

    def at(self, time: Time) -> float:
        return self.value

    @classmethod
    def read(cls, given: Any) -> "Constant | None":
        """Reads a number. Raises: ValueError for one below 0, which would reward what its term penalises."""
        if isinstance(given, bool):
            return None
        try:
            value = float(given)
        except (TypeError, ValueError, OverflowError):
            return None
        if not math.isfinite(value) or value < 0:
            raise ValueError("a weight is a finite number of at least 0")
        return cls(value)

    def plain(self) -> float:
        return self.value

    def __str__(self) -> str:
        return short(self.value)
