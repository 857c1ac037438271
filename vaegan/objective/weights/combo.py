"""Weights that count combo epochs: after solo epochs, decaying, falling to 0."""

from dataclasses import dataclass

from vaegan.objective.weights.weight import Time, Weight


@dataclass(frozen=True)
class AfterSolo(Weight):
    """`solo` in the solo epochs, and another weight in the combo epochs after them."""

    weight: Weight
    solo: float = 1.0

    def at(self, time: Time) -> float:
        return self.solo if time.combo_epoch < 0 else self.weight.at(time)


@dataclass(frozen=True)
class Decay(Weight):
    """A weight times factor ** (c // every) in combo epoch c, from 0."""

    weight: Weight
    factor: float
    every: int

    def at(self, time: Time) -> float:
        return self.weight.at(time) * self.factor ** (max(0, time.combo_epoch) // self.every)


@dataclass(frozen=True)
class Fall(Weight):
    """A weight that falls in a straight line to 0 over so many combo epochs, and stays 0."""

    weight: Weight
    epochs: int

    def at(self, time: Time) -> float:
        return self.weight.at(time) * max(0.0, 1 - max(0, time.combo_epoch) / self.epochs)
