"""A bar for what takes long before a run starts."""

import time
from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import Progress

REFRESH_S = 0.2


def with_progress(items: Iterable, total: int, doing: str) -> Iterator:
    """The items, with a bar on a terminal that goes when they are through.

    It is redrawn here and not by a thread, which a process forked meanwhile would do without, with a lock
    of the thread's perhaps held for ever.
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
