"""Fronts of groups of arms: the planes of distortion and perception, and the area that a group dominates.

Source: Blau & Michaeli, The Perception-Distortion Tradeoff (arXiv 1711.06077).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from vaegan.ablation.statistics import bootstrap_interval, hypervolume, mean_and_deviation
from vaegan.ablation.table import ArmRuns, Column, Entry, figures_of, value_of
from vaegan.report.comparable import is_own_judge

# higher is better in the first, lower in the distances
DISTORTIONS = ("reconstruction/psnr", "reconstruction/ssim", "reconstruction/edge_correlation")
PERCEIVED = ("reconstructions", "samples")
DISTANCES = ("frechet", "fid")

Points = Mapping[str, Mapping[int, tuple[float, float]]]  # distortion and perception by seed, by arm


@dataclass(frozen=True)
class Axis:
    """A figure of a plane. worst, best: of all arms and seeds in the plane."""

    column: Column
    worst: float
    best: float

    @property
    def is_logarithmic(self) -> bool:
        """True for distances, which span factors."""
        return is_perception(self.column.key)

    def scaled(self, value: float) -> float:
        """The value between 0, the worst, and 1, the best."""
        ends = (value, self.worst, self.best)
        value, worst, best = map(math.log, ends) if self.is_logarithmic else ends
        return (value - worst) / (best - worst)


@dataclass(frozen=True)
class Area:
    """The area of a group in one plane. hypervolume: with its difference to the first group's.

    gained: the area that the group adds to that of the first one, with its interval as a difference; None for
    the first group. Both are None for a group without a seed that all its arms have.
    """

    group: str
    hypervolume: Entry | None
    gained: Entry | None


@dataclass(frozen=True)
class Plane:
    """Distortion and perception. points: of each arm that has both figures. areas: one for each group."""

    distortion: Axis
    perception: Axis
    points: Points
    areas: list[Area]

    @property
    def title(self) -> str:
        return _title(self.distortion.column, self.perception.column)

    @property
    def key(self) -> str:
        return f"{self.distortion.column.key} x {self.perception.column.key}"


@dataclass(frozen=True)
class Fronts:
    """The planes of an ablation. groups: the labels of their arms. remarks: on anything missing."""

    groups: Mapping[str, Sequence[str]]
    planes: list[Plane]
    remarks: list[str]

    @property
    def first(self) -> str:
        """The group that the others are compared with."""
        return next(iter(self.groups))


def is_perception(key: str) -> bool:
    """True for the Fréchet distance of reconstructions or samples, in any feature network."""
    section, _, rest = key.partition("/")
    of, _, measure = rest.partition("/")
    return section.startswith("distances") and of in PERCEIVED and measure in DISTANCES


def makes_a_plane(metrics: Sequence[str]) -> bool:
    """True if a plane has both its figures among these metrics."""
    return any(key in DISTORTIONS for key in metrics) and any(map(is_perception, metrics))


def make_fronts(
    arms: Sequence[ArmRuns], columns: Sequence[Column], groups: Mapping[str, Sequence[str]]
) -> Fronts:
    """The planes that the columns of a table make.

    groups: labels of arms; the others are compared with the first group. A plane is left out, with a remark,
    if one of its figures does not compare, if all runs have the same value or if a distance has no logarithm.
    """
    planes: list[Plane] = []
    remarks: list[str] = []
    lacking: dict[str, list[str]] = {}
    for perception in columns:
        for distortion in columns:
            if is_perception(perception.key) and distortion.key in DISTORTIONS:
                points = _points(arms, distortion.key, perception.key)
                title = _title(distortion, perception)
                if problem := _problem(points, distortion, perception):
                    remarks.append(f"No front in {title}: {problem}.")
                    continue
                planes.append(_plane(points, distortion, perception, groups))
                for each in _lacking(points, groups):
                    lacking.setdefault(each, []).append(title)
    for each, titles in lacking.items():
        where = "all planes" if len(titles) == len(planes) else "; ".join(titles)
        remarks.append(f"{each} in {where}.")
    return Fronts(groups, planes, remarks)


def _points(arms: Sequence[ArmRuns], distortion: str, perception: str) -> Points:
    """The runs that have both figures, and no judge of their own."""
    points: dict[str, dict[int, tuple[float, float]]] = {}
    for arm in arms:
        for seed, run in sorted(arm.runs.items()):
            figures = figures_of(run)
            x, y = value_of(figures, distortion), value_of(figures, perception)
            if x is not None and y is not None and not is_own_judge(run, perception):
                points.setdefault(arm.label, {})[seed] = (x, y)
    return points


def _problem(points: Points, distortion: Column, perception: Column) -> str:
    """The reason why the points make no plane, or ""."""
    both = [point for of_arm in points.values() for point in of_arm.values()]
    if not both:
        return "no run has both figures"
    for column, values in zip((distortion, perception), zip(*both, strict=True), strict=True):
        if column.doubt:
            return f"{column.title} {column.doubt}"
        if is_perception(column.key) and min(values) <= 0:
            return f"{column.title} is not positive in all runs, and the axis is logarithmic"
        if min(values) == max(values):
            return f"{column.title} is the same in all runs"
    return ""


def _plane(
    points: Points, distortion: Column, perception: Column, groups: Mapping[str, Sequence[str]]
) -> Plane:
    both = [point for of_arm in points.values() for point in of_arm.values()]
    across, up = (
        _axis(column, values)
        for column, values in zip((distortion, perception), zip(*both, strict=True), strict=True)
    )
    scaled = {
        label: {seed: (across.scaled(x), up.scaled(y)) for seed, (x, y) in of_arm.items()}
        for label, of_arm in points.items()
    }
    by_group = {group: _by_seed(scaled, labels) for group, labels in groups.items()}
    first = next(iter(by_group.values()))
    areas = [_area(group, own, first, is_first=own is first) for group, own in by_group.items()]
    return Plane(across, up, points, areas)


def _axis(column: Column, values: Sequence[float]) -> Axis:
    ends = (min(values), max(values))
    return Axis(column, *(ends[::-1] if is_perception(column.key) else ends))


def _by_seed(points: Points, labels: Sequence[str]) -> dict[int, list[tuple[float, float]]]:
    """The points of a group's arms for each seed that all of them have; arms without any are left out."""
    there = [points[label] for label in labels if label in points]
    seeds = set.intersection(*map(set, there)) if there else set()
    return {seed: [of_arm[seed] for of_arm in there] for seed in sorted(seeds)}


def _area(
    group: str,
    own: Mapping[int, list[tuple[float, float]]],
    first: Mapping[int, list[tuple[float, float]]],
    *,
    is_first: bool,
) -> Area:
    """A group's area. own, first: its points and those of the first group, by seed."""
    if not own:
        return Area(group, None, None)
    values = {seed: hypervolume(points) for seed, points in own.items()}
    entry = Entry(values, *mean_and_deviation(list(values.values())))
    shared = [] if is_first else [seed for seed in own if seed in first]
    if not shared:
        return Area(group, entry, None)
    before = {seed: hypervolume(first[seed]) for seed in shared}
    gained = {seed: hypervolume([*first[seed], *own[seed]]) - before[seed] for seed in shared}
    return Area(
        group,
        _with_difference(entry, [values[seed] - before[seed] for seed in shared]),
        _with_difference(Entry(gained, *mean_and_deviation(list(gained.values()))), list(gained.values())),
    )


def _with_difference(entry: Entry, differences: Sequence[float]) -> Entry:
    low, high = bootstrap_interval(differences) or (None, None)
    return replace(entry, difference=mean(differences), low=low, high=high)


def _lacking(points: Points, groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The beginning of a sentence for each arm and for the seeds that the areas of the groups lack."""
    found = []
    for group, labels in groups.items():
        for label in labels:
            if label not in points:
                found.append(f"{group} is without {label}, of which no run is there,")
        there = [set(points[label]) for label in labels if label in points]
        some = set.union(*there) - set.intersection(*there) if there else set()
        if some:
            seeds = ", ".join(map(str, sorted(some)))
            found.append(f"{group} is without seed {seeds}, which only some of its arms have,")
    return found


def _title(distortion: Column, perception: Column) -> str:
    return f"{distortion.title} × {perception.title}"
