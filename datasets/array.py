"""Images in an array: an .npy or .npz file with [N, H, W] or [N, H, W, C]."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from vaegan.datasets.array_file import Rows, StoredArray, stored_arrays
from vaegan.datasets.base import Request
from vaegan.datasets.collection import OWN_SIZE, Collection
from vaegan.datasets.decode import Square, as_rgb, in_parallel
from vaegan.datasets.depth import Extent, ValueRange, range_from, said, to_8_bits
from vaegan.datasets.layout import coded
from vaegan.datasets.packed import DAMAGE
from vaegan.datasets.readers import ends_with, register_reader
from vaegan.errors import OptionError

# names of (images, labels), in the order in which they are looked for
WHOLE = [("images", "labels"), ("x", "y")]
SPLIT = [  # (to train on, to hold out)
    (("x_train", "y_train"), ("x_test", "y_test")),  # as Keras has them
    (("train_images", "train_labels"), ("test_images", "test_labels")),  # as MedMNIST has them
]
CHANNELS = (1, 3, 4)
LOOKED_AT = 256  # 8-bit images that are examined to find out whether all are dark
DARK = 15
READ = "read is [N, H, W] or [N, H, W, C] with C 1, 3 or 4"


@dataclass(frozen=True)
class Part:
    """An array of images and its labels, if any. held_out: True if a ready-made split holds it out."""

    images: StoredArray
    labels: StoredArray | None
    held_out: bool = False


@register_reader("an array (.npy, .npz)", ends_with(".npy", ".npz"))
class Array(Collection):
    """The images in an array, grey with one channel, else in colour; transparency becomes white.

    Square images keep their size unless another one is requested. One range of values, the same for all
    images, is scaled to 0 to 255. Images with values that are not numbers are listed as unreadable.
    """

    kind = "images"
    cached_in = "arrays"

    def __init__(self, request: Request, path: Path):
        """Raises: OptionError for a file without such an array."""
        self._said: list[str] = []
        try:
            self._parts = _found(stored_arrays(path), request.split is not None, self._said)
        except DAMAGE as error:
            raise OptionError("dataset", f"cannot be read ({error}); copy it or save it again") from None
        first = self._parts[0].images
        self._channels_first, channels, (height, width) = _read_shape(first, self._said)
        for part in self._parts[1:]:
            if part.images.shape[1:] != first.shape[1:] or part.images.dtype != first.dtype:
                raise OptionError("dataset", f"{part.images.name} differs from {first.name} in shape or type")
        own_size = height if height == width and request.crop is None else OWN_SIZE
        super().__init__(request, path, 1 if channels == 1 else 3, own_size)

    @cached_property
    def names(self) -> list[Path]:
        return [Path(f"{self.root / part.images.name}[{i}]") for part, i in self._places]

    @cached_property
    def _places(self) -> list[tuple[Part, int]]:
        return [(part, i) for part in self._parts for i in range(part.images.shape[0])]

    @cached_property
    def held_out(self) -> Tensor | None:
        if not any(part.held_out for part in self._parts):
            return None
        return torch.tensor([part.held_out for part, _ in self._places])

    @property
    def labels(self):
        return self._labels_and_remarks[0]

    @property
    def remarks(self) -> tuple[str, ...]:
        return (*self._said, *self._range_and_remarks[1], *self._labels_and_remarks[1])

    @cached_property
    def _labels_and_remarks(self) -> tuple[tuple[Tensor, tuple[str, ...]] | None, list[str]]:
        remarks: list[str] = []
        if self.request.labels == "none" or any(part.labels is None for part in self._parts):
            return None, remarks
        names = []
        for part in self._parts:
            found = _class_names(part.labels, part.images)
            if isinstance(found, str):
                return None, [f"no labels: {part.labels.name} {found}"]
            names += found
        return coded(names, f"classes in {self._parts[0].labels.name}", remarks), remarks

    @property
    def value_range(self) -> ValueRange | None:
        return self._range_and_remarks[0]

    @cached_property
    def _range_and_remarks(self) -> tuple[ValueRange | None, list[str]]:
        """The values that become black and white, or None for 8-bit images used as they are; and remarks."""
        asked, first = self.request.value_range, self._parts[0].images
        if asked is not None:
            return asked, [f"{asked[0]:g} becomes black and {asked[1]:g} white, as given"]
        if first.dtype == bool:
            return (0.0, 1.0), []
        if first.dtype == np.uint8:
            greatest = int(Rows(first).read(0, LOOKED_AT).max())
            dark = f"the first images have no value above {greatest}, so they look dark as 8-bit images; "
            return None, [f"{dark}if {greatest} is white, give --value-range 0,{greatest}"] * (
                0 < greatest <= DARK
            )
        extents = [Extent.of(chunk) for part in self._parts for chunk in Rows(part.images).chunks()]
        if not (extents := [extent for extent in extents if extent is not None]):
            raise OptionError("dataset", f"{first.name or 'the array'} has no finite value")
        extent = Extent.around(extents)
        found = range_from(extent)
        black, white = said(found).split(",")
        there = f"found from all values, {extent.least:.6g} to {extent.greatest:.6g}"
        return found, [f"{black} becomes black and {white} white ({there}; --value-range LO,HI sets others)"]

    def stamp(self, position: int) -> bytes:
        return f"{position}\0{self._state}".encode(errors="surrogateescape")

    @cached_property
    def _state(self) -> str:
        """A text that changes when any image may have changed."""
        state = self.root.stat()
        arrays = [part.images.name for part in self._parts]
        return f"{arrays} {self.value_range} {state.st_size} {state.st_mtime_ns}"

    def decoded(self, positions: Sequence[int]) -> Iterator[np.ndarray | str]:
        arrays = [part.images for part in self._parts]
        decode = _Decode(arrays, self.value_range, self._channels_first, self.square)
        return in_parallel(positions, decode)


@dataclass
class _Decode:
    """Turns rows of the arrays, counted as one array, into images. Each process opens the files itself."""

    arrays: list[StoredArray]
    value_range: ValueRange | None
    channels_first: bool
    square: Square

    def __post_init__(self):
        self._rows = [Rows(array) for array in self.arrays]

    def __call__(self, position: int) -> np.ndarray | str:
        """uint8 [C, size, size], or the reason why there is no image."""
        for rows in self._rows:
            if position < rows.array.shape[0]:
                break
            position -= rows.array.shape[0]
        try:
            (values,) = rows.read(position)
            if self.value_range is not None:
                values = to_8_bits(values, self.value_range)
        except DAMAGE as error:
            return f"{error}"
        if self.channels_first:
            values = values.transpose(1, 2, 0)
        grey = values.ndim == 2 or values.shape[2] == 1
        image = Image.fromarray(np.ascontiguousarray(values.reshape(values.shape[:2]) if grey else values))
        pixels = self.square.of(image if grey else as_rgb(image))
        return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _found(arrays: dict[str, StoredArray], new_split: bool, remarks: list[str]) -> list[Part]:
    """The arrays that hold images and labels. Adds remarks on what is guessed, split and left out.

    Raises: OptionError if no array, or more than one, could be the images.
    """
    parts, used = [], set()
    for sides in SPLIT:
        if not parts and all(images in arrays for images, _ in sides):
            (train, train_labels), (test, test_labels) = sides
            parts = [
                Part(arrays[train], arrays.get(train_labels)),
                Part(arrays[test], arrays.get(test_labels), held_out=not new_split),
            ]
            counts = f"{arrays[train].shape[0]:,} training, {arrays[test].shape[0]:,} held out"
            asked = f"new split, as requested: {train} and {test} are pooled"
            as_it_is = f"split as in the file: {counts} ({test}); --split 80/20 makes a new split"
            remarks.append(asked if new_split else as_it_is)
    for images, labels in WHOLE:
        if not parts and images in arrays:
            parts = [Part(arrays[images], arrays.get(labels))]
    if not parts:
        likely = [array for array in arrays.values() if len(array.shape) in (3, 4)] or list(arrays.values())
        if len(likely) != 1:
            there = ", ".join(f"{name} {_shown(array)}" for name, array in arrays.items()) or "no array"
            problem = f"no array is called images or x, and no single one could be the images ({there})"
            raise OptionError("dataset", f'{problem}; numpy.savez("set.npz", images=..., labels=...)')
        (array,) = likely
        labels = next((arrays[name] for _, name in WHOLE if name in arrays), None)
        parts = [Part(array, labels)]
        if len(arrays) > 1:
            remarks.append(f"the images are taken from {array.name} {_shown(array)}")
    for part in parts:
        used |= {part.images.name} | ({part.labels.name} if part.labels else set())
    if others := [f"{name} {_shown(array)}" for name, array in arrays.items() if name not in used]:
        remarks.append(f"left out: {', '.join(others)}")
    return parts


def _read_shape(array: StoredArray, remarks: list[str]) -> tuple[bool, int, tuple[int, int]]:
    """True if channels come first; the number of channels; (height, width).

    Raises: OptionError for an array that cannot be images.
    """
    what, shape = f"{array.name or 'the array'} is {_shown(array)}", array.shape
    if array.dtype.hasobject:
        problem = f"{array.name or 'the array'} holds Python objects, which could run any code"
        raise OptionError("dataset", f"{problem}; save numbers: one array, all images of one size")
    if array.dtype.kind not in "buif":
        raise OptionError("dataset", f"{what}; save whole numbers or floats")
    if 0 in shape:
        raise OptionError("dataset", f"{what}, without any values")
    if len(shape) == 3 and shape[2] in CHANNELS[1:]:
        raise OptionError("dataset", f"{what}, which looks like one image; {READ}")
    if len(shape) == 3:
        return False, 1, shape[1:]
    if len(shape) == 4 and shape[3] in CHANNELS:
        return False, shape[3], shape[1:3]
    if len(shape) == 4 and shape[1] in CHANNELS:
        remarks.append(f"{what}: taken as [N, C, H, W]")
        return True, shape[1], shape[2:]
    raise OptionError("dataset", f"{what}; {READ}: reshape it")


def _class_names(labels: StoredArray, images: StoredArray) -> list[str] | str:
    """The class name of each image, or what is wrong with the labels.

    Raises: OptionError if there are more or fewer labels than images.
    """
    n_images = images.shape[0]
    if labels.shape not in ((n_images,), (n_images, 1)):
        if labels.shape[:1] != (n_images,):
            problem = f"{labels.name} is {_shown(labels)} for {n_images:,} images"
            raise OptionError("dataset", f"{problem}; save one label per image, or none")
        return f"is {_shown(labels)}; one label per image is needed"
    if labels.dtype.kind not in "buifUS":
        return f"is {_shown(labels)}; labels are numbers or texts"
    values = labels.whole().reshape(-1)
    if values.dtype.kind == "f":
        if not (np.isfinite(values) & (values == values.round())).all():
            return "has fractions, which are not classes"
        values = values.astype(np.int64)
    if values.dtype.kind == "S":
        values = np.char.decode(values, "utf-8", "replace")
    return [str(value) for value in values.tolist()]


def _shown(array: StoredArray) -> str:
    return f"{array.dtype} [{', '.join(map(str, array.shape))}]"
