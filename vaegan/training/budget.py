"""Keeps what is done beside training to a share of a run's time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.05  # of a run's time, for saving and for drawing each
FEW_EPOCHS = 20  # runs of no more save and draw after every one


class Budget:
    """Time that may be spent on one thing: a share of all that has gone by since this was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._spent = self._last = 0.0

    def allows(self) -> bool:
        """Whether it may be done once more, if that takes as long as the last time."""
        return self._spent + self._last <= SHARE * (time.monotonic() - self._began)

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Counts the seconds within."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._last = time.monotonic() - started
            self._spent += self._last
