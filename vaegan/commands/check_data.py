"""Check a folder of images: modes, sizes, broken files, duplicates, a contact sheet.

Duplicates on both sides of the split, exact or near, make reconstructions look better than they are.
"""

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from vaegan.cli.parser import lower_and_upper, whole_number
from vaegan.cli.skipped import list_problems, problem_lines
from vaegan.commands.inputs.images import open_folder
from vaegan.config.schema import two_shares
from vaegan.datasets import Request, is_registered
from vaegan.datasets.decode import Square, decode
from vaegan.datasets.folder import Folder
from vaegan.datasets.survey import NEAR, Look, Twins, across_split, survey
from vaegan.errors import OptionError, UserError
from vaegan.figures.grids import grid
from vaegan.files import check_new_file, free_name
from vaegan.marks import save_picture
from vaegan.pixels import from_uint8
from vaegan.seeds import LARGEST_SEED

SHOWN = 10  # entries of a list that are printed; the others are counted
TILE = 64  # pixels a side in the contact sheet
COLUMNS = 16
ROWS = 6
CAPTION = 24  # pixels


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", metavar="PATH", help="the folder of images")
    parser.add_argument(
        "--crop",
        type=whole_number("crop", 1),
        metavar="INT",
        help="side of the square cut out of the middle, as in training (default: the largest possible)",
    )
    parser.add_argument(
        "--value-range",
        type=lower_and_upper("value_range"),
        metavar="LO,HI",
        help="values that become black and white in images of more than 8 bits, as in training "
        "(default: found from all these images together)",
    )
    parser.add_argument(
        "--split-seed",
        type=whole_number("split_seed", 0, LARGEST_SEED),
        default=0,
        metavar="INT",
        help="seed of the split, as in training (default: %(default)s)",
    )
    parser.add_argument(
        "--split",
        type=shares,
        metavar="TEXT",
        help="percentages to train on and to hold out, as in training (default: the folder's own, or 80/20)",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE",
        help="new PNG file for the contact sheet (default: named after the folder, in the current folder)",
    )


def shares(given: str) -> str:
    """Argument type of `--split`. Raises: UserError for anything but two percentages."""
    try:
        return two_shares(given)
    except ValueError as error:
        raise UserError(f"--split {given}: {error}") from None


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a folder without readable images and for a sheet that cannot be written."""
    request = Request(
        arguments.folder,
        crop=arguments.crop,
        split_seed=arguments.split_seed,
        split=arguments.split,
        value_range=arguments.value_range,
    )
    folder = open_folder(request)
    stem = f"{folder.root.resolve().name}-contact-sheet"
    sheet = arguments.sheet or Path(free_name(stem, ".png") + ".png")
    arguments.sheet = sheet  # set for the error messages about it
    check_new_file(sheet, "sheet")
    if sheet.resolve().is_relative_to(folder.root.resolve()):
        raise UserError(f"--sheet {sheet}: would be one of the folder's images; name a file elsewhere")
    looks = survey(folder.names, arguments.crop, folder.value_range)
    readable = [i for i, look in enumerate(looks) if isinstance(look, Look)]
    for line in overview_lines(folder, looks):
        print(line)
    if not readable:
        raise UserError(f"{arguments.folder}: none of the {len(folder.names)} image files can be read")
    files = [folder.names[i] for i in readable]
    found = [looks[i] for i in readable]
    train, test = folder.split(torch.tensor(readable))
    how = f"seed {arguments.split_seed}" if folder.held_out is None else "as in the folders"
    print(f"split          {len(train):,} training, {len(test):,} held out ({how})")
    twins = across_split(found, train, test) if len(train) else []
    for line in duplicate_lines(folder.root, files, found, twins) if twins else ():
        print(line)
    picture = contact_sheet(files, twins, Square(TILE, arguments.crop, folder.value_range))
    unreadable = Path(free_name(str(sheet.with_name(f"{sheet.stem}-unreadable")), ".txt") + ".txt")
    try:
        save_picture(sheet, picture)
        listed = list_problems(unreadable, problems_of(folder, looks))
    except OSError as error:
        raise OptionError("sheet", f"cannot be written ({error.strerror})") from None
    print(f"contact sheet  {sheet}")
    if listed:
        print(f"unreadable     all are named in {unreadable}")
    if is_registered(folder.root.name):
        name = folder.root.name
        print(
            f"note           --dataset {name} is a built-in data set; --dataset ./{name} takes a folder here"
        )


def overview_lines(folder: Folder, looks: Sequence[Look | str]) -> Iterator[str]:
    """Counts, formats, modes, sizes, and the first unreadable files."""
    found = [look for look in looks if isinstance(look, Look)]
    yield f"folder         {folder.root}"
    yield f"image files    {len(looks):,}, of which {len(found):,} can be read"
    for remark in folder.remarks:
        yield f"note           {remark}"
    for name, values in (
        ("formats", [look.format for look in found]),
        ("modes", [look.mode for look in found]),
        ("sizes", ["{} x {}".format(*look.size) for look in found]),
    ):
        yield f"{name:15}" + _counted(values)
    if found:
        sides = sorted(min(look.size) for look in found)
        yield f"shorter sides  {sides[0]} to {sides[-1]}, median {sides[len(sides) // 2]}"
    yield from problem_lines(problems_of(folder, looks), "unreadable     ")


def problems_of(folder: Folder, looks: Sequence[Look | str]) -> list[tuple[Path, str]]:
    """Unreadable files by their paths below the folder, each with the reason."""
    unread = [(file, look) for file, look in zip(folder.names, looks, strict=True) if isinstance(look, str)]
    return [(path.relative_to(folder.root), reason) for path, reason in [*unread, *folder.unopened]]


def duplicate_lines(
    root: Path, files: Sequence[Path], looks: Sequence[Look], twins: Sequence[Twins]
) -> Iterator[str]:
    """Number of images that occur more than once, and the held-out ones that are also training images."""
    copies = len(looks) - len({look.digest for look in looks})
    yield f"copies         {copies:,} of {len(looks):,} images have the same pixels as another one"
    exact = [pair for pair in twins if pair.exact]
    near = [pair for pair in twins if not pair.exact and pair.likeness >= NEAR]
    for name, pairs, kind in (
        ("exact", exact, "exact copies"),
        ("near", near, f"near copies (from {NEAR} on)"),
    ):
        share = f"{len(pairs):,} of {len(twins):,} held-out images ({len(pairs) / len(twins):.1%})"
        yield f"{name:15}{share} have {kind} among the training images"
        for pair in pairs[:SHOWN]:
            ours, theirs = (files[i].relative_to(root) for i in (pair.held_out, pair.trained_on))
            yield f"  {ours} ~ {theirs}" + ("" if pair.exact else f" (likeness {pair.likeness:.3f})")
        if len(pairs) > SHOWN:
            yield f"  and {len(pairs) - SHOWN:,} more"


def contact_sheet(files: Sequence[Path], twins: Sequence[Twins], square: Square) -> Image.Image:
    """Images sampled from the folder; below, held-out images above their most similar training images."""

    def tiles(positions: list[int]) -> Image.Image:
        images = torch.full((len(positions), 3, square.size, square.size), 255, dtype=torch.uint8)
        for tile, i in zip(images, positions, strict=True):
            if not isinstance(pixels := decode(files[i], square), str):  # else removed meanwhile
                tile.copy_(torch.from_numpy(pixels))
        return grid(from_uint8(images), COLUMNS)

    shown = min(len(files), COLUMNS * ROWS)
    parts = [(f"{shown:,} of {len(files):,} images", tiles([i * len(files) // shown for i in range(shown)]))]
    if closest := twins[:COLUMNS]:
        rows = [pair.held_out for pair in closest], [pair.trained_on for pair in closest]
        caption = f"held out, over the training image most like it (likeness from {closest[0].likeness:.2f} "
        caption += f"to {closest[-1].likeness:.2f}; near duplicates from {NEAR})"
        parts += [(caption, tiles(rows[0])), ("", tiles(rows[1]))]
    heights = [picture.height + (CAPTION if caption else 0) for caption, picture in parts]
    sheet = Image.new("RGB", (max(picture.width for _, picture in parts), sum(heights)), "white")
    pen, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(14), 0
    for (caption, picture), height in zip(parts, heights, strict=True):
        pen.text((4, top + 4), caption, fill="black", font=font)
        sheet.paste(picture, (0, top + height - picture.height))
        top += height
    return sheet


def _counted(values: Sequence[str]) -> str:
    """The most frequent values and the number of others: "RGB 3,990, L 10"."""
    counts = Counter(values).most_common()
    shown = [f"{value}: {count:,}" for value, count in counts[:SHOWN]]
    if len(counts) > SHOWN:
        shown.append(f"{len(counts) - SHOWN:,} others: {sum(count for _, count in counts[SHOWN:]):,}")
    return ", ".join(shown)
