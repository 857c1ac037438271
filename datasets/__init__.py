"""Data sets: where images come from. Every source yields square uint8 images [N, C, H, W].

A source is a class under `@register_dataset(name)`, made with a `Request`, with two methods:
`describe() -> Description`, which reads as little as it can, and `load() -> Splits`. Any other name is
the path of a folder of images.
"""

from vaegan.datasets.base import (
    DATASETS,
    Description,
    FewerToTrainOn,
    Images,
    Request,
    Source,
    Splits,
    register_dataset,
)
from vaegan.datasets.folder import Faces, open_folder
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
    "open_source",
    "register_dataset",
]

# options for folders of images, and what they are unless asked for
OF_FOLDERS = {"crop": None, "split": None, "labels": "auto", "value_range": None}

import_siblings(__name__, __path__)


def open_source(request: Request) -> Source:
    """The registered source of that name, or else the folder at that path.

    Raises: OptionError for a name that is neither, and for a crop, a split, no labels or a range of values
    of anything but a folder.
    """
    source = _find(request)
    if request.train_images is None:
        return source
    return FewerToTrainOn(source, request.train_images, request.split_seed)


def _find(request: Request) -> Source:
    try:
        source, arguments = DATASETS.find(request.name)
    except ValueError:
        return open_folder(request)
    for option, unasked in OF_FOLDERS.items():
        if getattr(request, option) != unasked and source is not Faces:
            raise OptionError(option, f"for folders of images only; {request.name} is none")
    return source(request, *arguments)
