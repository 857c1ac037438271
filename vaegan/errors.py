"""Errors that a user can mend: one line each, no traceback, nothing written."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can mend; the commands print its text and exit with status 2."""


class OptionError(UserError):
    """What is wrong with one option.

    option: the field's name (`disc_weight`). problem: what is accepted and what to do; the command
    puts the flag as typed, or the YAML file and key, and the value given before it.
    """

    def __init__(self, option: str, problem: str):
        super().__init__(f"{flag(option)}: {problem}")
        self.option = option
        self.problem = problem


class OptionErrors(UserError):
    """Everything that is wrong with several options, so that all can be mended at once."""

    def __init__(self, errors: list[OptionError]):
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class TrainingError(Exception):
    """A run that cannot go on; the commands exit with status 1."""


class NotFinite(TrainingError):
    """A loss that is no number any more: the run would meet it again."""


def flag(option: str) -> str:
    """The option as it is typed on a command line: `disc_weight` -> `--disc-weight`."""
    return "--" + option.replace("_", "-")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """'did you mean "x"? ' for the closest of the known names, or nothing when none is close."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"? ' if close else ""
