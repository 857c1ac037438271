"""Finds ready-made splits and classes from the paths of images.

Paths are relative to the data set, so that they may come from a folder or from an archive.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import torch
from torch import Tensor

from vaegan.datasets.label_table import LABEL_TABLE, read_label_table

TRAIN = ("train", "training")
TEST = ("test", "testing")
VALIDATION = ("val", "valid", "validation")
MOST_CLASSES = 1000  # more would make a linear probe of 10,000 images take minutes
LEAST_IMAGES = 2  # per class, on average: one folder per image is no information
SHOWN = 8  # classes named in a message
UNLABELLED = "no label"


@dataclass(frozen=True)
class Layout:
    """The split and the labels found from the paths of a data set's images.

    kept: positions of the images that are used: all except those on neither side of a ready-made split.
    held_out: bool [N] over the kept images, True for those that the split holds out; None if there is no
    split. labels: int64 [N] over the kept images, and the names of the classes; None if there are none.
    remarks: one sentence for each thing that was left out, changed or guessed.
    """

    kept: list[int]
    held_out: Tensor | None
    labels: tuple[Tensor, tuple[str, ...]] | None
    remarks: tuple[str, ...]


def read_layout(
    paths: Sequence[PurePath],
    tables: Mapping[PurePath, str],
    *,
    new_split: bool = False,
    labelled: bool = True,
) -> Layout:
    """paths: of the images. tables: the texts of the files called labels.csv, by their paths.

    new_split: ignore a ready-made split. labelled: look for labels.
    """
    remarks: list[str] = []
    common = _in_common([path.parts[:-1] for path in paths])
    sides = [_side(path.parts[common:]) for path in paths]
    ready = _ready_made(sides)
    if ready is None and (alone := _lone_side(paths, common)):
        remarks.append(
            f"the folder {alone} has no counterpart with images, so the two are no ready-made split; "
            "all images are split at random"
        )
    elif ready is None and (deeper := _deeper_sides(paths)):
        remarks.append(
            f"folders called {' and '.join(deeper)} lie deeper, or next to other images, so they are not "
            "used as a ready-made split; all images are split at random"
        )
    elif ready is not None:
        remarks.append("new split, as requested: train and test or val are pooled" if new_split else ready[2])
    kept, held_out = list(range(len(paths))), None
    if ready is not None and not new_split:
        kept, held_out, _ = ready
    labels = None
    if labelled:
        taken = [paths[i] for i in kept]
        below = common if ready is None else common + 1
        labels = _from_tables(taken, tables, remarks) if tables else _from_folders(taken, below, remarks)
    return Layout(kept, held_out, labels, tuple(remarks))


def _in_common(folders: Sequence[tuple[str, ...]]) -> int:
    """Number of topmost folders that all paths share, as in an archive with one folder at its top."""
    first, last = min(folders, default=()), max(folders, default=())
    pairs = zip(first, last, strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _side(parts: tuple[str, ...]) -> str:
    """The side of a split that the topmost folder is named after: train, test, val, or "" for none."""
    top = parts[0].casefold() if len(parts) > 1 else ""
    known = {"train": TRAIN, "test": TEST, "val": VALIDATION}
    return next((side for side, names in known.items() if top in names), "")


def _lone_side(paths: Sequence[PurePath], common: int) -> str:
    """A topmost folder that is named after one side of a split, without the other side; "" for none."""
    tops = {part for path in paths for part in path.parts[:-1][: common + 1]}
    return min((top for top in tops if top.casefold() in (*TRAIN, *TEST, *VALIDATION)), default="")


def _deeper_sides(paths: Sequence[PurePath]) -> list[str]:
    """Names of folders, at any depth, that are named after sides of a split; none unless both sides exist."""
    folders = {part for path in paths for part in path.parts[:-1]}
    train = {name for name in folders if name.casefold() in TRAIN}
    held_out = {name for name in folders if name.casefold() in (*TEST, *VALIDATION)}
    return sorted(train | held_out) if train and held_out else []


def _ready_made(sides: Sequence[str]) -> tuple[list[int], Tensor, str] | None:
    """The images in a ready-made split, True for those that are held out, and a sentence about it."""
    counts = Counter(sides)
    other = "test" if counts["test"] else "val"
    if not counts["train"] or not counts[other]:
        return None
    said = f"split as in the folders: {counts['train']:,} training, {counts[other]:,} held out ({other})"
    left = [f"{counts['val']:,} in val"] if other == "test" and counts["val"] else []
    left += [f"{counts['']:,} outside them"] if counts[""] else []
    if left:
        said += f"; left out: {' and '.join(left)}"
    kept = [i for i, side in enumerate(sides) if side in ("train", other)]
    held_out = torch.tensor([sides[i] == other for i in kept])
    return kept, held_out, f"{said}; --split 80/20 makes a new split"


def _from_folders(
    paths: Sequence[PurePath], depth: int, remarks: list[str]
) -> tuple[Tensor, tuple[str, ...]] | None:
    """The classes given by the folders at that depth; None if these cannot be classes."""
    tails = [path.parts[depth:] for path in paths]
    shared = _in_common([tail[:-1] for tail in tails])
    names = [tail[shared] if len(tail) > shared + 1 else None for tail in tails]
    folders = {name for name in names if name is not None}
    if len(folders) < 2:
        return None
    if loose := names.count(None):
        remarks.append(
            f"no labels: {len(folders):,} folders could be classes, but images ({loose:,}) lie next to them"
        )
        return None
    return coded(names, "class folders", remarks)


def _from_tables(
    paths: Sequence[PurePath], tables: Mapping[PurePath, str], remarks: list[str]
) -> tuple[Tensor, tuple[str, ...]] | None:
    """The classes given by tables; None if no table can be used."""
    names: list[str | None] = [None] * len(paths)
    for place, text in sorted(tables.items()):
        found, problems = read_label_table(paths, place, text)
        remarks += problems
        for i, name in found.items():
            names[i] = names[i] or name
    if not any(names):
        return None
    if missing := names.count(None):
        remarks.append(f'{missing:,} images that {LABEL_TABLE} does not name make a class "{UNLABELLED}"')
    return coded([name or UNLABELLED for name in names], f"classes from {LABEL_TABLE}", remarks)


def coded(names: Sequence[str], what: str, remarks: list[str]) -> tuple[Tensor, tuple[str, ...]] | None:
    """Each name as its index among the sorted names, and these; None if they cannot be classes."""
    counts = Counter(names)
    if len(counts) > MOST_CLASSES or len(names) < LEAST_IMAGES * len(counts):
        remarks.append(
            f"no labels: {len(counts):,} {what} for {len(names):,} images; at most {MOST_CLASSES:,} are "
            f"accepted, and at least {LEAST_IMAGES} images per class"
        )
        return None
    if len(counts) < 2:
        remarks.append(f"no labels: {what} name only one class")
        return None
    classes = tuple(sorted(counts, key=_by_number))
    codes = {name: code for code, name in enumerate(classes)}
    remarks.append(
        f"labels: {len(classes):,} {what} ({', '.join(_listed(classes, counts))}); --labels none ignores them"
    )
    return torch.tensor([codes[name] for name in names]), classes


def _by_number(name: str) -> tuple[int, int, str]:
    """A sort key: first numbers by value, then words alphabetically."""
    return (0, int(name), name) if name.isascii() and name.isdigit() else (1, 0, name)


def _listed(classes: Sequence[str], counts: Mapping[str, int]) -> Iterator[str]:
    for name in classes[:SHOWN]:
        yield f"{name} {counts[name]:,}"
    if len(classes) > SHOWN:
        yield f"{len(classes) - SHOWN:,} more"
