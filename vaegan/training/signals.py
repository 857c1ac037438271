"""Being asked to stop: the first signal is noted, so that a step can be finished and saved."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

ALWAYS = (signal.SIGINT, signal.SIGTERM)
# a closed window, and what clusters send ahead of the end; of those, what the platform has
OTHERS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name)
)
SIGNALS = (*ALWAYS, *OTHERS)
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once\n"


class Stopped(Exception):
    """A run that was asked to stop, and has been saved. number: of the signal, 0 for another process's."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


class StopSignals:
    """While this context lasts, the first of `SIGNALS` is noted in `number`, and ends nothing.

    A second SIGINT is a KeyboardInterrupt. Of `OTHERS`, those that are ignored (as nohup ignores SIGHUP) stay
    so. alone: whether this is the run's only process. In others further signals do nothing, also afterwards:
    `torchrun` sends one after that which the terminal sends to all, and to those that are left when one has
    died, which then have something to say.
    """

    def __init__(self, alone: bool = True):
        self.number = 0
        self._alone = alone
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # no other may
            heeded = [*ALWAYS, *(each for each in OTHERS if signal.getsignal(each) != signal.SIG_IGN)]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
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


def end_at_ctrl_c() -> None:
    """Until `heed_ctrl_c`, Ctrl-C ends the program with one line: for its imports, which take seconds.

    In the middle of an import a KeyboardInterrupt may come out as any other error.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, _end)


def heed_ctrl_c() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    if os.environ.get("RANK", "0") == "0":  # torchrun's others say nothing
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(2, b"interrupted\n")
    os._exit(128 + number)
