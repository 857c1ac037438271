"""Requests to stop: the first signal is noted, so that the step can be finished and the run saved."""

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

ALWAYS = (signal.SIGINT, signal.SIGTERM)
# sent when a terminal closes, and by clusters before a job's time ends; those that the platform has
OTHERS = tuple(
    getattr(signal, name) for name in ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU") if hasattr(signal, name)
)
SIGNALS = (*ALWAYS, *OTHERS)
NOTICE = b"\nstopping after this step; Ctrl-C again stops at once\n"


class Stopped(Exception):
    """A run was asked to stop, and has been saved. number: of the signal, 0 if another process got it."""

    def __init__(self, number: int):
        super().__init__(f"stopped by signal {number}")
        self.number = number


class StopSignals:
    """A context in which the first of `SIGNALS` is only noted, in `number`.

    A second SIGINT is a KeyboardInterrupt. Those of `OTHERS` that are ignored (as nohup ignores SIGHUP) stay
    ignored. alone: True if this is the run's only process. With several processes, further signals do
    nothing, also after the context: `torchrun` sends one more after the terminal's, and one to the processes
    that remain when another has died. They must still be able to print their error.
    """

    def __init__(self, alone: bool = True):
        self.number = 0
        self._alone = alone
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # Python allows handlers in no other thread
            heeded = [*ALWAYS, *(each for each in OTHERS if signal.getsignal(each) != signal.SIG_IGN)]
            self._before = {number: signal.signal(number, self._note) for number in heeded}
        return self

    def __exit__(self, *_: Any) -> None:
        self.end()

    def end(self) -> None:
        """Restore the signals' former handlers."""
        for number, handler in self._before.items() if self._alone else ():
            signal.signal(number, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if not self.number:
            self.number = number
            if self._alone:
                with contextlib.suppress(OSError):  # Ctrl-C also ends a program behind a pipe
                    os.write(2, NOTICE)  # a signal may come in the middle of a print
        elif self._alone and number == signal.SIGINT:
            raise KeyboardInterrupt


def end_at_ctrl_c() -> None:
    """Make Ctrl-C end the program with one line until `heed_ctrl_c`: for the imports, which take seconds.

    During an import, a KeyboardInterrupt may turn into any other error.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not if it is ignored
        signal.signal(signal.SIGINT, _end)


def heed_ctrl_c() -> None:
    """Make Ctrl-C raise KeyboardInterrupt again."""
    if signal.getsignal(signal.SIGINT) is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number: int, frame: FrameType | None) -> None:
    if os.environ.get("RANK", "0") == "0":  # torchrun's other processes print nothing
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        with contextlib.suppress(OSError):
            os.write(2, b"interrupted\n")
    os._exit(128 + number)
