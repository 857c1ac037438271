"""A weight that stays as it is; typed as a number."""

from dataclasses import dataclass
from typing import Any

from vaegan.objective.weights.number import at_least_0, short
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
        try:
            float(given)
        except (TypeError, ValueError, OverflowError):
            return None
        return None if isinstance(given, bool) else cls(at_least_0(given))

    def plain(self) -> float:
        return self.value

    def __str__(self) -> str:
        return short(self.value)
