"""Errors that a user can correct: one line each, without a traceback, and before anything is written."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake that the user can correct; the commands print its text and exit with status 2."""


class OptionError(UserError):
    """A wrong value of one option.

    option: the field's name (`disc_weight`). problem: the accepted values and what to do; the command
    puts the flag as typed, or the YAML file and key, and the given value in front.
    """

    def __init__(self, option: str, problem: str):
        super().__init__(f"{flag(option)}: {problem}")
        self.option = option
        self.problem = problem


class OptionErrors(UserError):
    """All wrong options together, so that the user can correct them at once."""

    def __init__(self, errors: list[OptionError]):
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class TrainingError(Exception):
    """A run that cannot continue; the commands exit with status 1."""


class NotFinite(TrainingError):
    """A loss that is NaN or infinite; the run would meet it again if it were resumed."""


def flag(option: str) -> str:
    """The option as typed on a command line: `disc_weight` -> `--disc-weight`."""
    return "--" + option.replace("_", "-")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """'did you mean "x"? ' for the closest known name; "" if none is close."""
    close = difflib.get_close_matches(given, list(known), n=1, cutoff=0.6)
    return f'did you mean "{close[0]}"? ' if close else ""
