"""A table as Markdown, LaTeX and CSV, compared with expected texts."""

import csv as csv_format
import io
import re
import shutil
import subprocess
from dataclasses import replace

import pytest

from vaegan.ablation.formats import csv, differing, explained, for_terminal, head, latex, markdown, measured
from vaegan.ablation.table import ArmRuns, Column, Entry, Row, Table

PSNR = Column("reconstruction/psnr", "PSNR", "peak signal-to-noise ratio", "dB", "higher")
KL = Column("test/gen/kl", "KL, held out", "", "", "")
FULL = Entry({0: 20.0, 1: 20.5}, 20.25, 0.3536, best=True)
OTHER = Entry({0: 19.0, 1: 19.7}, 19.35, 0.495, -0.9, -1.0, -0.8)
SINGLE = Entry({0: 3.14159}, 3.14159, None)


@pytest.fixture
def table():
    """Two arms, of which one has no KL divergence, and a third that has nothing."""
    rows = [
        Row(ArmRuns("w 10 | 5%", {0: None, 1: None}), [FULL, SINGLE], 2),
        Row(ArmRuns("other_one", {0: None, 1: None}), [OTHER, None], 2),
        Row(ArmRuns("lost", {}, {0: "nan", 1: "nan"}), [None, None], 2),
    ]
    return Table("disc_weight", [PSNR, KL], rows, "w 10 | 5%", ["lost, seed 0, failed: nan"])


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (None, "–"),
        (Entry({0: 1.0}, 0.123456, None), "0.1235"),
        (Entry({0: 1.0, 1: 1.0}, 1.0, 0.0), "1 ± 0"),
        (Entry({}, 20.256, 0.123), "20.26 ± 0.12"),
        (Entry({}, -1.5, 0.0471), "−1.500 ± 0.047"),
        (Entry({}, 1234.56, 138.0), "1,235 ± 138"),
        (Entry({}, 0.00012345, 0.0000012), "0.0001234 ± 0.0000012"),
    ],
)
def test_a_mean_has_as_many_places_as_its_deviation_with_two_digits(entry, text):
    assert measured(entry) == text


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (None, "–"),
        (Entry({}, 1.0, 0.1), "–"),
        (Entry({}, 1.0, None, 0.25), "+0.25"),
        (Entry({}, 1.0, None, -0.25), "−0.25"),
        (Entry({}, 1.0, 0.1, -0.9, -1.0, -0.8), "−0.90 [−1.00, −0.80]"),
        (Entry({}, 1.0, 0.1, 0.001, -0.4, 0.4), "+0.00 [−0.40, +0.40]"),
        (Entry({}, 1.0, 0.1, 0.0, 0.0, 0.0), "+0 [+0, +0]"),
    ],
)
def test_a_difference_has_its_sign_and_the_ends_of_its_interval(entry, text):
    assert differing(entry) == text


def test_what_does_not_compare_says_so_in_its_head_and_for_its_differences():
    doubt = "does not compare: other pixel_range"
    column = Column("likelihood/iw_bound", "-log p(x)", "a bound", "nats", "", doubt)
    entry = Entry({0: 1.0}, 1.0, None, doubt=doubt)
    assert head(column) == "-log p(x), nats (does not compare)"
    assert explained(column) == f"-log p(x): a bound, nats (likelihood/iw_bound); {doubt}"
    assert (measured(entry), differing(entry)) == ("1", "does not compare")


def test_markdown(table):
    lines = markdown(table).splitlines()
    assert lines[:6] == [
        "# disc_weight",
        "",
        "| arm | PSNR, dB ↑ | KL, held out | seeds |",
        "| --- | --- | --- | --- |",
        "| w 10 \\| 5% | **20.25 ± 0.35** | 3.142 | 2/2 |",
        "| other_one | 19.35 ± 0.49 | – | 2/2 |",
    ]
    assert lines[6] == "| lost | – | – | 0/2 |"
    place = lines.index("## Differences to w 10 | 5%")
    assert lines[place + 2 : place + 6] == [
        "| arm | PSNR, dB ↑ | KL, held out |",
        "| --- | --- | --- |",
        "| other_one | −0.90 [−1.00, −0.80] | – |",
        "| lost | – | – |",
    ]
    assert "- PSNR: peak signal-to-noise ratio, dB (reconstruction/psnr)" in lines
    assert lines[-1] == "- lost, seed 0, failed: nan"


def test_latex(table):
    text = latex(table)
    assert text.startswith("% \\usepackage{booktabs, graphicx}\n")
    assert r"     & w 10 \textbar{} 5\% & other\_one & lost \\" in text
    assert r"    PSNR, dB $\uparrow$ & \textbf{20.25 $\pm$ 0.35} & 19.35 $\pm$ 0.49 & -- \\" in text
    assert r"    PSNR, dB $\uparrow$ & $-$0.90 [$-$1.00, $-$0.80] & -- \\" in text
    assert r"    seeds & 2/2 & 2/2 & 0/2 \\" in text
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 2
    assert r"\label{tab:disc-weight}" in text and r"\begin{tabular}{lrrr}" in text
    assert text.isascii()


def test_latex_says_which_letters_it_spells(table):
    renamed = [replace(row, arm=replace(row.arm, label=f"{row.label} β中")) for row in table.rows]
    text = latex(replace(table, rows=renamed, name="β_中", baseline=renamed[0].label))
    assert "% LaTeX cannot print these letters, so they are spelled: 中 as Zhong\n" in text
    assert r"w 10 \textbar{} 5\% $\beta$Zhong & other\_one $\beta$Zhong & lost $\beta$Zhong \\" in text
    assert r"\label{tab:v-Zhong}" in text
    assert "spelled" not in latex(table)


ODD = [
    "β → 0.5, é, ő, ± x₁² ά",
    r"\input{x} & 100 % of $3 #1 a_1 {y ~ ^ <z> | -- [q]",
    "中文 😀 Привет ą þ \ue000\n\nnew",
]


@pytest.mark.parametrize("program", ["pdflatex", "lualatex"])
def test_latex_is_set_by_latex(table, tmp_path, program):
    if not shutil.which(program):
        pytest.skip(f"needs {program}")
    rows = [replace(row, arm=replace(row.arm, label=odd)) for row, odd in zip(table.rows, ODD, strict=True)]
    odd = latex(replace(table, rows=rows, name="β_中 %", baseline=ODD[0]))
    document = (
        "\\documentclass{article}\\usepackage{booktabs, graphicx}\n"
        f"\\begin{{document}}\n{latex(table)}\n{odd}\\end{{document}}"
    )
    (tmp_path / "page.tex").write_text(document, encoding="utf-8")
    command = [program, "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.search(r"Missing character|Overfull", done.stdout)


def test_csv_is_read_back(table):
    rows = list(csv_format.DictReader(io.StringIO(csv(table))))
    assert [(row["arm"], row["figure"]) for row in rows] == [
        ("w 10 | 5%", "reconstruction/psnr"),
        ("w 10 | 5%", "test/gen/kl"),
        ("other_one", "reconstruction/psnr"),
    ]
    first, single, other = rows
    assert (first["mean"], first["deviation"], first["best"], first["n"]) == ("20.25", "0.3536", "1", "2")
    assert (first["difference"], first["low"], single["deviation"]) == ("", "", "")
    assert (other["difference"], other["low"], other["high"], other["best"]) == ("-0.9", "-1.0", "-0.8", "0")
    assert (other["values"], other["unit"], other["better"]) == ("0:19.0;1:19.7", "dB", "higher")


def test_the_terminal_has_a_figure_a_line_and_an_arm_a_column(table):
    lines = for_terminal(table, 100)
    assert lines == [
        "              w 10 | 5%     other_one     lost",
        "PSNR, dB ↑    20.25 ± 0.35  19.35 ± 0.49  –",
        "KL, held out  3.142         –             –",
    ]
    assert for_terminal(table, max(map(len, lines)) + 3) == lines
    assert for_terminal(table, 40) == []


def test_the_terminals_verdicts_come_last(table, monkeypatch):
    monkeypatch.setattr(Row, "verdict", "all well")
    last = for_terminal(replace(table, verdicts=True), 100)[-1]
    assert last.split() == ["verdict", *["all", "well"] * 3]
