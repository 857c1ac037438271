"""The factor of a loss term over time, and the registry of the forms in which it is typed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic_core import core_schema

from vaegan.registry import Registry

FORMS = Registry("form of a weight")
register_weight: Callable = FORMS.register


@dataclass(frozen=True)
class Time:
    """A step of a run. epoch, step: from 0, counted over the run. epochs: in all.

    first_combo: the epoch in which combo epochs begin; 0 without solo epochs.
    """

    epoch: int = 0
    step: int = 0
    epochs: int = 1
    first_combo: int = 0
    steps_per_epoch: int = 1

    @property
    def combo_epoch(self) -> int:
        """Combo epochs before this one; below 0 in solo epochs."""
        return self.epoch - self.first_combo


class Weight(ABC):
    """The factor of one loss term over time: the type of every option that sets a weight.

    A form that can be typed is registered and has `read`; its `str` is the typed text and reads back as an
    equal weight, so that config.yaml keeps it. usage: the form of that text, for error messages.
    """

    usage: ClassVar[str] = ""

    @abstractmethod
    def at(self, time: Time) -> float:
        """The factor in this step."""

    @classmethod
    def read(cls, given: Any) -> "Weight | None":
        """The weight that a flag's text or a YAML value stands for; None if it is not of this form.

        Raises: ValueError for a value of this form that is no weight.
        """
        return None

    def plain(self) -> Any:
        """The value that a YAML file holds."""
        return str(self)

    @classmethod
    def parse(cls, given: Any) -> "Weight":
        """A weight from a flag's text, a YAML value or a weight.

        Raises: ValueError for a value that no form reads.
        """
        if isinstance(given, Weight):
            return given
        forms = [form for _, form in FORMS.entries()]
        for form in forms:
            weight = form.read(given)
            if weight is not None:
                return weight
        others = "".join(f", or {form.usage}" for form in forms if form.usage)
        raise ValueError(f"not a number; a weight is a number of at least 0{others}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda w: w.plain())
        )
