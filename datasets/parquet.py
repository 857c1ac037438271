"""Parquet files in Hugging Face's format with a column of images: one file or a folder of them.

They are read without the package `datasets`.
"""

import os
import re
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaegan.datasets.base import Request
from vaegan.datasets.image_files import ImageFiles
from vaegan.datasets.layout import TEST, TRAIN, UNLABELLED, VALIDATION, coded
from vaegan.datasets.listing import list_images
from vaegan.datasets.parquet_file import ImageRow, ParquetFile, image_columns
from vaegan.datasets.readers import register_reader
from vaegan.errors import OptionError

ENDING = ".parquet"
PREFERRED = ("label", "labels", "y", "class")  # if several columns hold classes


def _reads(path: Path) -> bool:
    """True for a parquet file, and for a folder that holds some (also in `data`) and no image."""
    if os.path.isdir(path):
        return bool(_files(path)) and not list_images(path).images
    return path.name.lower().endswith(ENDING) and os.path.isfile(path)


def _files(path: Path) -> list[Path]:
    """The parquet files at a path: itself, or those in the folder or in its folder `data`."""
    if not path.is_dir():
        return [path]
    there = [file for folder in (path, path / "data") if folder.is_dir() for file in folder.iterdir()]
    shown = (file for file in there if not file.name.startswith(".") and file.is_file())
    return sorted(file for file in shown if file.name.lower().endswith(ENDING))


@register_reader("Hugging Face's parquet files (.parquet, or a folder of them)", _reads)
class Parquet(ImageFiles):
    """The images in the rows of parquet files, in colour, cropped and resized as those of a folder.

    Files called train-... and test-... (or validation-...) are a ready-made split. The cache identifies an
    image by its file's name, size and time and by its row.
    """

    kind = "rows"
    cached_in = "parquet"

    def __init__(self, request: Request, path: Path):
        """Raises: OptionError without pyarrow, and for files without a column of images."""
        super().__init__(request, path)
        self._said: list[str] = []
        self._parts = self._split([ParquetFile(file) for file in _files(path)])
        columns = list(image_columns(self._parts[0][0]))
        if not columns:
            names = ", ".join(self._parts[0][0].schema.names)
            problem = f"no column of images in {self._parts[0][0].path.name} (columns: {names})"
            raise OptionError("dataset", f"{problem}; one with complete image files, as bytes, is needed")
        self._column = next((name for name in columns if name.casefold() in ("image", "img")), columns[0])
        if len(columns) > 1:
            left = ", ".join(name for name in columns if name != self._column)
            self._said.append(f"the images are taken from the column {self._column}; left out: {left}")
        for file, _ in self._parts:
            if self._column not in file.schema.names:
                raise OptionError(
                    "dataset", f"no column {self._column} in {file.path.name}, unlike in others"
                )

    def _split(self, files: list[ParquetFile]) -> list[tuple[ParquetFile, bool]]:
        """The files that are used, each with True if a ready-made split holds it out; adds a remark."""
        sides = {"train": [], "test": [], "val": [], "": []}
        for file in files:
            sides[_side(file.path)].append(file)
        other = "test" if sides["test"] else "val"
        if not sides["train"] or not sides[other]:
            return [(file, False) for file in files]
        if self.request.split is not None:
            self._said.append("new split, as requested: all files are pooled")
            return [(file, False) for file in files]
        n_train, n_other = (sum(map(len, sides[side])) for side in ("train", other))
        said = f"split as in the files: {n_train:,} training, {n_other:,} held out ({other})"
        left = [file for side in sides if side not in ("train", other) for file in sides[side]]
        if left:
            said += f"; left out: {', '.join(file.path.name for file in left)}"
        self._said.append(f"{said}; --split 80/20 makes a new split")
        return [(file, side == other) for side in ("train", other) for file in sides[side]]

    @cached_property
    def files(self) -> list[ImageRow]:
        return [ImageRow(file, self._column, row) for file, _ in self._parts for row in range(len(file))]

    @cached_property
    def names(self) -> list[Path]:
        """Raises: OptionError if there are no rows."""
        if not self.files:
            raise OptionError("dataset", f"no row in {self.root}")
        return [row.file.path.with_name(row.name) for row in self.files]

    @cached_property
    def held_out(self) -> Tensor | None:
        held_out = [torch.full((len(file),), out) for file, out in self._parts]
        return torch.cat(held_out) if any(out for _, out in self._parts) else None

    @property
    def labels(self):
        return self._labels_and_remarks[0]

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*self._said, *self._labels_and_remarks[1], *super().remarks)

    @cached_property
    def _labels_and_remarks(self) -> tuple[tuple[Tensor, tuple[str, ...]] | None, list[str]]:
        first, remarks = self._parts[0][0], []
        classes = {
            name: feature["names"]
            for name, feature in first.features.items()
            if feature.get("_type") == "ClassLabel" and feature.get("names")
        }
        columns = sorted(classes) + [name for name in first.schema.names if name in PREFERRED]
        columns.sort(key=lambda name: PREFERRED.index(name) if name in PREFERRED else len(PREFERRED))
        columns = list(dict.fromkeys(columns))
        if self.request.labels == "none" or not columns:
            return None, remarks
        column, known = columns[0], classes.get(columns[0])
        if not all(column in file.schema.names for file, _ in self._parts):
            return None, [f"no labels: not all files have the column {column}"]
        values = [value for file, _ in self._parts for value in file.column(column)]
        if not all(value is None or isinstance(value, int | str) for value in values):
            return None, [f"no labels: the column {column} holds neither whole numbers nor texts"]
        if len(columns) > 1:
            left = ", ".join(columns[1:])
            remarks.append(f"the labels are taken from the column {column}; left out: {left}")
        return coded([_class(value, known) for value in values], f"classes in {column}", remarks), remarks

    def stamp(self, position: int) -> bytes:
        row = self.files[position]
        return f"{self._states[row.file.path]}\0{self._column} {row.row}".encode(errors="surrogateescape")

    @cached_property
    def _states(self) -> dict[Path, str]:
        """A text for each file that changes when the file does."""
        states = {file.path: file.path.stat() for file, _ in self._parts}
        root = self.root if self.root.is_dir() else self.root.parent
        return {
            path: f"{os.path.relpath(path, root)} {state.st_size} {state.st_mtime_ns}"
            for path, state in states.items()
        }


def _side(file: Path) -> str:
    """The side of a split that a file is named after: "train-00000-of-00001.parquet" gives train."""
    word = re.split(r"[-_.]", file.name.casefold())[0]
    sides = {"train": TRAIN, "test": TEST, "val": VALIDATION}
    return next((side for side, words in sides.items() if word in words), "")


def _class(value: Any, known: list[str] | None) -> str:
    """The class name for a value of the labels' column."""
    if value is None or value == -1:  # Hugging Face's values for "not labelled"
        return UNLABELLED
    return known[value] if known and isinstance(value, int) and value < len(known) else str(value)
