"""Formats the fronts of groups of arms as text: parts of table.md, table.tex and table.csv."""

import csv as csv_format
import io
from collections.abc import Iterator

from vaegan.ablation.formats import latex_float
from vaegan.ablation.fronts import Area, Axis, Fronts
from vaegan.ablation.letters import escaped
from vaegan.ablation.table import Entry
from vaegan.report.comparison import markdown_table
from vaegan.report.rendering import ABSENT, figure


def explanation(fronts: Fronts) -> str:
    """The sentences that the figures need."""
    return (
        "Areas in planes of distortion and perception. Each axis goes from 0, the worst value of all arms "
        "and seeds in the plane, to 1, the best one; distances are on a logarithmic scale, since they span "
        "factors. Area: the part of the plane that a group's runs of one seed dominate (hypervolume; "
        "reference point: the worst corner), mean ± standard deviation over the seeds. Difference: to the "
        f"area of {fronts.first} with the same seed. Gained: the area of both groups together minus the "
        f"area of {fronts.first}, by which the group moves the front outward; 0 if it lies behind it. "
        "Both are means over the seeds with 95 % bootstrap intervals; a single seed has no interval. More "
        "arms have more chances to dominate, so compare groups of about as many."
    )


def heads(fronts: Fronts) -> list[str]:
    """The headings: the plane, then those of each group."""
    found = ["plane"]
    for group in fronts.groups:
        found.append(f"{group}: area ↑")
        if group != fronts.first:
            found += [f"{group}: difference", f"{group}: gained ↑"]
    return found


def rows(fronts: Fronts) -> list[list[str]]:
    """The cells of each plane, as in `heads`."""
    return [
        [plane.title, *(cell for area in plane.areas for cell in _cells(area, fronts))]
        for plane in fronts.planes
    ]


def ends(fronts: Fronts) -> list[str]:
    """A line for each plane with the ends of its axes."""
    return [f"{plane.title}: {_ends(plane.distortion)}; {_ends(plane.perception)}" for plane in fronts.planes]


def markdown(fronts: Fronts) -> str:
    """The part of table.md."""
    lines = [
        "\n## Fronts\n",
        *(f"- {group}: {'; '.join(labels)}" for group, labels in fronts.groups.items()),
        "",
        *markdown_table(heads(fronts), rows(fronts)),
        f"\n{explanation(fronts)}",
        "\nThe axes, from the worst to the best run:\n",
        *(f"- {each}" for each in ends(fronts)),
        *(f"\n{remark}" for remark in fronts.remarks),
    ]
    return "\n".join([*lines, ""])


def latex(fronts: Fronts, name: str, label: str) -> str:
    """The part of table.tex: a line per plane. name: of the table. label: of its own float."""
    lines = [f"    {' & '.join(map(escaped, cells))} \\\\" for cells in (heads(fronts), *rows(fronts))]
    tabular = [
        rf"  \begin{{tabular}}{{l{'r' * (len(heads(fronts)) - 1)}}}",
        r"    \toprule",
        lines[0],
        r"    \midrule",
        *lines[1:],
        r"    \bottomrule",
        r"  \end{tabular}}",
    ]
    return latex_float(tabular, f"{name}: fronts. {explanation(fronts)}", f"{label}-fronts") + "\n"


def csv(fronts: Fronts) -> str:
    """The part of table.csv: its columns, with a group in place of the arm."""
    output = io.StringIO()
    writer = csv_format.writer(output, lineterminator="\n")
    for plane in fronts.planes:
        for area in plane.areas:
            for what, entry in (("area", area.hypervolume), ("area gained", area.gained)):
                if entry is not None:
                    values = ";".join(f"{seed}:{value!r}" for seed, value in entry.values.items())
                    numbers = (entry.mean, entry.deviation, entry.difference, entry.low, entry.high)
                    about = (area.group, f"{what} in {plane.key}", "", "higher", len(entry.values))
                    writer.writerow([*about, *numbers, 0, values])
    return output.getvalue()


def _cells(area: Area, fronts: Fronts) -> Iterator[str]:
    yield _measured(area.hypervolume)
    if area.group != fronts.first:
        yield _differing(area.hypervolume)
        yield _differing(area.gained)


def _measured(entry: Entry | None) -> str:
    """An area and its deviation, "0.712 ± 0.020"."""
    if entry is None:
        return ABSENT
    return f"{entry.mean:.3f}" + ("" if entry.deviation is None else f" ± {entry.deviation:.3f}")


def _differing(entry: Entry | None) -> str:
    """A difference of areas and its interval, "+0.120 [−0.010, +0.250]"."""
    if entry is None or entry.difference is None:
        return ABSENT
    text = f"{entry.difference:+.3f}"
    if entry.low is not None:
        text += f" [{entry.low:+.3f}, {entry.high:+.3f}]"
    return text.replace("-", "−")


def _ends(axis: Axis) -> str:
    unit = f" {axis.column.unit}" if axis.column.unit else ""
    return f"{figure(axis.worst)} to {figure(axis.best)}{unit}"
