"""The factor of a loss term over time, and the registry of the forms in which it is typed."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic_core import core_schema

from vaegan.errors import did_you_mean
from vaegan.objective.weights.call import read_call
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

    def since(self, epoch: int) -> "Time":
        """This moment on a clock that starts with that epoch, before which it stands at its start."""
        return Time(
            max(0, self.epoch - epoch),
            max(0, self.step - epoch * self.steps_per_epoch),
            max(1, self.epochs - epoch),
            max(0, self.first_combo - epoch),
            self.steps_per_epoch,
        )


@dataclass(frozen=True)
class Relative:
    """A factor that is known only when the gradients of a step are. rule: "share" or "adaptive"."""

    rule: str
    level: float

    def __str__(self) -> str:
        return f"{self.rule} {self.level:g}"


Factor = float | Relative


class Weight(ABC):
    """The factor of one loss term over time: the type of every option that sets a weight.

    A form that can be typed is registered and has `read`; its `str` is the typed text and reads back as an
    equal weight, so that config.yaml keeps it. usage: the form of that text, for error messages.
    """

    usage: ClassVar[str] = ""

    @abstractmethod
    def at(self, time: Time) -> Factor:
        """The factor in this step."""

    @classmethod
    def read(cls, given: Any) -> "Weight | None":
        """The weight that a flag's text or a YAML value stands for; None if it is not of this form.

        Raises: ValueError for a value of this form that is no weight.
        """
        return None

    def bends(self, time: Time) -> list[int]:
        """The steps at which a course begins or ends to change; none for a weight that keeps its value.

        time: any on its clock, whose length it gives.
        """
        return []

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
        forms = dict(FORMS.entries())
        for form in forms.values():
            weight = form.read(given)
            if weight is not None:
                return weight
        usages = [form.usage for form in forms.values() if form.usage]
        if (call := read_call(given)) is not None:
            names = [usage.partition("(")[0] for usage in usages if "(" in usage]
            raise ValueError(
                f"unknown form; {did_you_mean(call.name.lower(), names)}Known: {', '.join(usages)}."
            )
        text = str(next(iter(given), "")) if isinstance(given, dict) else given
        if isinstance(text, str) and text.count("(") != text.count(")"):
            raise ValueError(
                "not a number, but half a form: in a list, or with a colon, YAML needs quotes around it"
            )
        others = "".join(f", or {usage}" for usage in usages)
        raise ValueError(f"not a number; a weight is a number of at least 0{others}")

    @classmethod
    def __get_pydantic_core_schema__(cls, source, handler):
        return core_schema.no_info_plain_validator_function(
            cls.parse, serialization=core_schema.plain_serializer_function_ser_schema(lambda w: w.plain())
        )
