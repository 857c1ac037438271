"""Being asked to stop: the first signal is noted, so that a step can be finished and saved."""

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once\n"


class Stopped(Exception):
    """A run that was asked to stop, and has been saved. number: of the signal, 0 for another process's."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


class StopSignals:
    """While this context lasts, the first SIGINT or SIGTERM is noted in `number`, and ends nothing.

    A second SIGINT is a KeyboardInterrupt. alone: whether this is the run's only process. In others
    further signals do nothing, also afterwards: `torchrun` sends one after that which the terminal sends
    to all, and to those that are left when one has died, which then have something to say.
    """

    def __init__(self, alone: bool = True):
        self.number = 0
        self._alone = alone
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # no other may
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """From here on signals do what they did before."""
        for number, handler in self._before.items() if self._alone else ():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            if self._alone:
                with contextlib.suppress(OSError):  # Ctrl-C has also ended what the output is piped into
                    os.write(2, NOTICE)  # a signal may come in the middle of a print
        elif self._alone and number == signal.SIGINT:
            raise KeyboardInterrupt
