"""Turns a section of evaluation.json into tables and charts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vaegan.report.rendering import ABSENT, BETTER, Bars, bars, figure, is_number


@dataclass(frozen=True)
class Row:
    """A figure, or one figure of several things. key: as in evaluation.json. cells: the values as text."""

    key: str
    text: str
    better: str
    cells: list[str]


@dataclass(frozen=True)
class Chart:
    """A list of figures. names: one for each, or None if they are numbered."""

    key: str
    text: str
    unit: str
    better: str
    names: list[str] | None
    values: list[Any]
    bars: Bars | None


@dataclass(frozen=True)
class View:
    """A section as the page shows it. columns: headings for the cells of `compared`."""

    slug: str
    title: str
    rows: list[Row]
    columns: list[str]
    compared: list[Row]
    charts: list[Chart]
    protocol: Mapping[str, Any]
    warnings: list[str]


def view(name: str, section: Mapping[str, Any]) -> View:
    """Single figures as rows; "samples/frechet" and "training/frechet" share a row; lists become charts."""
    values, meanings = section["values"], section["meanings"]
    single = {key: value for key, value in values.items() if not isinstance(value, (list, dict))}
    listed = {key: value for key, value in values.items() if key not in single and value}
    of_things = [key for key in single if "/" in key]
    columns = list(dict.fromkeys(key.partition("/")[0] for key in of_things))
    measures = list(dict.fromkeys(key.partition("/")[2] for key in of_things))
    return View(
        name,
        section["title"],
        [_row(key, [key], values, meanings) for key in single if "/" not in key],
        columns,
        [_row(each, [f"{column}/{each}" for column in columns], values, meanings) for each in measures],
        [_chart(key, value, meanings.get(key, {})) for key, value in listed.items()],
        section["protocol"],
        section["warnings"],
    )


def _row(name: str, keys: list[str], values: Mapping[str, Any], meanings: Mapping[str, Any]) -> Row:
    """One row. A missing key becomes a dash, which differs from a figure that cannot exist."""
    known = [meanings[key] for key in keys if key in meanings]
    texts = "; ".join(dict.fromkeys(each["text"] for each in known))
    better = next((each["better"] for each in known), "")
    cells = [_with_unit(values[key], meanings.get(key, {})) if key in values else ABSENT for key in keys]
    return Row(name, texts, BETTER[better], cells)


def _with_unit(value: Any, meaning: Mapping[str, str]) -> str:
    unit = meaning.get("unit", "") if is_number(value) else ""
    return f"{figure(value)} {unit}".rstrip()


def _chart(key: str, value: list[Any] | dict[str, Any], meaning: Mapping[str, str]) -> Chart:
    """A list as bars; the figures of a dict have names, and each is drawn in its own row."""
    names = list(value) if isinstance(value, dict) else None
    numbers = list(value.values()) if isinstance(value, dict) else value
    drawable = all(map(is_number, numbers))
    return Chart(
        key,
        meaning.get("text", ""),
        meaning.get("unit", ""),
        BETTER[meaning.get("better", "")],
        names,
        numbers,
        bars(numbers) if drawable and names is None else None,
    )
