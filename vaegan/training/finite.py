"""Stops a run whose losses are no longer finite; the error names the loss, the epoch and the step."""

import math

import torch
from torch import Tensor

from vaegan.errors import NotFinite

EVERY = 50  # steps between two checks; each is one transfer from the device


class FiniteCheck:
    """Keeps the values of the last steps on the device, and checks them all at once."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[Tensor] = []
        self._where = ""
        self._steps = 0

    def at(self, epoch: int, step: int) -> None:
        """Set the epoch and step, from 0, of the values added next. Raises: as `check`, every 50 steps."""
        if self._steps == EVERY:
            self.check()
        self._where = f"in epoch {epoch + 1}, step {step + 1}"
        self._steps += 1

    def add(self, player: str, values: dict[str, Tensor]) -> None:
        """Add scalars of a player's turn."""
        for name, value in values.items():
            self._names.append(f"train/{player}/{name} became {{}} {self._where}")
            self._values.append(value.detach())

    def check(self) -> None:
        """Raises: NotFinite naming the first value that is not finite, its epoch and its step."""
        values = torch.stack(self._values).tolist() if self._values else []
        for name, value in zip(self._names, values, strict=True):
            if not math.isfinite(value):
                raise NotFinite(f"{name.format(value)}; a lower --lr is the usual remedy")
        self._names, self._values, self._steps = [], [], 0
