"""Draw the path from one image to another through a run's latents as a strip of images.

The ends are two given files, or two held-out images of the run's data set. A GAN has no encoder, so its
path goes from one noise vector to another.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from vaegan.cli.parser import whole_number
from vaegan.cli.run_arguments import (
    add_device_argument,
    add_run_arguments,
    open_typed_run,
)
from vaegan.commands.inputs.images import read_image
from vaegan.commands.inputs.run_data import images_of
from vaegan.errors import OptionError, UserError
from vaegan.evals.latent_paths import PATHS
from vaegan.figures.grids import save_grid
from vaegan.files import check_new_file, free_name
from vaegan.pixels import from_uint8
from vaegan.run.trained import Trained, weights_of
from vaegan.seeds import LARGEST_SEED, generator_for

MOST_STEPS = 1000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    ends = parser.add_mutually_exclusive_group()
    ends.add_argument("--files", type=Path, nargs=2, metavar="IMAGE", help="two image files")
    ends.add_argument(
        "--pair",
        type=whole_number("pair", 0),
        nargs=2,
        metavar="INT",
        help="numbers of two held-out images of the run's data set (default: 0 1)",
    )
    ends.add_argument(
        "--seed",
        type=whole_number("seed", 0, LARGEST_SEED),
        metavar="INT",
        help="seed of a GAN's two noise vectors (default: 0)",
    )
    parser.add_argument(
        "--steps",
        type=whole_number("steps", 2, MOST_STEPS),
        default=10,
        metavar="INT",
        help="number of images, including both ends (default: %(default)s)",
    )
    parser.add_argument(
        "--path",
        choices=tuple(PATHS),
        default="linear",
        help="path through the latents (default: %(default)s)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="new PNG file for the strip (default: named after the run, in the current folder)",
    )
    add_device_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for an unreadable run, image or data set, OptionError if the strip's file exists."""
    trained = open_typed_run(arguments)
    stem = f"{trained.folder.resolve().name}-interpolation"
    arguments.out = arguments.out or Path(free_name(stem, ".png") + ".png")
    out = arguments.out.expanduser()
    if out.suffix.lower() != ".png":
        raise OptionError("out", "the strip is a PNG; name a file that ends in .png")
    check_new_file(arguments.out, "out")
    (a, b), ends = _ends(trained, arguments)
    z = PATHS[arguments.path](a, b, arguments.steps)
    images = torch.stack(list(trained.decode(z)))
    try:
        save_grid(out, from_uint8(images), columns=len(images))
    except OSError as error:
        raise OptionError("out", f"cannot be written ({error.strerror})") from None
    print(f"weights        {weights_of(trained)}")
    print(f"interpolation  {arguments.path}, {len(z)} steps between {ends}: {out}")


def _ends(trained: Trained, arguments: argparse.Namespace) -> tuple[Tensor, str]:
    """The latents of both ends, [2, latent_dim], and a description of them."""
    if trained.players.encoder is None:
        if arguments.files or arguments.pair:
            raise UserError(f"{arguments.run}: a GAN has no encoder for images; --seed sets its two noises")
        generator = generator_for(arguments.seed or 0, "interpolate")
        return torch.randn(2, trained.players.latent_dim, generator=generator), "two noises"
    if arguments.seed is not None:
        raise OptionError("seed", "sets a GAN's noises; this run's ends are images: --files or --pair")
    if arguments.files:
        images, ends = _read(trained, arguments.files), "{} and {}".format(*arguments.files)
    else:
        pair = arguments.pair or [0, 1]
        images, ends = _held_out(trained, pair), "held-out images {} and {}".format(*pair)
    mu, _ = trained.encode(images)
    return mu, ends


def _read(trained: Trained, files: list[Path]) -> Tensor:
    """Images from files, uint8 [N, C, H, W]. Raises: UserError for a file that cannot be read."""
    images = [read_image(trained, file) for file in files]
    for file, image in zip(files, images, strict=True):
        if isinstance(image, str):
            raise UserError(f"{file}: cannot be read ({image})")
    return torch.stack(images)


def _held_out(trained: Trained, pair: list[int]) -> Tensor:
    """Held-out images of the run's data set, uint8 [2, C, H, W]. Raises: UserError if they do not exist."""
    test = images_of(trained, "--files takes two images")[1].test
    for number in pair:
        if number >= len(test):
            raise UserError(f"--pair {number}: the {len(test):,} held-out images are counted from 0")
    return test.part(torch.tensor(pair)).images[:]
