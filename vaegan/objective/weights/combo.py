"""Weights whose clock starts with the combo epochs."""

from dataclasses import dataclass

from vaegan.objective.weights.weight import Time, Weight


@dataclass(frozen=True)
class InCombo(Weight):
    """A weight whose clock starts with the first combo epoch and is as long as the combo part.

    solo: the factor in solo epochs; None for the weight at the start of its clock, which stands still there.
    """

    weight: Weight
    solo: float | None = None

    def at(self, time: Time) -> float:
        if self.solo is not None and time.epoch < time.first_combo:
            return self.solo
        return self.weight.at(time.since(time.first_combo))

    def bends(self, time: Time) -> list[int]:
        first = time.first_combo * time.steps_per_epoch
        return [first + bend for bend in self.weight.bends(time.since(time.first_combo))]
