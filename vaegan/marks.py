"""Marks that let vaegan recognise its own runs and pictures, so that they never become training data."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from vaegan.files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKER = ".made-by-vaegan"  # a file in folders that commands fill with images
PNG_TEXT = {"Software": "vaegan"}  # in pictures that are not training images
# files and folders by which a run's folder is recognised; the others' names are in vaegan/run/layout.py
CONFIG, ENVIRONMENT, METRICS = "config.yaml", "environment.json", "metrics.jsonl"
CHECKPOINTS, FIGURES = "checkpoints", "figures"


def mark_folder(folder: Path, made: str) -> None:
    """Writes the marker into a folder. made: the kind of its contents ("samples")."""
    (folder / MARKER).write_text(f"{made}\n", encoding="utf-8")


def save_picture(path: Path, picture: Image.Image) -> None:
    """Writes a picture of several images or of figures as a PNG with our mark."""
    mark = PngInfo()
    for name, text in PNG_TEXT.items():
        mark.add_text(name, text)
    write_whole(path, lambda temporary: picture.save(temporary, format="png", pnginfo=mark))


def save_figure(path: Path, figure: "Figure") -> None:
    """The same as `save_picture` for a figure of matplotlib."""
    write_whole(path, lambda file: figure.savefig(file, format="png", dpi=110, metadata=PNG_TEXT))


def is_marked(info: Mapping[str, Any]) -> bool:
    """True if an opened image's `info` contains our mark."""
    return PNG_TEXT.items() <= info.items()


def what_made(names: Collection[str]) -> str | None:
    """The kind of folder, if vaegan made a folder with files and folders of these names; else None."""
    written = METRICS in names or ENVIRONMENT in names
    begun = CHECKPOINTS in names and FIGURES in names
    if CONFIG in names and (written or begun):
        return "run"
    if "ablation.json" in names:
        return "ablation"
    return "output" if MARKER in names else None
