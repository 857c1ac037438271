"""A background thread that writes files and tracks records in the order given, while training goes on."""

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch

from vaegan.training.pictures import Pictures


class Background:
    """Calls functions one after the other in a thread; after one that failed, no more.

    As a context manager it waits at the end for all calls, and raises the error of the first that failed.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._error: BaseException | None = None

    def __enter__(self) -> "Background":
        return self

    def __exit__(self, *_: Any) -> None:
        self._pool.shutdown()
        self.raise_error()

    def do(self, function: Callable[..., None], *arguments: Any) -> Future[None]:
        """Queue a call behind all others. Raises: the error of an earlier call."""
        self.raise_error()
        return self._pool.submit(self._run, function, arguments)

    def raise_error(self) -> None:
        """Raises: the error of a call that failed."""
        if self._error is not None:
            raise self._error

    def _run(self, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        if self._error is None:
            try:
                function(*arguments)
            except BaseException as error:
                self._error = error


def background_for(device: torch.device) -> contextlib.AbstractContextManager[Background | None]:
    """A background thread to write in; None on a CPU, where all is written at once.

    There a second thread that calls PyTorch has a team of OpenMP threads of its own, beside which the steps
    of a dense VAE took almost twice as long.
    """
    return contextlib.nullcontext() if device.type == "cpu" else Background()


class BackgroundWatcher:
    """Runs a watcher's `on_epoch` in the background thread."""

    def __init__(self, watcher: Any, background: Background):
        self.watcher = watcher
        self._background = background

    def on_step(self, *arguments: Any) -> None:
        """Do nothing: such a watcher is called after epochs only."""

    def on_epoch(self, record: dict[str, Any], pictures: Pictures) -> None:
        """Queue the watcher's call. Raises: the error of an earlier call."""
        self._background.do(self.watcher.on_epoch, record, pictures)
