"""The verdict of an evaluation in lines, from its section on health."""

from collections.abc import Mapping
from typing import Any

HEALTH = "health"  # the section, and
VERDICT = "verdict"  # the key of its figure with the verdict in words
YES, NO, NOT_JUDGED = "yes", "no", "not judged"  # one of them begins each rule's figure


def verdict_of(evaluation: Mapping[str, Any]) -> str | None:
    """The verdict in words; None for an evaluation without one."""
    section = evaluation["sections"].get(HEALTH)
    return None if section is None else section["values"][VERDICT]


def reasons(evaluation: Mapping[str, Any]) -> list[str]:
    """A sentence on each rule that holds, with its figures and the flag to try, or that was not judged.

    If none holds, the figures of all rules that were judged come first, each once.
    """
    section = evaluation["sections"].get(HEALTH, {"values": {}})
    rules = {key: value for key, value in section["values"].items() if key != VERDICT}
    clear = [value.removeprefix(f"{NO}: ") for value in rules.values() if value.startswith(f"{NO}: ")]
    found = []
    if clear and not any(value.startswith(f"{YES}: ") for value in rules.values()):
        found.append("; ".join(dict.fromkeys(figure for value in clear for figure in value.split(", "))))
    for state, note in ((YES, ""), (NOT_JUDGED, f", {NOT_JUDGED}")):
        for key, value in rules.items():
            if value.startswith(f"{state}: "):
                found.append(f"{section['meanings'][key]['title']}{note}: {value.removeprefix(f'{state}: ')}")
    return found


def verdict_lines(evaluation: Mapping[str, Any]) -> list[str]:
    """The verdict and its reasons for the terminal; empty for an evaluation without one."""
    verdict = verdict_of(evaluation)
    return [] if verdict is None else [f"verdict: {verdict}", *(f"  {line}" for line in reasons(evaluation))]
