"""Evaluates a run: writes every evaluation that applies to it, its pictures and its page into its folder."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vaegan.config.schema import ALL
from vaegan.evals.material import MOST_IMAGES, ImageSet, Material
from vaegan.evals.pictures import draw_pictures, drawn_in_training
from vaegan.evals.sections import NAMES, PICTURES, Bench, check_sections, evaluated
from vaegan.evals.where_d_looks import draw_where_d_looks
from vaegan.files import link_or_copy, new_files_in, new_folder, write_text
from vaegan.report.page import write_report
from vaegan.report.verdict import verdict_lines
from vaegan.run.environment import package_versions
from vaegan.run.layout import RunPaths
from vaegan.run.reading import copy_report_files
from vaegan.run.trained import Trained


def evaluate_run(
    trained: Trained,
    train: ImageSet,
    test: ImageSet,
    cache_dir: Path,
    say: Callable[[str], None],
    *,
    features: str = "auto",
    lpips: str | None = None,
    seed: int = 0,
    most: int = MOST_IMAGES,
    sections: Sequence[str] = (ALL,),
    out: Path | None = None,
) -> tuple[dict[str, Any], Path]:
    """Writes a run's evaluation.json, pictures and page, or nothing; returns the evaluation and the page.

    train, test: the run's training and held-out images. cache_dir: keeps classifiers. say: called with a
    line about each step. features: the networks for distances, as in `find_features`. lpips: as in
    `find_lpips`. seed: for everything that is drawn. most: images of each kind to use. sections: the
    names of the sections to evaluate, as in `check_sections`. out: a new folder to write into instead of the
    run's; it also gets the run's files that `report` reads.
    Raises: OptionError for features and weights that cannot be loaded and for unknown sections, OSError if a
    file cannot be written.
    """
    names = check_sections(sections)
    with new_files_in(trained.folder) if out is None else new_folder(out) as unfinished:
        material = Material(trained, train, test, seed, most)
        evaluation = _written(material, names, features, lpips, cache_dir, say, unfinished)
        page = write_report(trained.folder, unfinished)
        if out is not None:
            copy_report_files(trained.folder, unfinished)
    return evaluation, (out or trained.folder) / page.name


def _written(
    material: Material,
    names: list[str],
    features: str,
    lpips: str | None,
    cache_dir: Path,
    say: Callable[[str], None],
    folder: Path,
) -> dict[str, Any]:
    """The evaluation, after it has been written into the folder together with its pictures.

    names: of the sections. The curves are always on its page: training has drawn them.
    """
    trained, paths = material.trained, RunPaths(folder)
    sections = evaluated(Bench(material, names, features, lpips, cache_dir, say), names)
    paths.figures.mkdir()
    if (curves := RunPaths(trained.folder).curves).is_file():
        link_or_copy(curves, paths.curves)
    if PICTURES in names:
        say(f"evaluating: {PICTURES}")
        pictures = draw_pictures(material, paths.figures)
        if looks := draw_where_d_looks(material, trained.records(), paths.figures):
            errors = next(i for i, each in enumerate(pictures) if each.file == "errors.png")
            pictures.insert(errors + 1, looks)
    else:
        pictures = drawn_in_training(paths.figures)
    evaluation = {
        "run": trained.folder.resolve().name,
        "checkpoint": trained.checkpoint.stem,
        "epochs": trained.epochs,
        "device": str(trained.device),
        "features": features,
        "asked": names,
        "left_out": [name for name in NAMES if name not in names],
        "versions": package_versions(),
        "headlines": [each for section in sections for each in section.headlines()],
        "sections": {section.name: section.to_dict() for section in sections},
        "pictures": [vars(picture) for picture in pictures],
    }
    write_text(paths.evaluation, json.dumps(evaluation, indent=2) + "\n")
    return evaluation


def flat_values(evaluation: dict[str, Any]) -> dict[str, float]:
    """The single figures under the keys of W&B and tables: "eval/reconstruction/psnr"."""
    return {
        f"eval/{name}/{key}": value
        for name, section in evaluation["sections"].items()
        for key, value in section["values"].items()
        if isinstance(value, int | float)
    }


def headline_lines(evaluation: dict[str, Any]) -> list[str]:
    """The main figures for the terminal, reasons to doubt some of them, what was left out, the verdict."""
    shown = evaluation["headlines"]
    width = max([41, *(len(each["label"]) for each in shown)]) + 1
    figures = [f"  {each['label']:{width}}{each['value']:>10} {each['unit']}".rstrip() for each in shown]
    doubts = [
        f"  note on {section['title'][:1].lower()}{section['title'][1:]}: {warning.rstrip('.')}"
        for section in evaluation["sections"].values()
        for warning in section["warnings"]
    ]
    left_out = ", ".join(evaluation["left_out"])
    left_out = [f"  left out by --sections: {left_out}"] if left_out else []
    return [*figures, *doubts, *left_out, *verdict_lines(evaluation)]
