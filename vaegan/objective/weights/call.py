"""Reads the text of a form of a weight: a name and arguments in brackets, which may hold brackets again."""

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    """`step(1, 0.95, every=25)`: its name, the texts of its arguments in order, and of those with names."""

    name: str
    arguments: tuple[str, ...]
    named: dict[str, str]


def read_call(given: Any) -> Call | None:
    """The parts of a text of the form `name(a, b, c=d)`; None for anything else.

    Arguments are separated by commas outside inner brackets: `share(linear(0, 1, 5))` has one argument.
    """
    found = (
        re.fullmatch(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", given, re.DOTALL) if isinstance(given, str) else None
    )
    if found is None:
        return None
    parts, depth = [""], 0
    for letter in found[2]:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return None
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        return None
    arguments, named = [], {}
    for part in map(str.strip, parts if found[2].strip() else ()):
        if with_name := re.fullmatch(r"([A-Za-z_]\w*)\s*=\s*(.*)", part, re.DOTALL):
            named[with_name[1]] = with_name[2]
        else:
            arguments.append(part)
    return Call(found[1], tuple(arguments), named)
