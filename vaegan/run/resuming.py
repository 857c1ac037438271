"""Resuming a run: its checkpoint, and the options that may change."""

import shlex
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from vaegan.config.make import changes
from vaegan.config.schema import ENDING, Config, in_percent
from vaegan.config.yaml_files import read_config
from vaegan.errors import (
    OptionError,
    OptionErrors,
    flag,
)
from vaegan.run.layout import RunPaths
from vaegan.training.checkpoint import Found, newest


def find_checkpoint(typed: Collection[str], config: Config, folder: Path) -> Found | None:
    """The checkpoint to resume from; None for a run that stopped before its first.

    Raises: OptionErrors for options that differ from the run's and may not change, UserError if no checkpoint
    can be read.
    """
    found = newest(RunPaths(folder).checkpoints)
    if found is None:
        made_with = dict(read_config(RunPaths(folder).config, origin=f"--resume {folder}")[-1][1])
    else:
        made_with = found.facts["config"]
    if errors := changes(config, made_with):
        hint = f"; to start a new run from its weights: --init-from {shlex.quote(str(folder))}"
        raise OptionErrors([OptionError(each.option, each.problem + hint) for each in errors])
    if found is not None and config.epochs < found.epochs:
        raise OptionError("epochs", f"{found.epochs} are done already; at least as many are accepted")
    check_lr_epochs(typed, config, made_with)
    check_percent(config, made_with)
    return found


def check_percent(config: Config, made_with: Mapping[str, Any]) -> None:
    """Raises: OptionError for another number of epochs if weights are in percent of it: they would jump."""
    if config.epochs != made_with["epochs"] and (names := in_percent(config)):
        given = ", ".join(f"{flag(name)} {getattr(config, name)}" for name in names)
        raise OptionError(
            "epochs", f"the run was made for {made_with['epochs']}, and is in percent of them: {given}"
        )


def check_lr_epochs(typed: Collection[str], config: Config, made_with: Mapping[str, Any]) -> None:
    """Check that the learning rates' schedule lasts as long as the run, if it did before.

    typed: the options on the command line. made_with: those of the run that is resumed.
    Raises: OptionError with the possible choices.
    """
    typed = [name for name in ("epochs", "lr_epochs") if name in typed]
    if config.lr_epochs is not None and typed != ["epochs"]:  # chosen now, or with the epochs in its file
        return
    length = made_with.get("lr_epochs", made_with["epochs"])
    if config.lr_schedule in ENDING and made_with["epochs"] <= length < config.epochs:
        raise OptionError(
            "epochs",
            f"the {config.lr_schedule} schedule of the learning rates ends after {length}; add --lr-epochs "
            f"{config.epochs} to go on as if it had been made for {config.epochs} (the rates jump there), or "
            f"--lr-epochs {length} to stay at its end (a rate of 0 after {length} epochs)",
        )
