"""Time between two checkpoints within an epoch, as typed in a flag or a YAML file."""

import math
import re
from dataclasses import dataclass
from typing import Any

from pydantic_core import core_schema

WRITTEN = re.compile(r"(?P<steps>\d+)( ?steps)?|(?P<minutes>\d+(\.\d+)?(e[+-]?\d+)?) ?min")
PROBLEM = "a number of steps (500) or of minutes (10min) is accepted, above 0"


@dataclass(frozen=True)
class Interval:
    """A number of steps or of minutes. Written `500` or `10min`."""

    steps: int | None = None
    minutes: float | None = None

    def is_over(self, steps: int, seconds: float) -> bool:
        """True if this interval is over after so many steps and seconds."""
        if self.steps is not None:
            return steps >= self.steps
        return seconds >= 60 * self.minutes

    @classmethod
    def parse(cls, given: Any) -> "Interval":
        """An interval from a flag's text, a YAML value or an interval. Raises: ValueError for all else."""
        if isinstance(given, cls):
            return given
        found = WRITTEN.fullmatch(str(given))
        if found is None:
            raise ValueError(PROBLEM)
        interval = cls(found["steps"] and int(found["steps"]), found["minutes"] and float(found["minutes"]))
        if not (interval.steps or interval.minutes) or interval.minutes == math.inf:
            raise ValueError(PROBLEM)
        return interval

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(cls._written)
        )

    def _written(self) -> str | int:
        return f"{repr(self.minutes).removesuffix('.0')}min" if self.steps is None else self.steps

    def __str__(self) -> str:
        return str(self._written())
