"""Draw cartoon faces into a new folder, with the factors of each in factors.csv."""

import argparse
import csv
from functools import partial
from pathlib import Path

from PIL import Image

from vaegan.cli.parser import whole_number
from vaegan.datasets.cartoon.drawing import LARGEST_SIZE, SMALLEST_SIZE, sample_factors
from vaegan.datasets.cartoon.source import LARGEST_COUNT, OWN_COUNT, drawn
from vaegan.datasets.factors import Factors
from vaegan.files import new_folder
from vaegan.progress import with_progress
from vaegan.seeds import LARGEST_SEED

DRAWN_SIZE = 64  # pixels a side: to be looked at, where the data set is to be trained on in little time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="FOLDER", type=Path, help="new folder for the faces")
    option = partial(parser.add_argument, metavar="INT")
    option(
        "--count",
        type=whole_number("count", 1, LARGEST_COUNT),
        default=OWN_COUNT,
        help="number of faces (default: %(default)s)",
    )
    option(
        "--size",
        type=whole_number("size", SMALLEST_SIZE, LARGEST_SIZE),
        default=DRAWN_SIZE,
        help="pixels a side (default: %(default)s)",
    )
    option(
        "--seed",
        type=whole_number("seed", 0, LARGEST_SEED),
        default=0,
        help="seed of the faces; face i of a seed is always the same (default: %(default)s)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a folder that is not empty or cannot be created."""
    count = arguments.count
    names = [f"{i:0{len(str(count - 1))}}.png" for i in range(count)]
    factors = sample_factors(count, arguments.seed)
    with new_folder(arguments.folder, option=None) as unfinished:
        faces = with_progress(drawn(factors, arguments.size, range(count)), count, "drawing")
        for name, face in zip(names, faces, strict=True):
            Image.fromarray(face.transpose(1, 2, 0)).save(unfinished / name)
        write_factors(unfinished / "factors.csv", names, factors)
    print(f"{count:,} faces of {arguments.size} x {arguments.size} and factors.csv in {arguments.folder}")


def write_factors(file: Path, names: list[str], factors: Factors) -> None:
    """Writes a line for each face: its file, its continuous factors, then its discrete ones in words."""
    with file.open("w", newline="", encoding="utf-8") as opened:
        rows = csv.writer(opened)
        rows.writerow(["file", *factors.continuous_names, *factors.categories])
        for name, numbers, kinds in zip(
            names, factors.continuous.tolist(), factors.discrete.tolist(), strict=True
        ):
            words = [each[kind] for each, kind in zip(factors.categories.values(), kinds, strict=True)]
            rows.writerow([name, *(f"{number:.6g}" for number in numbers), *words])
