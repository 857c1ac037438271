"""What the paths of images say of them: which a ready-made split holds out, and which class each has.

Paths are relative to the data set, so that they may come from a folder as well as from an archive.
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
LEAST_IMAGES = 2  # of a class, on average: a folder for each image tells nothing
SHOWN = 8  # classes that are named
UNLABELLED = "no label"


@dataclass(frozen=True)
class Layout:
    """What the paths of a data set's images say.

    kept: the positions of the images that take part: all but those on neither side of a ready-made split.
    held_out: of those, bool [N], which the split holds out; None where there is none. labels: of those,
    int64 [N], and what the classes are called; None where there are none. remarks: a sentence for each thing
    that was left out, changed or guessed.
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

    new_split: leave a ready-made split aside. labelled: whether labels are wanted.
    """
    remarks: list[str] = []
    common = _in_common([path.parts[:-1] for path in paths])
    sides = [_side(path.parts[common:]) for path in paths]
    ready = _ready_made(sides)
    if ready is None and (alone := _lone_side(paths, common)):
        remarks.append(
            f"the folder {alone} has no counterpart with images, which would make a ready-made split of "
            "both; all images are split anew"
        )
    elif ready is None and (deeper := _deeper_sides(paths)):
        remarks.append(
            f"folders called {' and '.join(deeper)} lie deeper, or beside other images, and are taken for no "
            "ready-made split; all images are split anew"
        )
    elif ready is not None:
        remarks.append("split anew, as asked: train and test or val are pooled" if new_split else ready[2])
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
    """How many topmost folders are the same for all, as in an archive with one folder at its top."""
    first, last = min(folders, default=()), max(folders, default=())
    pairs = zip(first, last, strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


def _side(parts: tuple[str, ...]) -> str:
    """Which side of a split the topmost folder is called after: train, test, val, or "" for none."""
    top = parts[0].casefold() if len(parts) > 1 else ""
    known = {"train": TRAIN, "test": TEST, "val": VALIDATION}
    return next((side for side, names in known.items() if top in names), "")


def _lone_side(paths: Sequence[PurePath], common: int) -> str:
    """A topmost folder that is called after one side of a split; "" for none."""
    tops = {part for path in paths for part in path.parts[:-1][: common + 1]}
    return min((top for top in tops if top.casefold() in (*TRAIN, *TEST, *VALIDATION)), default="")


def _deeper_sides(paths: Sequence[PurePath]) -> list[str]:
    """Names of folders, at any depth, that stand for sides of a split; none unless both sides have one."""
    folders = {part for path in paths for part in path.parts[:-1]}
    train = {name for name in folders if name.casefold() in TRAIN}
    held_out = {name for name in folders if name.casefold() in (*TEST, *VALIDATION)}
    return sorted(train | held_out) if train and held_out else []


def _ready_made(sides: Sequence[str]) -> tuple[list[int], Tensor, str] | None:
    """The images on either side of a ready-made split, which of them are held out, and that in words."""
    counts = Counter(sides)
    other = "test" if counts["test"] else "val"
    if not counts["train"] or not counts[other]:
        return None
    said = (
        f"split as it is in the folders: {counts['train']:,} training, {counts[other]:,} held out ({other})"
    )
    left = [f"{counts['val']:,} in val"] if other == "test" and counts["val"] else []
    left += [f"{counts['']:,} outside them"] if counts[""] else []
    if left:
        said += f"; left out: {' and '.join(left)}"
    kept = [i for i, side in enumerate(sides) if side in ("train", other)]
    held_out = torch.tensor([sides[i] == other for i in kept])
    return kept, held_out, f"{said}; --split 80/20 splits all images anew"


def _from_folders(
    paths: Sequence[PurePath], depth: int, remarks: list[str]
) -> tuple[Tensor, tuple[str, ...]] | None:
    """The classes that folders at that depth stand for. None where they cannot."""
    tails = [path.parts[depth:] for path in paths]
    shared = _in_common([tail[:-1] for tail in tails])
    names = [tail[shared] if len(tail) > shared + 1 else None for tail in tails]
    folders = {name for name in names if name is not None}
    if len(folders) < 2:
        return None
    if loose := names.count(None):
        remarks.append(
            f"no labels: beside the {len(folders):,} folders, which could be classes, lie images ({loose:,})"
        )
        return None
    return coded(names, "class folders", remarks)


def _from_tables(
    paths: Sequence[PurePath], tables: Mapping[PurePath, str], remarks: list[str]
) -> tuple[Tensor, tuple[str, ...]] | None:
    """The classes that tables name. None where none of them can be used."""
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
    """Each name as its place among all of them; None where they cannot be classes."""
    counts = Counter(names)
    if len(counts) > MOST_CLASSES or len(names) < LEAST_IMAGES * len(counts):
        remarks.append(
            f"no labels: {len(counts):,} {what} for {len(names):,} images; at most {MOST_CLASSES:,} are "
            f"taken, and {LEAST_IMAGES} images a class"
        )
        return None
    if len(counts) < 2:
        remarks.append(f"no labels: {what} name one class alone")
        return None
    classes = tuple(sorted(counts, key=_by_number))
    codes = {name: code for code, name in enumerate(classes)}
    remarks.append(
        f"labels: {len(classes):,} {what} ({', '.join(_listed(classes, counts))}); --labels none for none"
    )
    return torch.tensor([codes[name] for name in names]), classes


def _by_number(name: str) -> tuple[int, int, str]:
    """Numbers first, by their size; then words by the alphabet."""
    return (0, int(name), name) if name.isascii() and name.isdigit() else (1, 0, name)


def _listed(classes: Sequence[str], counts: Mapping[str, int]) -> Iterator[str]:
    for name in classes[:SHOWN]:
        yield f"{name} {counts[name]:,}"
    if len(classes) > SHOWN:
        yield f"{len(classes) - SHOWN:,} more"
