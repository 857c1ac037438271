"""Pictures of an ablation: strips of reconstructions, samples, curves, the perception-distortion plane."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vaegan.ablation.statistics import pareto_front
from vaegan.ablation.table import ArmRuns, by_name, figures_of, value_of
from vaegan.figures.curves import save_comparison
from vaegan.figures.grids import GAP
from vaegan.marks import save_figure, save_picture
from vaegan.report.comparable import doubts_of_curves, is_own_judge, unlike
from vaegan.run.layout import RunPaths
from vaegan.run.reading import RunFiles

LABEL_SIZE = 22  # pixels
WIDEST = 1000  # pixels, for ten images next to their label
SAMPLE_COLUMNS = 8  # in the grid of samples that a run writes
SAMPLE_ROWS = 2  # of that grid that are shown
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
PERCEPTION = "distances/reconstructions/frechet"
DISTORTIONS = (  # key, what the axis says, which way is better
    ("reconstruction/psnr", "PSNR, dB: better to the right", "higher"),
    ("reconstruction/excess_bce", "excess BCE, nats per image: better to the right", "lower"),
)


def shown(arms: Sequence[ArmRuns]) -> list[RunFiles | None]:
    """The run of each arm that is shown: of the smallest seed that all arms have, or else its own first."""
    seeds = [set(arm.runs) for arm in arms if arm.runs]
    common = set.intersection(*seeds) if seeds else set()
    return [arm.runs[min(common or arm.runs)] if arm.runs else None for arm in arms]


def save_strips(path: Path, arms: Sequence[ArmRuns]) -> list[str]:
    """The reference images above one strip of reconstructions per arm; returns the labels of those drawn.

    The strips are cut from the runs' own pictures. GANs and arms with other reference images are left out;
    nothing is drawn if no arm is left.
    """
    originals, strips = None, []
    for label, picture in _pictures(arms, lambda run: run.reconstructions):
        middle = (picture.height - GAP) // 2
        above, below = (picture.crop((0, top, picture.width, top + middle)) for top in (0, middle))
        originals = originals or above
        if originals.size == above.size and originals.tobytes() == above.tobytes():
            strips.append((label, below))
    if originals is not None:
        _save_rows(path, [("originals", originals), *strips])
    return [label for label, _ in strips]


def save_arm_samples(path: Path, arms: Sequence[ArmRuns]) -> list[str]:
    """The first samples of each arm; returns the labels of those drawn."""
    rows = []
    for label, picture in _pictures(arms, lambda run: run.latest_samples):
        tile = (picture.width - GAP) // SAMPLE_COLUMNS
        parts = [
            picture.crop((0, row * tile, picture.width, (row + 1) * tile + GAP)) for row in range(SAMPLE_ROWS)
        ]
        side_by_side = Image.new("RGB", (sum(part.width for part in parts), parts[0].height), "white")
        for number, part in enumerate(parts):
            side_by_side.paste(part, (number * part.width, 0))
        rows.append((label, side_by_side))
    if rows:
        _save_rows(path, rows)
    return [label for label, _ in rows]


def save_arm_curves(path: Path, arms: Sequence[ArmRuns]) -> list[str]:
    """Curves of all arms on held-out images, each the mean over its seeds; returns the panels' titles."""
    records = {arm.label: _mean_records(arm) for arm in arms if arm.runs}
    return save_comparison(path, records, doubts_of_curves(by_name(arms)))


def save_plane(path: Path, arms: Sequence[ArmRuns]) -> list[str]:
    """Plots each run's distortion against the distance of its reconstructions, with the Pareto front.

    Returns the arms with runs on a front. Nothing is drawn if fewer than two runs have both figures, or if
    these do not compare.
    A learned loss that moves along the front trades one for the other; a useful one moves the front itself.
    Source: Blau & Michaeli, The Perception-Distortion Tradeoff (arXiv 1711.06077).
    """
    panels = [
        (each, points)
        for each in DISTORTIONS
        if _alike(arms, PERCEPTION) and _alike(arms, each[0]) and len(points := _points(arms, each[0])) > 1
    ]
    if not panels:
        return []
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 4.6 + 0.13 * len(arms)), layout="constrained")
    few = len(arms) <= len(colormaps["tab10"].colors)
    colours = colormaps["tab10"].colors if few else colormaps["viridis"].resampled(len(arms)).colors
    looks = {
        arm.label: look
        for arm, look in zip(arms, zip(colours, itertools.cycle(MARKERS), strict=False), strict=False)
    }
    on_front: dict[str, None] = {}
    for place, ((_, text, better), points) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, len(panels), place, xlabel=text)
        axes.set_ylabel("distance of reconstructions: better below" if place == 1 else "")
        for label, (colour, marker) in looks.items():
            own = [(x, y) for name, x, y in points if name == label]
            if own:
                axes.scatter(*zip(*own, strict=True), s=28, color=colour, marker=marker, label=label)
                middle = [mean(each) for each in zip(*own, strict=True)]
                axes.scatter(*middle, s=150, marker=marker, facecolors="none", edgecolors=[colour])
        sign = -1 if better == "higher" else 1
        front = pareto_front([(sign * x, y) for _, x, y in points])
        on_front |= dict.fromkeys(points[i][0] for i in front)
        axes.step(
            [points[i][1] for i in front],
            [points[i][2] for i in front],
            where="post",
            color="grey",
            linewidth=1,
            label="Pareto front of all runs",
            zorder=0,
        )
        if better == "lower":
            axes.invert_xaxis()
        heights = [y for _, _, y in points]
        if min(heights) > 0 and max(heights) > 10 * min(heights):
            axes.set_yscale("log")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    save_figure(path, figure)
    return list(on_front)


def _alike(arms: Sequence[ArmRuns], key: str) -> bool:
    """True if a figure means the same in all runs that have it."""
    runs = by_name(arms)
    return not unlike(key, {n: run for n, run in runs.items() if value_of(figures_of(run), key) is not None})


def _points(arms: Sequence[ArmRuns], distortion: str) -> list[tuple[str, float, float]]:
    """Label, distortion and distance of the runs that have both figures, and no judge of their own."""
    points = []
    for arm in arms:
        for run in arm.runs.values():
            figures = figures_of(run)
            x, y = value_of(figures, distortion), value_of(figures, PERCEPTION)
            there = x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
            if there and not is_own_judge(run, PERCEPTION):
                points.append((arm.label, x, y))
    return points


def _pictures(
    arms: Sequence[ArmRuns], path_of: Callable[[RunPaths], Path]
) -> Iterator[tuple[str, Image.Image]]:
    """Label and picture of each arm whose shown run has that picture."""
    for arm, run in zip(arms, shown(arms), strict=True):
        path = path_of(RunPaths(run.folder)) if run else None
        if path is not None and path.is_file():
            with Image.open(path) as image:
                yield arm.label, image.convert("RGB")


def _save_rows(path: Path, rows: Sequence[tuple[str, Image.Image]]) -> None:
    """Pictures below each other, each next to its label; wide ones are shrunk."""
    from matplotlib.font_manager import findfont

    font = ImageFont.truetype(findfont("DejaVu Sans"), LABEL_SIZE)  # Pillow's own font has neither é nor β
    wide = max(round(font.getlength(label)) for label, _ in rows) + LABEL_SIZE
    images = []
    for label, image in rows:
        scale = min(1.0, WIDEST / image.width)
        size = (round(image.width * scale), round(image.height * scale))
        images.append((label, image if scale == 1 else image.resize(size, Image.Resampling.BOX)))
    height = sum(image.height for _, image in images)
    picture = Image.new("RGB", (wide + max(image.width for _, image in images), height), "white")
    pen, top = ImageDraw.Draw(picture), 0
    for label, image in images:
        pen.text((LABEL_SIZE // 2, top + image.height // 2), label, fill="black", font=font, anchor="lm")
        picture.paste(image, (wide, top))
        top += image.height
    save_picture(path, picture)


def _mean_records(arm: ArmRuns) -> list[dict[str, Any]]:
    """The records of an arm's epochs; each figure is the mean over the seeds that have it."""
    merged = []
    for same_epoch in itertools.zip_longest(*(run.records for run in arm.runs.values())):
        there = [record for record in same_epoch if record is not None]
        keys = dict.fromkeys(key for record in there for key in record if key.startswith("test/"))
        means = {key: float(np.mean([each[key] for each in there if key in each])) for key in keys}
        merged.append({"epoch": there[0]["epoch"], "phase": there[0]["phase"]} | means)
    return merged
