"""Encode and decode each image of a folder into a new folder of PNGs with the same names.

An image is cropped and resized as in the run's training; the result is decoded from its posterior's mean.
Images of more than 8 bits use the run's range of values; if the run has none, the range is found from all
of them. Files that cannot be read are listed and skipped.
"""

import argparse
import itertools
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

import numpy as np
import torch

from vaegan.cli.run_arguments import (
    add_device_argument,
    add_out_argument,
    add_run_arguments,
    open_typed_run,
)
from vaegan.cli.skipped import list_problems, problem_lines
from vaegan.commands.inputs.images import open_folder, square_of
from vaegan.datasets import Request
from vaegan.datasets.decode import decode, in_parallel
from vaegan.errors import OptionError, UserError
from vaegan.figures.image_files import in_channels, save_png
from vaegan.files import free_name, new_folder
from vaegan.marks import mark_folder
from vaegan.progress import with_progress
from vaegan.run.trained import BATCH, Trained, weights_of

UNREADABLE = "unreadable.txt"  # written next to the reconstructions if many files cannot be read


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    parser.add_argument(
        "folder", metavar="FOLDER", type=Path, help="folder of images, which may contain subfolders"
    )
    add_out_argument(parser, "named after the run, made here")
    add_device_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a GAN, a folder without readable images, or one that cannot be created."""
    trained = open_typed_run(arguments)
    if trained.players.encoder is None:
        raise UserError(f"{arguments.run}: a GAN has no encoder and cannot reconstruct; name a VAE's run")
    stem = f"{trained.folder.resolve().name}-reconstructions"
    arguments.out = arguments.out or Path(free_name(stem, ""))
    request = Request(
        str(arguments.folder), split="80/20", labels="none", value_range=trained.config.value_range
    )
    folder = open_folder(request)  # all images, of any split
    if arguments.out.expanduser().resolve().is_relative_to(folder.root.resolve()):
        raise OptionError("out", "lies inside the folder of images; name a folder elsewhere")
    paths = [file.relative_to(folder.root) for file in folder.names]
    images = in_parallel(folder.names, partial(decode, square=square_of(trained, folder.value_range)))
    images = with_progress(images, len(paths), "reconstructing")
    unread = [(path.relative_to(folder.root), reason) for path, reason in folder.unopened]
    n_written = 0
    with new_folder(arguments.out) as unfinished:
        mark_folder(unfinished, "reconstructions")
        named = zip(paths, png_names(paths), images, strict=True)
        while batch := list(itertools.islice(named, BATCH)):
            unread += [(path, image) for path, _, image in batch if isinstance(image, str)]
            readable = [(name, image) for _, name, image in batch if not isinstance(image, str)]
            if readable:
                _write(trained, unfinished, *zip(*readable, strict=True))
                n_written += len(readable)
        listed = list_problems(unfinished / UNREADABLE, unread)
        if not n_written:
            raise UserError(f"{arguments.folder}: none of the {len(paths)} image files can be read")
    print(f"weights          {weights_of(trained)}")
    for remark in folder.remarks:
        print(f"note             {remark}")
    for line in problem_lines(unread, "unreadable       "):
        print(line)
    if listed:
        print(f"unreadable       all are named in {arguments.out / UNREADABLE}")
    print(f"reconstructions  {n_written:,} of {len(paths):,} images, in {arguments.out}")


def png_names(paths: Sequence[PurePath]) -> list[PurePath]:
    """The path of each image's PNG: its own path with another ending, all different even if case is ignored.

    If two would be equal ("a.jpg", "a.png"), one that is a .png keeps its name; the others get an addition.
    """
    taken: set[str] = set()
    names = {}
    for path in sorted(paths, key=lambda path: (path.suffix != ".png", path)):
        others = (f"{path.stem}-{i}.png" for i in itertools.count(2))
        for name in itertools.chain([f"{path.stem}.png", f"{path.name}.png"], others):
            if (key := str(path.with_name(name)).casefold()) not in taken:
                break
        taken.add(key)
        names[path] = path.with_name(name)
    return [names[path] for path in paths]


def _write(trained: Trained, folder: Path, names: Sequence[PurePath], images: Sequence[np.ndarray]) -> None:
    """Reconstructs images, each uint8 [3, H, W], and writes them under their names."""
    batch = torch.stack([in_channels(image, trained.image_shape[0]) for image in images])
    mu, _ = trained.encode(batch)
    for name, reconstruction in zip(names, trained.decode(mu), strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_png(folder / name, reconstruction)
