"""Weights that follow from the gradients of the terms: by share, and VQGAN's adaptive weight."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vaegan.objective.weights.call import read_call
from vaegan.objective.weights.weight import Relative, Time, Weight, register_weight


@dataclass(frozen=True)
class ByGradient(Weight):
    """A weight whose rule gets a level, which is a number or a weight over time: share(0.3)."""

    level: Weight
    rule: ClassVar[str]

    def at(self, time: Time) -> float | Relative:
        level = self.level.at(time)
        return Relative(self.rule, level) if level else 0.0

    def bends(self, time: Time) -> list[int]:
        return self.level.bends(time)

    @classmethod
    def read(cls, given: Any) -> Self | None:
        """Reads RULE(LEVEL). Raises: ValueError for a level that is no weight."""
        call = read_call(given)
        if call is None or call.name != cls.rule:
            return None
        if len(call.arguments) != 1 or call.named:
            raise ValueError(f"one value is accepted, as in {cls.usage}")
        level = Weight.parse(call.arguments[0])
        if isinstance(level, ByGradient):
            raise ValueError(f"a number or its course over time is accepted, as in {cls.usage}")
        return cls(level)

    def __str__(self) -> str:
        return f"{self.rule}({self.level})"


@register_weight("share")
@dataclass(frozen=True)
class GradientShare(ByGradient):
    """The factor that holds a term at this share of the gradient at the pixel logits; see Balance."""

    rule = "share"
    usage = "share(0.3)"


@register_weight("adaptive")
@dataclass(frozen=True)
class Adaptive(ByGradient):
    """VQGAN's factor: this times the ratio of gradients at the decoder's last layer; see Balance."""

    rule = "adaptive"
    usage = "adaptive(0.8)"
