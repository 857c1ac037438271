"""Curves over the epochs as PNG files: of one run, and of several side by side."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vaegan import quantities
from vaegan.marks import save_figure
from vaegan.quantities import Quantity

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_COLUMNS = 3
STYLES = ("-", "--", "-.", ":")  # of several runs' curves, which differ not only by colour


def save_curves(path: Path, records: list[dict[str, Any]], draws: Mapping[str, float]) -> None:
    """Draw the losses over the epochs, train and test, from the records of metrics.jsonl.

    draws: the value of a term ("disc/real") when D cannot tell originals from fakes, drawn as a grey line.
    A dotted line marks the first combo epoch, but in panels of figures that begin with it.
    """
    from matplotlib.figure import Figure

    panels, shares = _panels(records), _shares(records)
    n_panels = len(panels) + bool(shares)
    columns = min(n_panels, PANEL_COLUMNS)
    rows = -(-n_panels // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    first_combo = next((record["epoch"] for record in records if record["phase"] == "combo"), 0)
    for place, (title, curves) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, place)
        levels = set()
        for colour, (key, quantity) in enumerate(curves.items()):
            for split, style in (("train", "-"), ("test", "--")):
                points = [(r["epoch"] + 1, r[f"{split}/{key}"]) for r in records if f"{split}/{key}" in r]
                if not points:  # a term of weight 0 is not computed in training
                    continue
                label = f"{split} {quantity.label}".strip()
                axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", label=label, marker=".")
            levels.add(draws.get(key, quantity.draw))
        for draw in sorted(levels - {None}):
            axes.axhline(draw, color="grey", linewidth=1)
            axes.annotate("draw", (0.01, draw), xycoords=("axes fraction", "data"), va="bottom", color="grey")
            axes.margins(y=0.12)  # room for the text
        before = {key for record in records[:first_combo] for key in record}
        if first_combo and any(f"test/{key}" in before or not key.startswith("disc/") for key in curves):
            axes.axvline(first_combo + 0.5, color="grey", linestyle=":", linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylabel(next(iter(curves.values())).unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    if shares:
        _stack(figure.add_subplot(rows, columns, n_panels), shares)
    save_figure(path, figure)


def _shares(records: list[dict[str, Any]]) -> dict[int, dict[str, float]]:
    """Each term's share of the gradient, by epoch (from 1), in the epochs in which it was measured."""
    ending = quantities.SHARE
    by_epoch = {r["epoch"] + 1: {key: r[key] for key in r if key.endswith(ending)} for r in records}
    return {epoch: shares for epoch, shares in by_epoch.items() if shares}


def _stack(axes: Axes, by_epoch: Mapping[int, Mapping[str, float]]) -> None:
    """Draw shares that add up to 1 on top of each other."""
    keys = list(dict.fromkeys(key for shares in by_epoch.values() for key in shares))
    heights = [[shares.get(key, 0.0) for shares in by_epoch.values()] for key in keys]
    labels = [quantities.find(key).title.removesuffix(", share of the gradient") for key in keys]
    epochs = list(by_epoch)
    if len(epochs) == 1:  # an area needs two
        epochs, heights = [epochs[0], epochs[0] + 1], [height * 2 for height in heights]
    axes.stackplot(epochs, heights, labels=labels, alpha=0.8)
    axes.set(title="Shares of the gradient at the pixel logits", xlabel="epoch", ylabel="share", ylim=(0, 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(loc="lower left")


def _panels(records: list[dict[str, Any]]) -> dict[str, dict[str, Quantity]]:
    """The curves of each panel by its title; held-out images decide which panels there are."""
    panels: dict[str, dict[str, Quantity]] = {}
    seen = {key for record in records for key in record if key.startswith("test/")}
    for key, quantity in quantities.curves(seen):
        if key != "gen/total" or records[0]["phase"] != "gan":  # a GAN's total is its one term
            panels.setdefault(quantity.panel or quantity.heading, {})[key] = quantity
    return panels


def save_comparison(
    path: Path, runs: Mapping[str, list[dict[str, Any]]], doubt: Callable[[str], str] = lambda key: ""
) -> list[str]:
    """Draw several runs' test curves; returns the panels' titles. A panel needs at least two runs.

    runs: the records of metrics.jsonl by the run's label. Nothing is drawn if no two runs share a figure.
    doubt: gives the reason why a key's curves do not compare, which is printed below the title.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    panels = dict(_shared_curves(runs, doubt))
    if not panels:
        return []
    columns = min(len(panels), PANEL_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows + 0.25 * len(runs)), layout="constrained")
    few = len(runs) <= len(colormaps["tab10"].colors)
    colours = colormaps["tab10"].colors if few else colormaps["viridis"].resampled(len(runs)).colors
    for place, (title, (unit, curves)) in enumerate(panels.items(), start=1):
        axes = figure.add_subplot(rows, columns, place, title=title, xlabel="epoch", ylabel=unit)
        looks = zip(colours, itertools.cycle(STYLES), strict=False)
        for (name, curve), (colour, style) in zip(curves.items(), looks, strict=False):
            axes.plot(list(curve), list(curve.values()), style, color=colour, label=name, marker=".")
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center")
    save_figure(path, figure)
    return [title.replace("\n", ", ") for title in panels]


def _shared_curves(
    runs: Mapping[str, list[dict[str, Any]]], doubt: Callable[[str], str]
) -> Iterator[tuple[str, tuple[str, dict[str, dict[int, float]]]]]:
    """A title, its unit, and each run's values by epoch, for the figures that at least two runs have."""
    seen = {key for records in runs.values() for r in records for key in r if key.startswith("test/")}
    for key, quantity in quantities.curves(seen):
        curves = {
            name: {r["epoch"] + 1: r[f"test/{key}"] for r in records if f"test/{key}" in r}
            for name, records in runs.items()
        }
        if sum(map(bool, curves.values())) > 1:
            title = "\n".join(filter(None, [quantity.heading, doubt(f"test/{key}")]))
            yield title, (quantity.unit, curves)
