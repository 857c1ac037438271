"""How vaegan knows again what it has made, so that none of it becomes training data."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from PIL.PngImagePlugin import PngInfo

MARKER = ".made-by-vaegan"  # a file in folders that commands fill with images
SOFTWARE, OURS = "Software", "vaegan"  # a PNG's text, in pictures that are no images for training
RUN = ("metrics.jsonl", "environment.json")  # beside a run's config.yaml, one of these
BARE_RUN = ("checkpoints", "figures")  # or all of these, where a run has just begun


def mark_folder(folder: Path, made: str) -> None:
    """Leave the marker in a folder. made: what lies there ("samples")."""
    (folder / MARKER).write_text(f"{made}\n", encoding="utf-8")


def png_mark() -> PngInfo:
    """What marks a picture, for Pillow's `save(..., pnginfo=...)`."""
    mark = PngInfo()
    mark.add_text(SOFTWARE, OURS)
    return mark


def is_marked(info: Mapping[str, Any]) -> bool:
    """Whether an opened image's `info` says that it is one of our pictures."""
    return info.get(SOFTWARE) == OURS


def what_made(names: Collection[str]) -> str | None:
    """What kind of thing vaegan made of a folder with files and folders of these names; None for none."""
    if "config.yaml" in names and (any(name in names for name in RUN) or all(n in names for n in BARE_RUN)):
        return "run"
    if "ablation.json" in names:
        return "ablation"
    return "output" if MARKER in names else None
