"""Data sets: the sources of images. Every source yields square uint8 images [N, C, H, W].

A source is a class under `@register_dataset(name)`. It is created with a `Request` and has two methods:
`describe() -> Description`, which reads as little as it can, and `load() -> Splits`. Any other name is
a path, which one of the readers accepts (see `register_reader`). Either way, a new source is one new file.
"""

import os
from dataclasses import fields
from pathlib import Path

from vaegan.datasets.base import (
    DATASETS,
    OWN_IMAGES,
    Description,
    Fewer,
    Images,
    Request,
    Source,
    Splits,
    register_dataset,
)
from vaegan.datasets.folder import Faces
from vaegan.datasets.readers import open_path, register_reader
from vaegan.datasets.store import StoredImages
from vaegan.errors import OptionError
from vaegan.registry import import_siblings

__all__ = [
    "DATASETS",
    "Description",
    "Images",
    "Request",
    "Source",
    "Splits",
    "StoredImages",
    "is_registered",
    "namesake",
    "open_source",
    "register_dataset",
    "register_reader",
    "title",
]

import_siblings(__name__, __path__)


def open_source(request: Request) -> Source:
    """The registered source of that name, or else the source at that path.

    Raises: OptionError for a name that is neither, and for folder options given with a registered data set.
    """
    source = _find(request)
    if request.train_images is None and request.test_images is None:
        return source
    return Fewer(source, request.train_images, request.test_images, request.split_seed)


def is_registered(name: str) -> bool:
    """True for the name of a registered data set; False for the path of a folder."""
    return name in DATASETS


def title(name: str) -> str:
    """Short name for runs on a data set or a folder of images; no folder's is that of a data set."""
    short = Path(name).name or "folder"
    return f"{short}-folder" if is_registered(short) and not is_registered(name) else short


def namesake(name: str) -> str | None:
    """A notice for when a folder here has the same name as the built-in data set that is used; else None."""
    if not is_registered(name) or not os.path.isdir(name):
        return None
    return (
        f"--dataset {name}: the built-in data set, not the folder here; --dataset ./{name} takes the folder"
    )


def _find(request: Request) -> Source:
    try:
        source, arguments = DATASETS.find(request.name)
    except ValueError:
        return open_path(request)
    for option in fields(Request):
        asked = option.metadata == OWN_IMAGES and getattr(request, option.name) != option.default
        if asked and source is not Faces:
            raise OptionError(option.name, f"for folders of images and the like only; {request.name} is none")
    return source(request, *arguments)
