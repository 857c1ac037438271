"""Compares several runs: their curves in one plot and their figures in one table."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vaegan.losses  # noqa: F401  its terms bring their entries
from vaegan.errors import UserError
from vaegan.figures.curves import save_comparison
from vaegan.files import write_whole
from vaegan.report.comparable import (
    OWN_JUDGE,
    differences_in_data,
    differing_protocols,
    doubt_of,
    doubts_of_curves,
    housekeeping,
    is_own_judge,
    sections_of,
    unlike,
)
from vaegan.report.rendering import ABSENT, BETTER, figure, inlined, is_number, words, write_page
from vaegan.run.reading import RunFiles, read_run

LONGEST_LABEL = 60  # characters; a run with a longer label is called by its name


@dataclass(frozen=True)
class Cell:
    """A figure as text. best: True if no other run has a better one."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Part:
    """A section of the evaluations. rows: text, key, better direction, and a cell for each run.

    If a figure does not mean the same in all runs, the reason stands in place of the better direction.
    doubts: sentences on differing protocols, and each evaluation's warnings.
    """

    title: str
    rows: list[tuple[str, str, str, list[Cell]]]
    doubts: list[str]


def compare(folders: Sequence[Path], into: Path) -> Path:
    """Writes curves.png, table.md and comparison.html about those runs, and returns the page's path.

    folders: two runs or more. into: an empty folder. Raises: UserError for fewer runs, and for a folder that
    is not a run or is named twice.
    """
    if len(folders) < 2:
        raise UserError("name two runs or more to compare")
    places = [folder.resolve() for folder in folders]
    twice = next((each for each, place in zip(folders, places, strict=True) if places.count(place) > 1), None)
    if twice is not None:
        raise UserError(f"{twice}: named twice; name each run once")
    runs = dict(labelled([read_run(folder) for folder in folders]))
    options = differing_options(list(runs.values()))
    rows = [(key, [_option(run, key) for run in runs.values()]) for key in options]
    remarks = list(_remarks(runs))
    parts = list(_parts(runs))
    curves = into / "curves.png"
    records = {label: run.records for label, run in runs.items()}
    titles = save_comparison(curves, records, doubts_of_curves(runs))
    text = "\n".join(_markdown(runs, rows, remarks, parts))
    write_whole(into / "table.md", lambda path: path.write_text(text, encoding="utf-8"))
    page = into / "comparison.html"
    write_page(
        page,
        "comparison.html.j2",
        names=[(label, run.name) for label, run in runs.items()],
        options=rows,
        remarks=remarks,
        compared=parts,
        titles=titles,
        curves=inlined(curves) if titles else None,
    )
    return page


def differing_options(runs: Sequence[RunFiles]) -> list[str]:
    """The options in which the runs differ, except those on where and how they were made."""
    left_out = housekeeping()
    keys = dict.fromkeys(key for run in runs for key in run.config if key not in left_out)
    return [key for key in keys if any(run.config.get(key) != runs[0].config.get(key) for run in runs)]


def labelled(runs: Sequence[RunFiles], without: Sequence[str] = ()) -> Iterator[tuple[str, RunFiles]]:
    """Each run with its label: the options that differ from other runs', or else its name.

    without: options that are not part of a label.
    """
    options = [key for key in differing_options(runs) if key not in without]
    labels = [", ".join(f"{key.replace('_', ' ')} {_option(run, key)}" for key in options) for run in runs]
    for run, label in zip(runs, labels, strict=True):
        if not label or len(label) > LONGEST_LABEL:
            yield _unique_name(run, runs), run
        elif labels.count(label) > 1:
            yield f"{label} ({_unique_name(run, runs)})", run
        else:
            yield label, run


def _unique_name(run: RunFiles, runs: Sequence[RunFiles]) -> str:
    """The name of its folder, or the path if another run has the same name."""
    return run.name if [each.name for each in runs].count(run.name) == 1 else str(run.folder)


def _option(run: RunFiles, key: str) -> str:
    return words(run.config[key]) if key in run.config else "none"


def _remarks(runs: Mapping[str, RunFiles]) -> Iterator[str]:
    """Sentences that apply to all the figures."""
    if data := differences_in_data(list(runs.values())):
        listed = ", ".join(data)
        yield f"The runs do not share their held-out images: they differ in {listed}. Figures do not compare."
    missing = [label for label, run in runs.items() if run.evaluation is None]
    if missing:
        yield f"Not evaluated yet: {'; '.join(missing)}."


def _parts(runs: Mapping[str, RunFiles]) -> Iterator[Part]:
    """The sections that at least one of the runs has."""
    doubts = dict(differing_protocols(runs))
    for name in dict.fromkeys(name for run in runs.values() for name in sections_of(run)):
        sections = {label: sections_of(run)[name] for label, run in runs.items() if name in sections_of(run)}
        values = {label: sections[label]["values"] if label in sections else {} for label in runs}
        meanings = {key: each for part in sections.values() for key, each in part["meanings"].items()}
        keys = dict.fromkeys(key for each in values.values() for key in each)
        rows = []
        for key in keys:
            found = [each.get(key, ABSENT) for each in values.values()]
            if not any(isinstance(value, (list, dict)) for value in found):
                meaning = meanings.get(key, {"text": "", "unit": "", "better": ""})
                having = {label: run for label, run in runs.items() if is_number(values[label].get(key))}
                doubt = doubt_of(unlike(f"{name}/{key}", having))
                what = ", ".join(filter(None, [meaning["text"] or key, meaning["unit"]]))
                own = [is_own_judge(run, f"{name}/{key}") for run in runs.values()]
                cells = _cells(found, "" if doubt else meaning["better"], own)
                rows.append((what, key, doubt or BETTER[meaning["better"]], cells))
        title = next(iter(sections.values()))["title"]
        warnings = [f"{label}: {text}" for label, part in sections.items() for text in part["warnings"]]
        yield Part(title, rows, [*([doubts[name]] if name in doubts else []), *warnings])


def _cells(values: Sequence[Any], better: str, own_judge: Sequence[bool]) -> list[Cell]:
    """The values of a row. The best are marked if one direction is better and there are two or more.

    own_judge: True for those that cannot be best, since their network also served in the run's loss.
    """
    numbers = [value for value, own in zip(values, own_judge, strict=True) if is_number(value) and not own]
    best = None
    if better and len(set(numbers)) > 1:
        best = max(numbers) if better == "higher" else min(numbers)
    return [
        Cell(f"{figure(value)} ({OWN_JUDGE})")
        if own and is_number(value)
        else Cell(figure(value), best is not None and value == best)
        for value, own in zip(values, own_judge, strict=True)
    ]


def _markdown(
    runs: Mapping[str, RunFiles],
    options: Sequence[tuple[str, list[str]]],
    remarks: Sequence[str],
    parts: Sequence[Part],
) -> Iterator[str]:
    """The lines of table.md."""
    yield "# Comparison of runs\n"
    yield from markdown_table(
        ["option", *runs],
        [["run", *(run.name for run in runs.values())]] + [[key, *cells] for key, cells in options],
    )
    yield from (f"\n{remark}" for remark in remarks)
    for part in parts:
        yield f"\n## {part.title}\n"
        rows = [
            [what, better, *(f"**{cell.text}**" if cell.best else cell.text for cell in cells)]
            for what, _, better, cells in part.rows
        ]
        yield from markdown_table(["figure", "better", *runs], rows)
        yield from (f"\n{doubt}" for doubt in part.doubts)
    yield ""


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table."""
    for row in [head, ["---"] * len(head), *rows]:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"
