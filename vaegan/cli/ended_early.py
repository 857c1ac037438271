"""Lines on the terminal for a run that ended before its last epoch."""

import contextlib

from rich.console import Console

from vaegan.cli import again
from vaegan.errors import NotFinite
from vaegan.parallel import Ranks
from vaegan.run.folder import Run
from vaegan.training.checkpoint import last_checkpoint
from vaegan.training.signals import Stopped


def say_how_to_go_on(saved: Run, error: BaseException, ranks: Ranks, console: Console) -> None:
    """Draw the curves so far, and print the command that goes on, or the last checkpoint before a NaN."""
    with contextlib.suppress(OSError):  # the disk may be what failed
        saved.draw_curves()
    last = last_checkpoint(saved.paths.checkpoints)
    if isinstance(error, Stopped):
        ranks.any()  # the others wait for what has now been written
    if isinstance(error, NotFinite):
        if last is not None:
            console.print(f"the last checkpoint, from before that, is {last}")
    else:
        processes = ranks.on_this_machine if ranks.size > 1 else None
        console.print(f"to go on: {again.training('--resume', saved.folder, processes=processes)}")
    console.print(f"Run folder: {saved.folder}")
