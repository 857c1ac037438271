"""A progress bar for slow steps before a run starts."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import Progress

REFRESH_S = 0.2


def with_progress(items: Iterable, total: int, doing: str) -> Iterator:
    """The items, with a progress bar on a terminal, which disappears at the end.

    It is redrawn here and not by a thread. A process forked meanwhile would not have that thread, and the
    thread's lock might stay locked there for ever.
    """
    console = Console()
    bar = Progress(console=console, transient=True, auto_refresh=False, disable=not console.is_terminal)
    with bar:
        task = bar.add_task(doing, total=total)
        due = 0.0
        for item in items:
            yield item
            bar.advance(task)
            if time.monotonic() >= due:
                bar.refresh()
                due = time.monotonic() + REFRESH_S
