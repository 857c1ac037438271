"""The picture of the fronts: planes of distortion and perception, with the area that each group dominates."""

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from vaegan.ablation.fronts import DISTORTIONS, Fronts, Plane
from vaegan.ablation.statistics import pareto_front
from vaegan.marks import save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ACROSS = DISTORTIONS[:2]  # those that have a column; the third is in the tables
MOST_ROWS = 4
MARKERS = ("s", "^", "D", "v", "P", "X", "*", "<", ">")  # of arms outside of groups
SINGLE = ("0.15", "0.45", "0.65")  # their greys
WIDE, HIGH = 5.6, 4.4  # inches a panel
LABEL_WIDTH = 45  # letters in a line of an axis label
SMALL = 6.5  # points
LETTER = 0.6 * SMALL  # points, about the width of one in a name
BESIDE = 14  # points from an arm's mean to its name
APART = 8  # points between the names of two arms


def save_fronts(path: Path, fronts: Fronts) -> list[str]:
    """Draws the planes, a row for each perception and a column for each distortion; returns their titles.

    Nothing is drawn if there are no such planes.
    """
    columns = [key for key in ACROSS if any(plane.distortion.column.key == key for plane in fronts.planes)]
    by_place = {
        (plane.perception.column.key, plane.distortion.column.key): plane
        for plane in fronts.planes
        if plane.distortion.column.key in columns
    }
    rows = list(dict.fromkeys(perception for perception, _ in by_place))[:MOST_ROWS]
    if not rows:
        return []
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    singles = _singles(fronts)
    entries = len(fronts.groups) + len(singles)
    size = (max(7.5, WIDE * len(columns)), HIGH * len(rows) + 0.3 + 0.13 * entries)
    figure = Figure(figsize=size, layout="constrained")
    colours = dict(zip(fronts.groups, itertools.cycle(colormaps["tab10"].colors), strict=False))
    drawn, panels, handles = [], [], {}
    for place, (row, column) in enumerate(itertools.product(rows, columns), start=1):
        plane = by_place.get((row, column))
        if plane is not None:
            axes = figure.add_subplot(len(rows), len(columns), place)
            _draw(axes, plane, fronts, colours, singles)
            panels.append((axes, plane))
            handles |= dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
            drawn.append(plane.title)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    figure.draw_without_rendering()  # names are placed by points on the page, which the layout decides
    for axes, plane in panels:
        _name_arms(axes, plane, fronts, colours)
    save_figure(path, figure)
    return drawn


def _singles(fronts: Fronts) -> dict[str, dict[str, Any]]:
    """The looks of the arms that are in none of the groups."""
    grouped = {label for labels in fronts.groups.values() for label in labels}
    labels = dict.fromkeys(label for plane in fronts.planes for label in plane.points if label not in grouped)
    looks = ((grey, marker) for grey in SINGLE for marker in MARKERS)
    return {
        label: {"color": grey, "marker": marker}
        for label, (grey, marker) in zip(labels, itertools.cycle(looks), strict=False)
    }


def _draw(
    axes: "Axes",
    plane: Plane,
    fronts: Fronts,
    colours: Mapping[str, Any],
    singles: Mapping[str, Mapping[str, Any]],
) -> None:
    """One panel. Better is to the right and below; it is as wide as the groups are, and arms of none of them
    that are further left stand at its edge."""
    for group, labels in fronts.groups.items():
        there = [label for label in labels if label in plane.points]
        if there:
            _draw_group(axes, plane, group, there, colours[group])
    left, right = width(plane, fronts)
    for label, look in singles.items():
        if label in plane.points:
            x, y = _middle(plane, label)
            _draw_runs(axes, plane, label, look)
            axes.scatter(max(x, left), y, s=70, label=label, zorder=4, clip_on=False, **look)
            if x < left:
                place = {"textcoords": "offset points", "va": "center"}
                axes.annotate("\N{LEFTWARDS ARROW}", (left, y), (7, 0), **place)
    axes.set_xlim(left, right)
    for axis, name in ((plane.distortion, "x"), (plane.perception, "y")):
        unit = f", {axis.column.unit}" if axis.column.unit else ""
        where = {"x": "better to the right", "y": "better below"}[name]
        axes.set(**{f"{name}label": textwrap.fill(f"{axis.column.title}{unit}: {where}", LABEL_WIDTH)})
    axes.set_yscale("log")
    _label_ticks(axes)


def width(plane: Plane, fronts: Fronts) -> tuple[float, float]:
    """The ends of the axis of distortion: all runs of the groups, and a little room on both sides."""
    grouped = [plane.points.get(label, {}) for labels in fronts.groups.values() for label in labels]
    xs = [x for runs in grouped for x, _ in runs.values()] or [plane.distortion.worst, plane.distortion.best]
    room = 0.05 * (max(xs) - min(xs) or 1)
    return min(xs) - room, max(xs) + room


def _draw_group(axes: "Axes", plane: Plane, group: str, labels: Sequence[str], colour: Any) -> None:
    """The arms' means with their front as a step and the area behind it; means off the front are hollow."""
    for label in labels:
        _draw_runs(axes, plane, label, {"color": colour, "marker": "o"})
    means = [_middle(plane, label) for label in labels]
    front = pareto_front([(-x, y) for x, y in means])  # the least distortion first
    xs, ys = zip(*(means[i] for i in front), strict=True)
    worst_x, worst_y = plane.distortion.worst, plane.perception.worst
    # from the worst corner's height at the least distortion to its distortion at the best perception
    steps = ([xs[0], *xs, worst_x], [worst_y, *ys, ys[-1]])
    axes.fill_between(*steps, worst_y, step="post", color=colour, alpha=0.07, linewidth=0, zorder=0)
    axes.step(*steps, where="post", color=colour, linewidth=1.6, zorder=2)
    inside = [i for i in range(len(means)) if i not in front]
    look = {"s": 70, "edgecolors": [colour], "linewidths": 1.5, "zorder": 3}
    axes.scatter(xs, ys, facecolors=[colour], label=group, **look)
    if inside:
        axes.scatter(*zip(*(means[i] for i in inside), strict=True), facecolors="white", **look)


def _name_arms(axes: "Axes", plane: Plane, fronts: Fronts, colours: Mapping[str, Any]) -> None:
    """The names of the groups' arms beside their means, where the panel has room, and none over another."""
    arms = [(label, group) for group, labels in fronts.groups.items() for label in labels]
    named = {label: (group, _middle(plane, label)) for label, group in arms if label in plane.points}
    scale = 72 / axes.figure.dpi
    ends = axes.bbox.x0 * scale, axes.bbox.x1 * scale
    spots, sides, wanted = {}, {}, {}
    for label, (_, point) in named.items():
        x, y = spots[label] = axes.transData.transform(point) * scale
        sides[label] = side = -1 if (x - ends[0]) / (ends[1] - ends[0]) > 0.4 else 1
        near, far = sorted((x + side * BESIDE, x + side * (BESIDE + LETTER * len(label))))
        wanted[label] = (near, far, y - APART)  # off the front's lines
    for label, height in spread(wanted, axes.bbox.y0 * scale + APART / 2).items():
        group, point = named[label]
        axes.annotate(
            label,
            point,
            (BESIDE * sides[label], height - spots[label][1]),
            textcoords="offset points",
            ha="right" if sides[label] < 0 else "left",
            va="center",
            fontsize=SMALL,
            color=colours[group],
            bbox={"facecolor": "white", "alpha": 0.8, "linewidth": 0, "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": colours[group], "linewidth": 0.4, "shrinkA": 0},
        ).set_in_layout(False)


def spread(wanted: Mapping[str, tuple[float, float, float]], bottom: float) -> dict[str, float]:
    """Heights at which no two names overlap: `APART` or more from each other where both are in one place.

    wanted: left and right end and height of each name, points. A name goes below one that is in its way, and
    above it where it would get below the bottom.
    """
    placed: dict[str, float] = {}
    for label in sorted(wanted, key=lambda label: wanted[label][2], reverse=True):
        left, right, height = wanted[label]
        taken = [placed[other] for other in placed if left < wanted[other][1] and wanted[other][0] < right]
        placed[label] = _free(height, taken, -1)
        if placed[label] < bottom:
            placed[label] = _free(bottom, taken, 1)
    return placed


def _free(height: float, taken: Sequence[float], direction: int) -> float:
    """The first height in a direction that is `APART` from all that are taken."""
    for other in sorted(taken, key=lambda other: direction * other):
        if abs(other - height) < APART:
            height = other + direction * APART
    return height


def _draw_runs(axes: "Axes", plane: Plane, label: str, look: Mapping[str, Any]) -> None:
    """The single runs of an arm, if it has several."""
    points = list(plane.points[label].values())
    if len(points) > 1:
        axes.scatter(*zip(*points, strict=True), s=12, alpha=0.6, linewidths=0, zorder=1, **look)


def _middle(plane: Plane, label: str) -> tuple[float, float]:
    """The mean of an arm over the seeds."""
    xs, ys = zip(*plane.points[label].values(), strict=True)
    return mean(xs), mean(ys)


def _label_ticks(axes: "Axes") -> None:
    """Plain numbers on the logarithmic axis, also where it spans less than a factor of ten."""
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7)))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
