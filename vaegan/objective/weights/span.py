"""A length of time, or a moment, in a schedule: epochs, steps or percent."""

import math
import re
from dataclasses import dataclass

from vaegan.objective.weights.number import short
from vaegan.objective.weights.weight import Time

PROBLEM = "times are epochs (10), steps (500st) or percent (20%)"


@dataclass(frozen=True)
class Span:
    """Epochs (`10`), steps (`500st`) or percent (`20%`) of all epochs on the clock that it is asked for.

    unit: "", "st" or "%".
    """

    value: float
    unit: str = ""

    def steps(self, time: Time) -> int:
        """The number of steps, to the nearest, on the clock of this time."""
        epochs = self.value if not self.unit else self.value / 100 * time.epochs
        return round(self.value if self.unit == "st" else epochs * time.steps_per_epoch)

    @classmethod
    def parse(cls, text: str) -> "Span":
        """A time of at least 0 from its text. Raises: ValueError for anything else."""
        found = re.fullmatch(r"\s*(\d*\.?\d*(?:[eE][+-]?\d+)?)\s*(st|%|)\s*", text)
        try:
            value = float(found[1]) if found else math.nan
        except ValueError:
            value = math.nan
        unit = found[2] if found else ""
        if (
            not math.isfinite(value)
            or (unit == "st" and not value.is_integer())
            or (unit == "%" and value > 100)
        ):
            raise ValueError(PROBLEM)
        return cls(value, unit)

    def __str__(self) -> str:
        return short(self.value) + self.unit
