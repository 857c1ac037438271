"""Stops a run whose losses are no longer finite, and says which, and where."""

import math

import torch
from torch import Tensor

from vaegan.errors import TrainingError

EVERY = 50  # steps between two looks; each is one transfer from the device


class FiniteCheck:
    """Keeps the values of the last steps on the device, and looks at them all at once."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[Tensor] = []
        self._steps = 0

    def add(self, epoch: int, step: int, player: str, values: dict[str, Tensor]) -> None:
        """Note scalars of a step (both from 0). Raises: as `check`, within so many steps."""
        for name, value in values.items():
            self._names.append(f"train/{player}/{name} became {{}} in epoch {epoch + 1}, step {step + 1}")
            self._values.append(value.detach())
        self._steps += 1
        if self._steps >= EVERY:
            self.check()

    def check(self) -> None:
        """Raises: TrainingError naming the first term that is not finite, its epoch and its step."""
        values = torch.stack(self._values).tolist() if self._values else []
        for name, value in zip(self._names, values, strict=True):
            if not math.isfinite(value):
                raise TrainingError(f"{name.format(value)}; a lower --lr is the usual remedy")
        self._names, self._values, self._steps = [], [], 0
