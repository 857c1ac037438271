"""Limits side work (checkpoints, pictures) to a share of a run's time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SHARE = 0.05  # of a run's time: one such share for checkpoints, another for pictures


class Budget:
    """Time that may be spent on one kind of work: a share of the time since this object was made."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._spent = self._last = 0.0

    def allows(self) -> bool:
        """True if there is time to do it once more, if it takes as long as the last time."""
        return self._spent + self._last <= SHARE * (time.monotonic() - self._began)

    @contextmanager
    def spend(self) -> Iterator[None]:
        """Counts the seconds that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._last = time.monotonic() - started
            self._spent += self._last
