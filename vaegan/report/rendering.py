"""Formats figures for readers: digits, bars, pictures embedded in the page, templates."""

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from vaegan.files import write_whole

NONE = "none here"
ABSENT = "–"  # for figures that were not requested
BETTER = {"higher": "↑ higher", "lower": "↓ lower", "": ""}


def write_page(path: Path, template: str, **content: Any) -> None:
    """Writes a page from one of the templates in this folder."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["words"] = words
    text = environment.get_template(template).render(**content)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def is_number(value: Any) -> bool:
    """True for a number that can be drawn and compared."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def figure(value: Any) -> str:
    """A value with as many digits as are useful: four, or all of an integer."""
    if value is None:
        return NONE
    if not is_number(value):
        return words(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def words(value: Any) -> str:
    """An entry of a protocol or a config on one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {words(each)}" for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(map(words, value))
    return figure(value) if value is None or is_number(value) else str(value)


def duration(seconds: float) -> str:
    """A duration such as "2 h 5 min", "4 min 10 s", "12 s"."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@dataclass(frozen=True)
class Bars:
    """A list of numbers as bars in an SVG of 1000 x 100. bars: x, y, width, height of each."""

    bars: list[tuple[float, float, float, float]]
    top: float
    bottom: float
    summary: str


def bars(values: Sequence[float]) -> Bars:
    """The numbers as bars from left to right, from 0 up or down. values: at least one."""
    top, bottom = max(0.0, *values), min(0.0, *values)
    tall, wide = 100 / (top - bottom or 1), 1000 / len(values)
    drawn = [
        ((i + 0.1) * wide, (top - max(value, 0)) * tall, 0.8 * wide, abs(value) * tall)
        for i, value in enumerate(values)
    ]
    greatest, least = (pick(range(len(values)), key=values.__getitem__) for pick in (max, min))
    mean = sum(values) / len(values)
    summary = (
        f"{len(values)} values, numbered from 0: the greatest {figure(values[greatest])} "
        f"(number {greatest}), the least {figure(values[least])} (number {least}), the mean {figure(mean)}"
    )
    return Bars(drawn, top, bottom, summary)


@dataclass(frozen=True)
class Inlined:
    """A picture with embedded bytes. source: a data URI. width, height: pixels."""

    source: str
    width: int
    height: int


def inlined(path: Path) -> Inlined:
    """The PNG file as a part of a page. Raises: OSError for a file that cannot be read."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        width, height = image.size
    return Inlined("data:image/png;base64," + base64.b64encode(content).decode(), width, height)
