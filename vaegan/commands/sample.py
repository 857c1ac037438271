"""Draw samples from a run's prior, or from the posterior of an image, into a new folder.

Next to the folder, a PNG of the same name shows the first samples; with --near, after the image itself.
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor

from vaegan.cli.parser import whole_number
from vaegan.cli.run_arguments import (
    add_device_argument,
    add_out_argument,
    add_run_arguments,
    open_typed_run,
)
from vaegan.commands.inputs.images import read_image
from vaegan.errors import OptionError
from vaegan.figures.grids import save_grid
from vaegan.figures.image_files import save_png
from vaegan.files import free_name, new_folder
from vaegan.marks import mark_folder
from vaegan.pixels import from_uint8
from vaegan.progress import with_progress
from vaegan.run.trained import Trained, weights_of
from vaegan.seeds import LARGEST_SEED, generator_for

MOST = 1_000_000
SHOWN = 64  # samples in the picture next to the folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_out_argument(parser, "named after the run, made here")
    parser.add_argument(
        "--count",
        type=whole_number("count", 1, MOST),
        default=64,
        metavar="INT",
        help="number of samples (default: %(default)s)",
    )
    parser.add_argument(
        "--near",
        type=Path,
        metavar="IMAGE",
        help="an image file: draw from its posterior instead of the prior",
    )
    parser.add_argument(
        "--seed",
        type=whole_number("seed", 0, LARGEST_SEED),
        default=0,
        metavar="INT",
        help="seed of the noise, which is the same on every device (default: %(default)s)",
    )
    add_device_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a run that cannot be read, OptionError for an invalid image or folder."""
    trained = open_typed_run(arguments)
    count = arguments.count
    stem = f"{trained.folder.resolve().name}-samples"
    arguments.out = arguments.out or Path(free_name(stem, "", ".png"))
    folder = arguments.out.expanduser().resolve()
    picture = folder.parent / f"{folder.name}.png"
    if picture.exists():
        raise OptionError("out", f"its picture {picture} exists already; name another folder")
    z = torch.randn(count, trained.players.latent_dim, generator=generator_for(arguments.seed, "sample"))
    shown, source = [], "the prior"
    if arguments.near is not None:
        image = _near(trained, arguments.near)
        mu, logvar = trained.encode(image.unsqueeze(0))
        z = mu + torch.exp(logvar / 2) * z
        shown, source = [image], f"the posterior around {arguments.near}"
    digits = max(4, len(str(count - 1)))
    with new_folder(arguments.out) as unfinished:
        mark_folder(unfinished, "samples")
        for i, sample in enumerate(with_progress(trained.decode(z), count, "sampling")):
            save_png(unfinished / f"{i:0{digits}}.png", sample)
            if len(shown) < SHOWN:
                shown.append(sample)
        seen = unfinished.parent / picture.name  # first, so that a full disk leaves neither of the two
        save_grid(seen, from_uint8(torch.stack(shown)), columns=math.ceil(math.sqrt(len(shown))))
        seen.rename(picture)
    print(f"weights  {weights_of(trained)}")
    print(f"samples  {count:,} from {source}, in {arguments.out}; overview in {picture}")


def _near(trained: Trained, file: Path) -> Tensor:
    """The image, uint8 [C, H, W]. Raises: OptionError if there is no image or no encoder."""
    if trained.players.encoder is None:
        raise OptionError("near", "a GAN has no encoder; leave it out, or name a VAE's run")
    image = read_image(trained, file)
    if isinstance(image, str):
        raise OptionError("near", f"cannot be read ({image})")
    return image
