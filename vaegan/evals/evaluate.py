"""Evaluates a run: writes every evaluation that applies to it, its pictures and its page into its folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vaegan.evals.classifier import find_classifier
from vaegan.evals.detectability import evaluate_detectability
from vaegan.evals.distances import evaluate_distances
from vaegan.evals.features import find_features
from vaegan.evals.gan_figures import evaluate_gan_figures
from vaegan.evals.latents import evaluate_latents
from vaegan.evals.likelihood import evaluate_likelihood
from vaegan.evals.lpips import evaluate_perceptual, find_lpips
from vaegan.evals.material import MOST_IMAGES, ImageSet, Material
from vaegan.evals.own_judge import mark_own_judge
from vaegan.evals.pictures import draw_pictures
from vaegan.evals.reconstruction import evaluate_reconstruction
from vaegan.evals.section import Section
from vaegan.files import link_or_copy, new_files_in, new_folder, write_text
from vaegan.report.page import write_report
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
    out: Path | None = None,
) -> tuple[dict[str, Any], Path]:
    """Writes a run's evaluation.json, pictures and page, or nothing; returns the evaluation and the page.

    train, test: the run's training and held-out images. cache_dir: keeps classifiers. say: called with a
    line about each step. features: the networks for distances, as in `find_features`. lpips: as in
    `find_lpips`. seed: for everything that is drawn. most: images of each kind to use. out: a new folder to
    write into instead of the run's; it also gets the run's files that `report` reads.
    Raises: OptionError for features and weights that cannot be loaded, OSError if a file cannot be written.
    """
    with new_files_in(trained.folder) if out is None else new_folder(out) as unfinished:
        material = Material(trained, train, test, seed, most)
        evaluation = _written(material, features, lpips, cache_dir, say, unfinished)
        page = write_report(trained.folder, unfinished)
        if out is not None:
            copy_report_files(trained.folder, unfinished)
    return evaluation, (out or trained.folder) / page.name


def _written(
    material: Material,
    features: str,
    lpips: str | None,
    cache_dir: Path,
    say: Callable[[str], None],
    folder: Path,
) -> dict[str, Any]:
    """The evaluation, after it has been written into the folder together with its pictures."""
    trained, paths = material.trained, RunPaths(folder)
    sections = list(_sections(material, features, lpips, cache_dir, say))
    say("evaluating: pictures")
    paths.figures.mkdir()
    if (curves := RunPaths(trained.folder).curves).is_file():
        link_or_copy(curves, paths.curves)
    pictures = [vars(picture) for picture in draw_pictures(material, paths.figures)]
    evaluation = {
        "run": trained.folder.resolve().name,
        "checkpoint": trained.checkpoint.stem,
        "epochs": trained.epochs,
        "device": str(trained.device),
        "features": features,
        "versions": package_versions(),
        "headlines": [each for section in sections for each in section.headlines()],
        "sections": {section.name: section.to_dict() for section in sections},
        "pictures": pictures,
    }
    write_text(paths.evaluation, json.dumps(evaluation, indent=2) + "\n")
    return evaluation


def _sections(
    material: Material, features: str, lpips: str | None, cache_dir: Path, say: Callable[[str], None]
) -> Iterator[Section]:
    """The sections of the evaluation that apply to the run."""
    classifier = find_classifier(material, cache_dir, say)
    networks = find_features(features, material, classifier, say)
    several = len(networks) > 1
    perceptual = find_lpips(lpips, say)
    records, options = material.trained.records(), material.trained.config.to_dict()
    for name, evaluate in {
        "reconstruction": evaluate_reconstruction,
        "perceptual": lambda material: evaluate_perceptual(material, perceptual, options),
        "likelihood": evaluate_likelihood,
        "latents": evaluate_latents,
        **{
            name: lambda material, name=name, network=network: mark_own_judge(
                evaluate_distances(material, network, name, several),
                network.pretrained,
                network.short,
                options,
            )
            for name, network in networks.items()
        },
        "gan_figures": lambda material: evaluate_gan_figures(material, records, classifier),
        "detectability": evaluate_detectability,
    }.items():
        say(f"evaluating: {name}")
        section = evaluate(material)
        if section is not None:
            yield section


def flat_values(evaluation: dict[str, Any]) -> dict[str, float]:
    """The single figures under the keys of W&B and tables: "eval/reconstruction/psnr"."""
    return {
        f"eval/{name}/{key}": value
        for name, section in evaluation["sections"].items()
        for key, value in section["values"].items()
        if isinstance(value, int | float)
    }


def headline_lines(evaluation: dict[str, Any]) -> list[str]:
    """The main figures for the terminal, followed by the reasons to doubt some of them."""
    shown = evaluation["headlines"]
    width = max([41, *(len(each["label"]) for each in shown)]) + 1
    figures = [f"  {each['label']:{width}}{each['value']:>10} {each['unit']}".rstrip() for each in shown]
    doubts = [
        f"  note on {section['title'][:1].lower()}{section['title'][1:]}: {warning.rstrip('.')}"
        for section in evaluation["sections"].values()
        for warning in section["warnings"]
    ]
    return figures + doubts
