"""Evaluate a run: figures with their protocols, pictures, and a self-contained page.

Writes evaluation.json, report.html and figures into the run's folder, or into a new one.
"""

import argparse

from vaegan import datasets
from vaegan.cli.parser import whole_number
from vaegan.cli.run_arguments import (
    add_device_argument,
    add_out_argument,
    add_run_arguments,
    check_run_folder,
    open_typed_run,
)
from vaegan.commands.inputs.run_data import images_of
from vaegan.config.schema import ALL
from vaegan.errors import OptionError, flag
from vaegan.evals.evaluate import evaluate_run, flat_values, headline_lines
from vaegan.evals.features import check_features
from vaegan.evals.lpips import check_lpips
from vaegan.evals.material import MOST_IMAGES
from vaegan.evals.sections import DISTANCES, NAMES, check_sections
from vaegan.files import check_new_folder
from vaegan.run.reading import read_environment
from vaegan.run.tracker_notes import tracker_notes
from vaegan.run.trained import Trained
from vaegan.seeds import LARGEST_SEED
from vaegan.trackers.open import Trackers, open_trackers

FEWEST_IMAGES = 20  # of a kind; with fewer, nearly every figure is noise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_device_argument(parser)
    parser.add_argument(
        "--features",
        metavar="NAME",
        help="feature networks for distances, separated by commas: classifier (of the data set's labels), "
        "inception, inception:FILE, efficientnet (of the extra [pretrained]), timm:NAME, random; auto takes "
        "the classifier if there are labels, else Inception if torchvision's weights have been downloaded, "
        "else efficientnet if it is installed, else random (default: the run's, auto)",
    )
    parser.add_argument(
        "--lpips",
        metavar="NAME",
        help="backbone of LPIPS: a file of torchvision's weights of alexnet, vgg16 or squeezenet1_1; or "
        "alex, vgg, squeeze, downloaded if necessary (default: alex if its weights have been downloaded, "
        "else no LPIPS)",
    )
    parser.add_argument(
        "--sections",
        metavar="NAMES",
        help=f"sections to evaluate, separated by commas: {', '.join(NAMES)} (those drawn), or {ALL} "
        "(default: the run's, all)",
    )
    parser.add_argument(
        "--images",
        type=whole_number("images", FEWEST_IMAGES),
        default=MOST_IMAGES,
        metavar="INT",
        help="maximum number of images of each kind (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=whole_number("seed", 0, LARGEST_SEED),
        default=0,
        metavar="INT",
        help="seed of samples and of networks trained here (default: %(default)s)",
    )
    add_out_argument(parser, "the run's own; another one is not tracked")
    parser.add_argument("--dataset", metavar="NAME", help="new place of the run's images")
    parser.add_argument("--data-dir", metavar="DIR", help="new place of the data sets' files")
    parser.add_argument(
        "--wandb",
        choices=("auto", "online", "offline", "disabled"),
        help="as in training, for a run that W&B knows (default: the run's)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a folder that is not a run, and for images that differ from the run's."""
    trained = open_typed_run(arguments)
    features = arguments.features or trained.config.features
    check_features(features)
    check_lpips(arguments.lpips)
    sections = _sections(arguments, trained)
    if arguments.out is None:
        check_run_folder(trained.folder)
    else:
        check_new_folder(arguments.out)
        if arguments.wandb not in (None, "disabled"):
            raise OptionError("wandb", "an evaluation into --out is not tracked; leave out one of them")
    if note := datasets.namesake(arguments.dataset or trained.config.dataset):
        print(note)
    advice = "--dataset and --data-dir say where the images are now"
    request, splits = images_of(trained, advice, dataset=arguments.dataset, data_dir=arguments.data_dir)
    trained.check_held_out(splits.test.images)
    trackers = _trackers(trained, arguments)
    try:
        evaluation, page = evaluate_run(
            trained,
            splits.train,
            splits.test,
            request.cache_dir,
            print,
            features=features,
            lpips=arguments.lpips,
            seed=arguments.seed,
            most=arguments.images,
            sections=sections,
            out=arguments.out,
        )
        trackers.on_evaluation(trained.epochs - 1, flat_values(evaluation), page)
    finally:
        trackers.finish()  # marked as successful, as its training was
    print(f"{trained.folder.name} after epoch {trained.epochs}, on held-out images:")
    print("\n".join(headline_lines(evaluation)))
    print(f"report: {page}")


def _sections(arguments: argparse.Namespace, trained: Trained) -> list[str]:
    """The names of the sections to evaluate.

    Raises: OptionError for unknown ones, and for networks of a section that is left out.
    """
    asked = trained.config.sections
    if arguments.sections is not None:
        asked = [name.strip() for name in arguments.sections.split(",")]
    names = check_sections(asked)
    left_out = f"{flag('sections')} leaves out"
    if arguments.sections is None:
        left_out = f"the run's own `sections` leave out; add {flag('sections')} {ALL}"
    for option, section in (("features", DISTANCES), ("lpips", "perceptual")):
        if getattr(arguments, option) is not None and section not in names:
            raise OptionError(option, f"for the section {section}, which {left_out}")
    return names


def _trackers(trained: Trained, arguments: argparse.Namespace) -> Trackers:
    """The trackers of the run that know it; none for an evaluation into a folder of its own."""
    kept = tracker_notes(read_environment(trained.folder))
    options = trained.config.to_dict()
    if arguments.wandb is not None:
        options["wandb"] = arguments.wandb
    names = [name for name in trained.config.tracker if name in kept and arguments.out is None]
    return open_trackers(names, trained.folder, options, print, kept=kept)
