"""Command lines whose errors are one line each that begins with the typed text."""

import argparse
import math
import sys
from collections.abc import Callable
from typing import NoReturn

from vaegan.errors import UserError, did_you_mean, flag


class Parser(argparse.ArgumentParser):
    """argparse's parser, with no abbreviated flags; errors are raised as UserError."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, **options)

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """The parsed arguments. Raises: UserError for a flag that does not exist or lacks its value."""
        arguments, rest = self.parse_known_args(_joined_negatives(argv))
        if rest:
            raise UserError(self._unknown(rest[0]))
        return arguments

    def _check_value(self, action: argparse.Action, value: str) -> None:
        if action.choices is not None and value not in action.choices:
            typed = " ".join([*action.option_strings[:1], value])
            hint = did_you_mean(value, action.choices)
            raise UserError(f"{typed}: unknown value; {hint}Known: {', '.join(action.choices)}.")

    def error(self, message: str) -> NoReturn:
        raise UserError(message.removeprefix("argument "))

    def _unknown(self, argument: str) -> str:
        if not argument.startswith("-"):
            return f"{argument}: unexpected; --help shows what is taken"
        name = argument.partition("=")[0]
        hint = did_you_mean(name, self._option_string_actions)
        return f"{name}: unknown flag; {hint}--help lists them all"


def print_any_text() -> None:
    """Make stdout and stderr escape characters that the terminal cannot show, such as in file names."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # not in a notebook
            stream.reconfigure(errors="backslashreplace")


def whole_number(option: str, least: int, most: int | None = None) -> Callable[[str], int]:
    """A type for `add_argument(flag(option))`: whole numbers from `least` to `most`.

    It raises UserError for others (argparse would put the flag without its value before the message).
    """

    def convert(given: str) -> int:
        try:
            number = int(given)
        except ValueError:
            number = least - 1
        if number < least or (most is not None and number > most):
            upper = "" if most is None else f" and at most {most}"
            raise UserError(f"{flag(option)} {given}: not a whole number of at least {least}{upper}")
        return number

    return convert


def lower_and_upper(option: str) -> Callable[[str], tuple[float, float]]:
    """A type for `add_argument(flag(option))`: two numbers separated by a comma, the lower one first.

    It raises UserError for others.
    """

    def convert(given: str) -> tuple[float, float]:
        try:
            lower, upper = map(float, given.split(","))
        except ValueError:
            lower = upper = math.nan
        if not -math.inf < lower < upper < math.inf:
            raise UserError(f"{flag(option)} {given}: not two numbers, the lower one first: LO,HI")
        return lower, upper

    return convert


def _joined_negatives(argv: list[str]) -> list[str]:
    """The arguments with `--lr -1e-3` as `--lr=-1e-3`: argparse takes some negative numbers for flags.

    Also several numbers, with commas or spaces: `--value-range -1,1` and `--value-range -1 1`.
    """
    joined: list[str] = []
    for argument in argv:
        name, equals, given = joined[-1].partition("=") if joined else ("", "", "")
        first = given if equals else argument
        if name.startswith("--") and first.startswith("-") and _are_numbers(first) and _are_numbers(argument):
            joined[-1] += f",{argument}" if equals else f"={argument}"
        else:
            joined.append(argument)
    return joined


def _are_numbers(text: str) -> bool:
    try:
        for part in text.split(","):
            float(part)
    except ValueError:
        return False
    return True
