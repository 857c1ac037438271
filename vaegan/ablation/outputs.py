"""Writes an ablation's tables, pictures and page."""

import os
from pathlib import Path
from typing import Any

from vaegan.ablation import front_formats
from vaegan.ablation.formats import (
    DIFFERENCES,
    PROTOCOL,
    csv,
    differing,
    explanations,
    head,
    latex,
    latex_label,
    markdown,
    measured,
    others,
)
from vaegan.ablation.front_picture import save_fronts
from vaegan.ablation.fronts import Fronts
from vaegan.ablation.pictures import save_arm_curves, save_arm_samples, save_plane, save_strips, shown
from vaegan.ablation.table import ArmRuns, Table, figures_of
from vaegan.files import write_whole
from vaegan.report.comparison import differing_options
from vaegan.report.rendering import ABSENT, Inlined, figure, inlined, words, write_page
from vaegan.run.reading import RunFiles, read_origin


def write_table(folder: Path, table: Table, command: str, place: Path, fronts: Fronts | None = None) -> Path:
    """Writes table.md, table.tex, table.csv, figures/*.png and report.html; returns the page's path.

    folder: must exist. command: the command that makes the table again. place: the final path of the folder,
    from which the page links to the runs. fronts: of groups of the arms, if there are any.
    """
    texts = {"md": markdown(table), "tex": latex(table), "csv": csv(table)}
    if fronts is not None:
        texts["md"] += front_formats.markdown(fronts)
        texts["tex"] += front_formats.latex(fronts, table.name, latex_label(table))
        texts["csv"] += front_formats.csv(fronts)
    for name, text in texts.items():
        write_whole(folder / f"table.{name}", lambda path, text=text: path.write_text(text, encoding="utf-8"))
    arms = [row.arm for row in table.rows]
    page = folder / "report.html"
    write_page(
        page,
        "ablation.html.j2",
        name=table.name,
        command=command,
        options=_options(arms),
        labels=[row.label for row in table.rows],
        heads=[(head(column), column.key) for column in table.columns],
        verdicts={row.label: row.verdict or ABSENT for row in table.rows} if table.verdicts else None,
        rows=[
            (row.label, [(measured(e), e is not None and e.best) for e in row.entries], row.survived)
            for row in table.rows
        ],
        baseline=table.baseline,
        differences=[(row.label, list(map(differing, row.entries))) for row in others(table)],
        protocol=PROTOCOL,
        of_differences=DIFFERENCES,
        explained=explanations(table),
        remarks=table.remarks,
        fronts=_fronts(fronts),
        pictures=_pictures(folder / "figures", arms, fronts),
        runs=[
            (arm.label, seed, run.name, os.path.relpath(run.folder.resolve(), place.resolve()), *_facts(run))
            for arm in arms
            for seed, run in sorted(arm.runs.items())
        ],
    )
    return page


def _fronts(fronts: Fronts | None) -> dict[str, Any] | None:
    """The page's part on fronts."""
    if fronts is None:
        return None
    return {
        "groups": {group: "; ".join(labels) for group, labels in fronts.groups.items()},
        "heads": front_formats.heads(fronts),
        "rows": front_formats.rows(fronts),
        "explanation": front_formats.explanation(fronts),
        "ends": front_formats.ends(fronts),
        "remarks": fronts.remarks,
    }


def _pictures(
    folder: Path, arms: list[ArmRuns], fronts: Fronts | None
) -> list[tuple[str, Inlined, str, str]]:
    """Title, picture, alternative text and caption of all that can be drawn; old pictures are removed."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.png"):
        path.unlink()
    found = []

    def add(name: str, drawn: list[str], title: str, alt: str, caption: str) -> None:
        if drawn:
            found.append((title, inlined(folder / name), alt, caption))

    if fronts is not None:
        planes = save_fronts(folder / "fronts.png", fronts)
        add(
            "fronts.png",
            planes,
            "Fronts of the groups",
            f"Scatter plots with a stepped line for each of {', '.join(fronts.groups)}: {'; '.join(planes)}.",
            "Each large marker is an arm's mean over the seeds, each small one a run. A group has one "
            "colour: its line is the Pareto front of its means, means off the front are hollow, and the "
            "shaded area is what the front dominates. Grey markers are arms in none of the groups, those "
            "with an arrow further left. Distances are on a logarithmic scale. A group that moves the front "
            f"has a line below or to the right of that of {fronts.first}; one that continues the same line "
            "trades distortion for perception.",
        )
    front = save_plane(folder / "plane.png", arms)
    add(
        "plane.png",
        front,
        "Distortion and perception",
        f"Scatter plot, one point a run: distortion against the distance of reconstructions. Runs of "
        f"{', '.join(front)} are on the Pareto front.",
        "Each small marker is a run, each hollow one an arm's mean. A learned loss that goes along the front "
        "trades distortion for perception; one that is worth it moves the front.",
    )
    seeds = sorted({run.config["seed"] for run in shown(arms) if run is not None})
    seed = f"Seed {', '.join(map(str, seeds))}."
    strips = save_strips(folder / "strips.png", arms)
    add(
        "strips.png",
        strips,
        "Reconstructions",
        f"Ten held-out images in a row, and below them their reconstructions by {', '.join(strips)}.",
        f"The same ten held-out images in every arm. {seed}",
    )
    samples = save_arm_samples(folder / "samples.png", arms)
    add(
        "samples.png",
        samples,
        "Samples",
        f"A row of samples from the prior for each of {', '.join(samples)}.",
        f"From the prior. {seed}",
    )
    curves = save_arm_curves(folder / "curves.png", arms)
    add(
        "curves.png",
        curves,
        "Held-out losses over the epochs",
        f"Line charts over the epochs, one line an arm: {'; '.join(curves)}.",
        "Means over the seeds. Weights that differ make totals differ.",
    )
    return found


def _options(arms: list[ArmRuns]) -> list[tuple[str, list[str]]]:
    """The options in which the arms differ, with the value of each arm, in the order of the arms."""
    firsts = shown(arms)
    keys = differing_options([run for run in firsts if run is not None])
    return [
        (key, [words(run.config.get(key, "none")) if run else ABSENT for run in firsts])
        for key in keys
        if key != "seed"
    ]


def _facts(run: RunFiles) -> tuple[str, str, str]:
    """A run's wall time, its commit, and the run that it was forked from."""
    origin = read_origin(run.folder)
    forked = f"{origin['epochs']} epochs of {origin['run']}" if origin else ""
    wall = figures_of(run).get("wall_s")
    return f"{figure(wall)} s" if wall else ABSENT, (run.environment.get("commit") or "unknown")[:9], forked
