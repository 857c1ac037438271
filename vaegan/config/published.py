"""Published configs: the YAML files that come with the package, found by name from any folder."""

import os
from collections.abc import Iterator
from pathlib import Path

from vaegan.errors import UserError, did_you_mean

_PACKAGE = Path(__file__).resolve().parent.parent
# in the package if installed, next to it in a checkout
FOLDER = next(filter(Path.is_dir, (_PACKAGE / "configs", _PACKAGE.parent / "configs")), _PACKAGE / "configs")
PRESETS = FOLDER / "presets"  # no configs: options that a config goes over


def names() -> list[str]:
    """The names of all published configs, such as "learned_loss/conv_resnet"."""
    files = (file for file in FOLDER.rglob("*.yaml") if file.parent != PRESETS)
    return sorted(file.relative_to(FOLDER).with_suffix("").as_posix() for file in files)


def published(name: str, group: str = "") -> Path | None:
    """The file of a published config; None if there is none of that name.

    name: in full, as in `names()`, without the group, or as its path in the project.
    """
    bare = name.removesuffix(".yaml").removeprefix("configs/")
    known = names()
    return next((FOLDER / f"{each}.yaml" for each in _full_names(bare, group) if each in known), None)


def find_config(typed: str, *, origin: str, group: str = "") -> Path:
    """The config file that was typed: by its path, or else the published one of that name.

    origin: the flag and its value as typed, for the message. group: the folder of published configs whose
    names may be typed without it.
    Raises: UserError if neither exists, with the nearest name.
    """
    path = Path(typed).expanduser()
    if os.path.lexists(path):
        return path
    if found := published(typed, group):
        return found
    known = [name for name in names() if name.startswith(group)]
    hint = did_you_mean(typed, [*known, *(name.removeprefix(f"{group}/") for name in known if group)])
    raise UserError(
        f"{origin}: cannot read the file (No such file or directory); {hint}"
        "the command `configs` lists those that are known by name"
    )


def _full_names(bare: str, group: str) -> Iterator[str]:
    yield bare
    if group:
        yield f"{group}/{bare}"
