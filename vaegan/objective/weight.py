"""The type of every weight that a flag or a YAML file can set."""

import math
from dataclasses import dataclass
from typing import Any

from pydantic_core import core_schema


@dataclass(frozen=True)
class Weight:
    """The factor of one loss term over the epochs. Written as a number: constant, at least 0.

    Everything that weighs a term asks `at(epoch)`, so a richer form than a number needs only a new
    way of writing it; files that hold numbers stay valid.
    """

    value: float

    def at(self, epoch: int) -> float:
        """The factor in this epoch (from 0, counted over the whole run)."""
        return self.value

    @classmethod
    def parse(cls, given: Any) -> "Weight":
        """A weight from a flag's text, a YAML value or a weight.

        Raises: ValueError for anything but a finite number of at least 0: a negative weight would
        reward what its term punishes.
        """
        if isinstance(given, cls):
            return given
        try:
            if isinstance(given, bool):
                raise TypeError
            value = float(given)
        except (TypeError, ValueError, OverflowError):
            raise ValueError("not a number; a weight is a number of at least 0") from None
        if not math.isfinite(value) or value < 0:
            raise ValueError("a weight is a finite number of at least 0")
        return cls(value)

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda w: w.value)
        )

    def __str__(self) -> str:
        return f"{self.value:g}"
