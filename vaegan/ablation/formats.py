"""Formats a table as text: Markdown, LaTeX with booktabs, CSV."""

import csv as csv_format
import io
import math
from collections.abc import Callable, Sequence

from vaegan.ablation.letters import escaped, in_ascii, spelled
from vaegan.ablation.metrics import VERDICT
from vaegan.ablation.table import Column, Entry, Row, Table
from vaegan.report.comparable import OWN_JUDGE
from vaegan.report.comparison import markdown_table
from vaegan.report.rendering import ABSENT, figure

ARROWS = {"higher": "↑", "lower": "↓", "": ""}
NOT_ALIKE = "does not compare"
PROTOCOL = (
    "Mean ± standard deviation (n - 1) over the seeds; for a single seed, the mean alone. Terms are "
    "unweighted. The wall time is that of training, held-out losses included; for a run that was forked from "
    "another, it includes the solo epochs of that other run."
)
DIFFERENCES = (
    "Mean over the seeds of the difference to the baseline with the same seed, and its 95 % bootstrap "
    "interval (percentiles of 10,000 resampled means). With three seeds, the interval is about their range."
)


def head(column: Column) -> str:
    """The heading of a column: "PSNR, dB ↑"."""
    unit = f", {column.unit}" if column.unit and len(column.unit) < 12 else ""
    sign = f"({NOT_ALIKE})" if column.doubt else ARROWS[column.better]
    return f"{column.title}{unit} {sign}".rstrip()


def measured(entry: Entry | None) -> str:
    """A mean and its deviation, "20.31 ± 0.12": two digits for the deviation, as many places for the mean."""
    if entry is None:
        return ABSENT
    note = f" ({OWN_JUDGE})" if entry.own_judge else ""
    if not entry.deviation:
        return (figure(entry.mean) if entry.deviation is None else f"{figure(entry.mean)} ± 0") + note
    places = places_of(entry.deviation)
    return f"{_minus(entry.mean, places)} ± {entry.deviation:,.{places}f}{note}"


def differing(entry: Entry | None) -> str:
    """A difference and its interval: "+0.12 [−0.03, +0.31]"."""
    if entry is not None and entry.doubt:
        return NOT_ALIKE
    if entry is None or entry.difference is None:
        return ABSENT
    if entry.low is None:
        return f"{'+' if entry.difference >= 0 else '−'}{figure(abs(entry.difference))}"
    places = places_of(max(abs(entry.difference), (entry.high - entry.low) / 4))
    ends = (_minus(each, places, "+") for each in (entry.difference, entry.low, entry.high))
    return "{} [{}, {}]".format(*ends)


def places_of(size: float) -> int:
    """Number of decimal places that give a number of this size two digits."""
    if not size or not math.isfinite(size):
        return 0
    return min(8, max(0, 1 - math.floor(math.log10(abs(size)))))


def _minus(value: float, places: int, sign: str = "-") -> str:
    return f"{value:{sign},.{places}f}".replace("-", "−")


def others(table: Table) -> list[Row]:
    """All rows except the baseline's."""
    return [row for row in table.rows if row.label != table.baseline]


def explained(column: Column) -> str:
    """A line that explains a column."""
    parts = [column.text or column.key, column.unit]
    doubt = f"; {column.doubt}" if column.doubt else ""
    return f"{column.title}: {', '.join(filter(None, parts))} ({column.key}){doubt}"


def explanations(table: Table) -> list[str]:
    """A line that explains each column."""
    of_verdicts = (
        [f"verdict: the rules for it are in docs/evaluation.md ({VERDICT})"] if table.verdicts else []
    )
    return [*map(explained, table.columns), *of_verdicts]


def verdict_cells(table: Table, row: Row) -> list[str]:
    """The cell with an arm's verdicts, if the table has that column."""
    return [row.verdict or ABSENT] if table.verdicts else []


def markdown(table: Table) -> str:
    """The content of table.md."""

    def cell(entry: Entry | None) -> str:
        text = measured(entry)
        return f"**{text}**" if entry is not None and entry.best else text

    titles = list(map(head, table.columns))
    verdict = ["verdict"] if table.verdicts else []
    rows = [
        [row.label, *map(cell, row.entries), *verdict_cells(table, row), row.survived] for row in table.rows
    ]
    differences = [[row.label, *map(differing, row.entries)] for row in others(table)]
    lines = [
        f"# {table.name}\n",
        *markdown_table(["arm", *titles, *verdict, "seeds"], rows),
        f"\n{PROTOCOL}",
        f"\n## Differences to {table.baseline}\n",
        *markdown_table(["arm", *titles], differences),
        f"\n{DIFFERENCES}",
        "\n## Figures\n",
        *(f"- {line}" for line in explanations(table)),
    ]
    if table.remarks:
        lines += ["\n## Remarks\n", *(f"- {remark}" for remark in table.remarks)]
    return "\n".join([*lines, ""])


def for_terminal(table: Table, widest: int) -> list[str]:
    """The table in lines of text, a figure a line and an arm a column; none if it is wider than `widest`."""
    titles = ["", *map(head, table.columns), *(["verdict"] if table.verdicts else [])]
    columns = [titles] + [
        [row.label, *map(measured, row.entries), *verdict_cells(table, row)] for row in table.rows
    ]
    widths = [max(map(len, column)) for column in columns]
    if sum(widths) + 2 * (len(widths) - 1) > widest:
        return []
    lines = zip(*columns, strict=True)
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def latex(table: Table) -> str:
    r"""The content of table.tex: a line per figure and a column per arm, in two floats.

    They need \usepackage{booktabs, graphicx}, and are shrunk if they are wider than the text. A comment
    lists the letters that LaTeX cannot print, and how they are spelled.
    """
    label = latex_label(table)
    results = _tabular(table, table.rows, lambda entry: _bold(measured(entry), entry), table.verdicts)
    differences = _tabular(table, others(table), lambda entry: escaped(differing(entry)))
    return "\n\n".join(
        [
            "\n".join([r"% \usepackage{booktabs, graphicx}", *_spelled(table)]),
            latex_float(results, f"{table.name}. {PROTOCOL}", label),
            latex_float(
                differences,
                f"{table.name}: differences to {table.baseline}. {DIFFERENCES}",
                f"{label}-differences",
            ),
            "",
        ]
    )


def latex_label(table: Table) -> str:
    """The name of the table's float, without `tab:`."""
    return "".join(letter if letter.isalnum() else "-" for letter in in_ascii(table.name))


def _spelled(table: Table) -> list[str]:
    """The comment on letters that LaTeX cannot print, if there are any."""
    texts = [table.name, *(row.label for row in table.rows), *map(head, table.columns)]
    letters = {letter: text for each in texts for letter, text in spelled(each).items() if text}
    listed = ", ".join(f"{letter} as {text}" for letter, text in letters.items())
    return [f"% LaTeX cannot print these letters, so they are spelled: {listed}"] if letters else []


def _bold(text: str, entry: Entry | None) -> str:
    return rf"\textbf{{{escaped(text)}}}" if entry is not None and entry.best else escaped(text)


def _tabular(
    table: Table, rows: Sequence[Row], cell: Callable[[Entry | None], str], verdicts: bool = False
) -> list[str]:
    lines = [["", *(escaped(row.label) for row in rows)]]
    for i, column in enumerate(table.columns):
        lines.append([escaped(head(column)), *(cell(row.entries[i]) for row in rows)])
    if verdicts:
        lines.append(["verdict", *(escaped(row.verdict or ABSENT) for row in rows)])
    lines.append(["seeds", *(row.survived for row in rows)])
    first, *rest = (f"    {' & '.join(line)} \\\\" for line in lines)
    columns = f"l{'r' * len(rows)}"
    return [
        rf"  \begin{{tabular}}{{{columns}}}",
        r"    \toprule",
        first,
        r"    \midrule",
        *rest,
        r"    \bottomrule",
        r"  \end{tabular}}",
    ]


def latex_float(tabular: list[str], caption: str, label: str) -> str:
    r"""A table of LaTeX around a tabular, shrunk if it is wider than the text."""
    lines = [
        r"\begin{table}",
        r"  \centering",
        rf"  \caption{{{escaped(caption)}}}",
        rf"  \label{{tab:{label}}}",
        r"  \resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{%",
        *tabular,
        r"\end{table}",
    ]
    return "\n".join(lines)


def csv(table: Table) -> str:
    """The content of table.csv: a line per arm and figure, with all digits."""
    output = io.StringIO()
    writer = csv_format.writer(output, lineterminator="\n")
    numbers = ("mean", "deviation", "difference", "low", "high")
    writer.writerow(["arm", "figure", "unit", "better", "n", *numbers, "best", "values"])
    for row in table.rows:
        for column, entry in zip(table.columns, row.entries, strict=True):
            if entry is not None:
                what = [row.label, column.key, column.unit, column.better, len(entry.values)]
                values = ";".join(f"{seed}:{value!r}" for seed, value in entry.values.items())
                writer.writerow([*what, *(getattr(entry, each) for each in numbers), int(entry.best), values])
        if table.verdicts and row.verdicts:
            values = " | ".join(f"{seed}:{verdict}" for seed, verdict in row.verdicts.items())
            writer.writerow(
                [row.label, VERDICT, "", "", len(row.verdicts), *[""] * (len(numbers) + 1), values]
            )
    return output.getvalue()
