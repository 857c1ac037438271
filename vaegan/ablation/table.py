"""The table of an ablation: a row per arm and a column per figure, each over the seeds."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean
from typing import Any

from vaegan.ablation.metrics import ACCURACY, OF_RUNS, OTHER_NAMES, VERDICT, known_metrics
from vaegan.ablation.statistics import bootstrap_interval, mean_and_deviation
from vaegan.quantities import find
from vaegan.report.comparable import (
    OWN_JUDGE,
    TIMES,
    differences_in_data,
    differing_protocols,
    doubt_of,
    is_own_judge,
    sections_of,
    unlike,
)
from vaegan.report.verdict import verdict_of
from vaegan.run.reading import RunFiles

Found = Mapping[str, Mapping[str, dict[int, float]]]  # values by seed, by key, by an arm's label
PARTS = ("text", "unit")  # attributes of a meaning


@dataclass(frozen=True)
class ArmRuns:
    """An arm's finished runs, by seed, and the reasons why the others did not finish."""

    label: str
    runs: dict[int, RunFiles]
    failures: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A figure. key: as in `known_metrics`. title: short. better: "higher", "lower" or "" for neither.

    doubt: the reason why it does not mean the same in all arms; then neither direction is better.
    """

    key: str
    title: str
    text: str
    unit: str
    better: str
    doubt: str = ""


@dataclass(frozen=True)
class Entry:
    """One figure of one arm. values: by seed. deviation: of a sample, None for a single value.

    difference: the mean difference to the baseline with the same seed; low and high: the ends of its
    interval. All three are None for the baseline itself and if no seed is shared; the ends also for a single
    shared seed. best: True if no arm has a better mean, provided that the arms compare. doubt: the reason why
    the figure does not mean the same in the baseline; then there is no difference. own_judge: True if the
    figure's network also served in the arm's loss; then it is not best, and there is no difference.
    """

    values: dict[int, float]
    mean: float
    deviation: float | None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    best: bool = False
    doubt: str = ""
    own_judge: bool = False


@dataclass(frozen=True)
class Row:
    """An arm. entries: one for each column, None for a figure that it does not have."""

    arm: ArmRuns
    entries: list[Entry | None]
    n_seeds: int

    @property
    def label(self) -> str:
        return self.arm.label

    @property
    def survived(self) -> str:
        """The share of the seeds whose runs finished: "2/3"."""
        return f"{len(self.arm.runs)}/{self.n_seeds}"

    @property
    def verdicts(self) -> dict[int, str]:
        """The verdicts of the runs that have one, by seed."""
        found = {seed: verdict_of(run.evaluation or {"sections": {}}) for seed, run in self.arm.runs.items()}
        return {seed: verdict for seed, verdict in sorted(found.items()) if verdict is not None}

    @property
    def verdict(self) -> str:
        """The verdicts, with numbers of seeds if they differ: "2 all well, 1 D has won"; "" for none."""
        counts = Counter(self.verdicts.values())
        if len(counts) < 2:
            return next(iter(counts), "")
        return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())


@dataclass(frozen=True)
class Table:
    """An ablation's table. baseline: the label of the arm that the others are compared with.

    remarks: sentences that are needed to read the figures. verdicts: True for a column of the runs' verdicts.
    """

    name: str
    columns: list[Column]
    rows: list[Row]
    baseline: str
    remarks: list[str]
    verdicts: bool = False


def make_table(
    name: str, arms: Sequence[ArmRuns], metrics: Sequence[str], baseline: str, given: bool = True
) -> Table:
    """The table of these arms. metrics: keys of `known_metrics`; those of every run are added.

    given: True if the user chose the metrics; a remark then lists those that no run has.
    """
    runs = by_name(arms)
    keys = [key for key in dict.fromkeys([*metrics, *OF_RUNS]) if key != VERDICT]
    found = {arm.label: _values_by_key(arm, keys) for arm in arms}
    present = [key for key in keys if any(found[arm.label][key] for arm in arms)]
    remarks = list(_remarks(arms, runs, metrics))
    judged = VERDICT in metrics and any(
        run.evaluation and verdict_of(run.evaluation) for run in runs.values()
    )
    there = [*present, VERDICT] if judged else present
    if given and (missing := [key for key in metrics if key not in there]):
        remarks.append(f"No run has {', '.join(missing)}.")
    columns = [_column(key, having(arms, key, found)) for key in present]
    remarks += [*_doubts(columns, runs), *_lacking(arms, columns, found)]
    remarks += _own_judges(arms, columns)
    bests = {column.key: _best(column, arms, found) for column in columns}
    (against,) = (arm for arm in arms if arm.label == baseline)
    rows = []
    for arm in arms:
        entries = [
            _entry(found, arm, None if arm is against else against, key, bests[key]) for key in present
        ]
        rows.append(Row(arm, entries, len(arm.runs) + len(arm.failures)))
    return Table(name, columns, rows, baseline, remarks, judged)


def as_rows(table: Table) -> tuple[list[str], list[list[Any]]]:
    """The table as column names and plain rows: the mean, deviation and difference of each figure."""
    parts = ("mean", "deviation", "difference")
    titles = [f"{column.title} {part}" for column in table.columns for part in parts]
    rows = [
        [row.label, row.survived, *(getattr(entry, part, None) for entry in row.entries for part in parts)]
        for row in table.rows
    ]
    if table.verdicts:
        titles.append("verdict")
        rows = [[*cells, row.verdict] for cells, row in zip(rows, table.rows, strict=True)]
    return ["arm", "seeds", *titles], rows


def by_name(arms: Sequence[ArmRuns]) -> dict[str, RunFiles]:
    """All runs, each by its arm and seed."""
    return {name_of(arm, seed): run for arm in arms for seed, run in arm.runs.items()}


def name_of(arm: ArmRuns, seed: int) -> str:
    """The name of an arm's run in the table."""
    return f"{arm.label}, seed {seed}"


def figures_of(run: RunFiles) -> dict[str, float]:
    """All single finite figures of a run, by their keys in a table, from its last epoch and its evaluation.

    Times cover all its epochs, including those forked from another run.
    """
    figures: dict[str, float] = {}
    for name, section in (run.evaluation or {"sections": {}})["sections"].items():
        figures |= {f"{name}/{key}": value for key, value in section["values"].items()}
    if run.records:
        last = run.records[-1]
        figures |= {key: value for key, value in last.items() if key.startswith(("test/", "train/"))}
        epochs_s = [record["time/epoch_s"] for record in run.records]
        figures["wall_s"] = sum(epochs_s) + sum(record["time/test_s"] for record in run.records)
        n_images = sum(record["time/images_per_s"] * record["time/epoch_s"] for record in run.records)
        figures["images_per_s"] = n_images / sum(epochs_s)
        shares = [value for key, value in last.items() if key.startswith("test/disc/acc_")]
        if shares:
            figures[ACCURACY] = mean(shares)
    return {
        key: value
        for key, value in figures.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }


def value_of(figures: Mapping[str, float], key: str) -> float | None:
    """The figure of that key, or of its other name."""
    stem, _, last = key.rpartition("/")
    other = f"{stem}/{OTHER_NAMES[last]}" if last in OTHER_NAMES else key
    return figures.get(key, figures.get(other))


def _values_by_key(arm: ArmRuns, keys: Iterable[str]) -> dict[str, dict[int, float]]:
    figures = {seed: figures_of(run) for seed, run in sorted(arm.runs.items())}
    return {
        key: {seed: value for seed, each in figures.items() if (value := value_of(each, key)) is not None}
        for key in keys
    }


def having(arms: Sequence[ArmRuns], key: str, found: Found) -> dict[str, RunFiles]:
    """The runs of these arms that have a figure, by arm and seed."""
    return {
        name_of(arm, seed): run
        for arm in arms
        for seed, run in arm.runs.items()
        if seed in found[arm.label][key]
    }


def _column(key: str, runs: Mapping[str, RunFiles]) -> Column:
    """The figure's meaning according to the runs' own evaluations, or else the known one."""
    section, _, name = key.partition("/")
    of_runs = [sections_of(run).get(section, {}).get("meanings", {}).get(name) for run in runs.values()]
    known = known_metrics().get(key) or find(key)
    plain = {"text": known.text or known.title, "unit": known.unit, "better": known.better or ""}
    meanings = list(filter(None, of_runs)) or [plain]
    text, unit = (" or ".join(dict.fromkeys(filter(None, (m[part] for m in meanings)))) for part in PARTS)
    doubt = doubt_of(unlike(key, runs))
    better = "" if doubt else meanings[0]["better"]
    # an evaluation in several feature networks names them in its titles
    titles = {each["title"] for each in meanings if "title" in each}
    title = titles.pop() if len(titles) == 1 else known.title
    return Column(key, title, text, unit, better, doubt)


def _best(column: Column, arms: Sequence[ArmRuns], found: Found) -> float | None:
    """The best mean of a figure, if one direction is better and the arms differ."""
    means = {
        mean(found[arm.label][column.key].values())
        for arm in arms
        if found[arm.label][column.key] and not _is_own_judge(arm, column.key)
    }
    if not column.better or len(means) < 2:
        return None
    return max(means) if column.better == "higher" else min(means)


def _entry(found: Found, arm: ArmRuns, against: ArmRuns | None, key: str, best: float | None) -> Entry | None:
    """The entry of an arm. against: the baseline; None for the baseline itself."""
    values = found[arm.label][key]
    if not values:
        return None
    middle, deviation = mean_and_deviation(list(values.values()))
    own = _is_own_judge(arm, key)
    plain = Entry(values, middle, deviation, best=middle == best and not own, own_judge=own)
    if against is None:
        return plain
    if own or _is_own_judge(against, key):
        return replace(plain, doubt=OWN_JUDGE)
    if doubt := doubt_of(unlike(key, having([against, arm], key, found))):
        return replace(plain, doubt=doubt)
    other = found[against.label][key]
    differences = [value - other[seed] for seed, value in values.items() if seed in other]
    low, high = bootstrap_interval(differences) or (None, None)
    return replace(plain, difference=mean(differences) if differences else None, low=low, high=high)


def _is_own_judge(arm: ArmRuns, key: str) -> bool:
    """True if a figure's network also served in the loss of one of the arm's runs."""
    return any(is_own_judge(run, key) for run in arm.runs.values())


def _own_judges(arms: Sequence[ArmRuns], columns: Sequence[Column]) -> Iterable[str]:
    """A sentence per arm whose figures were taken in a network that also served in its loss."""
    for arm in arms:
        titles = [column.title for column in columns if _is_own_judge(arm, column.key)]
        if titles:
            yield (
                f"{arm.label} has its {OWN_JUDGE} in {'; '.join(titles)}: the network of these figures also "
                "served in its loss. It is not best in them, and there are no differences to it."
            )


def _doubts(columns: Sequence[Column], runs: Mapping[str, RunFiles]) -> Iterable[str]:
    """A sentence per reason for figures that do not compare, unless a remark on all runs already says so."""
    said = {name for name, _ in differing_protocols(runs)}
    if differences_in_data(list(runs.values())):
        return
    left = [c for c in columns if c.doubt and c.key not in TIMES and c.key.partition("/")[0] not in said]
    for doubt in dict.fromkeys(column.doubt for column in left):
        titles = "; ".join(column.title for column in left if column.doubt == doubt)
        yield f"{titles}: {doubt}. None is best, and there are no differences to arms with another."


def _lacking(arms: Sequence[ArmRuns], columns: Sequence[Column], found: Found) -> Iterable[str]:
    """A sentence for each figure that some of an arm's runs have and others lack."""
    for arm in arms:
        for column in columns:
            lacking = sorted(arm.runs.keys() - found[arm.label][column.key].keys())
            if lacking and len(lacking) < len(arm.runs):
                seeds = ", ".join(map(str, lacking))
                yield f"{arm.label} has no finite {column.title} with seed {seeds}."


def _remarks(arms: Sequence[ArmRuns], runs: Mapping[str, RunFiles], metrics: Sequence[str]) -> Iterable[str]:
    """Sentences that apply to all figures or to all of a section in the table, and on anything missing."""
    for arm in arms:
        for seed, reason in arm.failures.items():
            yield f"{arm.label}, seed {seed}, failed: {reason}"
    if data := differences_in_data(list(runs.values())):
        yield f"The runs do not share their held-out images: they differ in {', '.join(data)}."
    shown = {key.partition("/")[0] for key in metrics}
    for section, sentence in differing_protocols(runs):
        if section in shown:
            yield sentence
    for what, key in (("commits", "commit"), ("devices", "device_name"), ("threads", "threads")):
        values = sorted({str(run.environment.get(key)) for run in runs.values()})
        if len(values) > 1:
            yield f"The runs were made with different {what}: {', '.join(values)}; times may not compare."
