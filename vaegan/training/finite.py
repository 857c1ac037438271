"""Stops a run whose losses are no longer finite, and says which, and where."""

import math

import torch
from torch import Tensor

from vaegan.errors import NotFinite

EVERY = 50  # steps between two looks; each is one transfer from the device


class FiniteCheck:
    """Keeps the values of the last steps on the device, and looks at them all at once."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[Tensor] = []
        self._where = ""
        self._steps = 0

    def at(self, epoch: int, step: int) -> None:
        """What is added now is of this step (both from 0). Raises: as `check`, after so many steps."""
        if self._steps == EVERY:
            self.check()
        self._where = f"in epoch {epoch + 1}, step {step + 1}"
        self._steps += 1

    def add(self, player: str, values: dict[str, Tensor]) -> None:
        """Note scalars of a player's turn."""
        for name, value in values.items():
            self._names.append(f"train/{player}/{name} became {{}} {self._where}")
            self._values.append(value.detach())

    def check(self) -> None:
        """Raises: NotFinite naming the first term that is not finite, its epoch and its step."""
        values = torch.stack(self._values).tolist() if self._values else []
        for name, value in zip(self._names, values, strict=True):
            if not math.isfinite(value):
                raise NotFinite(f"{name.format(value)}; a lower --lr is the usual remedy")
        self._names, self._values, self._steps = [], [], 0
