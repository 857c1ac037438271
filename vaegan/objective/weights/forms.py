"""Forms of a weight that follow a course over time: lines, curves, stairs.

A form counts steps from the start of its clock: `Time` says where it stands and how long it is. A value
changes with every step, except in `step` and `piecewise`, which are constant in between.
"""

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from vaegan.objective.weights.call import Call, read_call
from vaegan.objective.weights.number import at_least_0, short
from vaegan.objective.weights.span import Span
from vaegan.objective.weights.weight import Time, Weight, register_weight


class Course(Weight):
    """A weight that depends on the time alone. usage: `name(A, B)`; its name is the registered one.

    The fields of a form are its arguments, in this order: numbers of at least 0, and spans. `check` says
    which of them make no course.
    """

    usage: ClassVar[str]

    def __post_init__(self) -> None:
        self.check()

    def check(self) -> None:
        """Raises: ValueError for arguments that do not go together."""

    @classmethod
    def read(cls, given: object) -> "Course | None":
        """Reads `name(...)`. Raises: ValueError that ends with the usage, for other arguments."""
        call = read_call(given)
        if call is None or call.name != cls.name():
            return None
        try:
            return cls.of(call)
        except ValueError as error:
            raise ValueError(f"{error}; expected {cls.usage}") from None

    @classmethod
    def of(cls, call: Call) -> "Course":
        """The weight with these arguments, in order or by name. Raises: ValueError for others."""
        kinds = {field.name: field.type for field in fields(cls)}
        if len(call.arguments) > len(kinds):
            raise ValueError(f"{len(call.arguments)} values instead of {len(kinds)}")
        given = dict(zip(kinds, call.arguments, strict=False))
        if wrong := next((name for name in call.named if name in given or name not in kinds), None):
            raise ValueError(f"{wrong}=: {'given twice' if wrong in given else 'unknown'}")
        given |= call.named
        if len(given) < len(kinds):
            raise ValueError(f"{len(given)} values instead of {len(kinds)}")
        readers = {name: Span.parse if kind is Span else at_least_0 for name, kind in kinds.items()}
        return cls(**{name: argument(reader, given[name]) for name, reader in readers.items()})

    def bends(self, time: Time) -> list[int]:
        spans = [value for value in self.__dict__.values() if isinstance(value, Span)]
        return [0, *(span.steps(time) for span in spans)]

    @classmethod
    def name(cls) -> str:
        """The name in front of the brackets."""
        return cls.usage.partition("(")[0]

    def __str__(self) -> str:
        return f"{self.name()}({', '.join(self.texts())})"

    def texts(self) -> list[str]:
        """The arguments as they are written."""
        values = (getattr(self, field.name) for field in fields(self))
        return [str(value) if isinstance(value, Span) else short(value) for value in values]


def argument(reader: Callable[[str], Any], text: str) -> Any:
    """The value of an argument. Raises: ValueError that begins with the text."""
    try:
        return reader(text)
    except ValueError as error:
        raise ValueError(f"{text or 'an empty argument'}: {error}") from None


def progress(time: Time, length: Span) -> float:
    """The part of the length that is over, from 0 to 1."""
    steps = length.steps(time)
    return 1.0 if time.step >= steps else time.step / steps


def between(a: float, b: float, share: float) -> float:
    """The point between a and b at this share of the way; exact at both ends."""
    return b if share == 1 else a + (b - a) * share


def refuse_zero(length: Span) -> None:
    """Raises: ValueError for a length of 0."""
    if not length.value:
        raise ValueError(f"{length}: a length above 0 is needed")


@register_weight("linear")
@dataclass(frozen=True)
class Linear(Course):
    """A straight line from a to b over the length, then b."""

    usage = "linear(A, B, LENGTH)"
    a: float
    b: float
    length: Span

    def check(self) -> None:
        refuse_zero(self.length)

    def at(self, time: Time) -> float:
        return between(self.a, self.b, progress(time, self.length))


@register_weight("cosine")
@dataclass(frozen=True)
class Cosine(Course):
    """Half a cosine wave from a to b: a up to `start`, b from `end` on, halfway in the middle."""

    usage = "cosine(A, B, FROM, TO)"
    a: float
    b: float
    start: Span
    end: Span

    def check(self) -> None:
        if self.start.unit == self.end.unit and self.start.value >= self.end.value:
            raise ValueError(f"{self.start} is not before {self.end}")

    def at(self, time: Time) -> float:
        start, end = self.start.steps(time), self.end.steps(time)
        if time.step >= end:
            return self.b
        if time.step <= start:
            return self.a
        return between(self.a, self.b, (1 - math.cos(math.pi * (time.step - start) / (end - start))) / 2)


@register_weight("exp")
@dataclass(frozen=True)
class Exponential(Course):
    """From a to b over the length by the same factor in each step, then b."""

    usage = "exp(A, B, LENGTH)"
    a: float
    b: float
    length: Span

    def check(self) -> None:
        refuse_zero(self.length)
        if not self.a or not self.b:
            raise ValueError("no factor leads from or to 0, linear does; A and B are above 0")

    def at(self, time: Time) -> float:
        share = progress(time, self.length)
        return self.b if share == 1 else self.a * (self.b / self.a) ** share


@register_weight("step")
@dataclass(frozen=True)
class Stairs(Course):
    """a * factor ** n after n whole times of `every`."""

    usage = "step(A, FACTOR, every=LENGTH)"
    a: float
    factor: float
    every: Span

    def check(self) -> None:
        refuse_zero(self.every)

    def at(self, time: Time) -> float:
        return self.a * self.factor ** (time.step // max(1, self.every.steps(time)))

    def bends(self, time: Time) -> list[int]:
        return list(range(0, time.epochs * time.steps_per_epoch, max(1, self.every.steps(time))))

    @classmethod
    def of(cls, call: Call) -> "Course":
        stairs = super().of(call)
        if not 0 < stairs.factor <= 1:
            raise ValueError(f"factor {short(stairs.factor)}: above 0 and at most 1 is accepted; exp rises")
        return stairs

    def texts(self) -> list[str]:
        return [short(self.a), short(self.factor), f"every={self.every}"]


@register_weight("warmup")
@dataclass(frozen=True)
class WarmUp(Course):
    """A straight line that reaches b in the last step of the length, then b; never 0."""

    usage = "warmup(B, LENGTH)"
    b: float
    length: Span

    def check(self) -> None:
        refuse_zero(self.length)

    def at(self, time: Time) -> float:
        return self.b * min(1.0, (time.step + 1) / max(1, self.length.steps(time)))


@register_weight("piecewise")
@dataclass(frozen=True)
class Piecewise(Course):
    """Constant pieces: each value holds from its time on until the next. pieces: in order, from time 0."""

    usage = "piecewise(0: A, TIME: B, ...)"
    pieces: tuple[tuple[Span, float], ...]

    def check(self) -> None:
        times = [time for time, _ in self.pieces]
        if not times or times[0].value:
            raise ValueError("the first piece begins at 0")
        for before, after in itertools.pairwise(times):
            if after.value <= before.value and (after.unit == before.unit or not after.value):
                raise ValueError(f"{after} is not after {before}")

    @classmethod
    def of(cls, call: Call) -> "Course":
        pieces = []
        for text in [*call.arguments, *(f"{name}={value}" for name, value in call.named.items())]:
            time, colon, value = text.partition(":")
            if not colon:
                raise ValueError(f"{text}: no TIME: VALUE")
            pieces.append((argument(Span.parse, time), argument(at_least_0, value.strip())))
        return cls(tuple(pieces))

    def at(self, time: Time) -> float:
        return next(value for begin, value in reversed(self.pieces) if begin.steps(time) <= time.step)

    def bends(self, time: Time) -> list[int]:
        return [begin.steps(time) for begin, _ in self.pieces]

    def texts(self) -> list[str]:
        return [f"{time}: {short(value)}" for time, value in self.pieces]
