"""Options that are paths. They lead to the same files from whichever directory a YAML file is read.

A relative path in a YAML file starts from the file's own folder or, if nothing is there, from the working
directory. The config.yaml of a run also stores, under `paths`, the absolute paths; these come first.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from vaegan.config.published import published
from vaegan.config.schema import Config, options
from vaegan.registry import DATASETS

KEY = "paths"


def path_options() -> list[str]:
    """The options that are paths."""
    return options(lambda nature: nature.is_path)


def config_text(config: Config, before: Path | None = None) -> str:
    """A run's config.yaml: its options, and the absolute paths of those that are relative ones.

    before: the present file, if the run is resumed; a path typed in it stays as typed if it means the same.
    """
    values = config.to_dict()
    lies = {name: values.get(name, _default(name)) for name in path_options()}
    values |= _as_typed(values, before) if before is not None and before.is_file() else {}
    values = {name: value for name, value in values.items() if value is not None}
    paths = {
        name: os.path.abspath(os.path.expanduser(path))
        for name, path in lies.items()
        if _begins_somewhere(name, values.get(name, _default(name)))
        and os.path.exists(os.path.expanduser(path))
    }
    return yaml.safe_dump(values | ({KEY: paths} if paths else {}), sort_keys=False, allow_unicode=True)


def _as_typed(values: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """Path options as typed in a file, if they lead to the given values; None for one not in the file."""
    stands = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    leads_to = located(stands, file)
    return {
        name: stands.get(name)
        for name in path_options()
        if name in values and leads_to.get(name) == values[name]
    }


def located(values: Mapping[str, Any], file: Path) -> dict[str, Any]:
    """A file's options without `paths`; relative paths are rewritten for the working directory."""
    found = {name: value for name, value in values.items() if name != KEY}
    for name in path_options():
        value = values.get(name, _default(name))
        if _begins_somewhere(name, value):
            place = next(filter(os.path.exists, places(values, file, name)), value)
            if os.path.abspath(place) != os.path.abspath(value):
                found[name] = str(place)
    return found


def places(values: Mapping[str, Any], file: Path, name: str) -> Iterator[Path]:
    """Candidate places of a file's path option, in order of preference."""
    kept = values.get(KEY)
    if isinstance(kept, Mapping) and isinstance(kept.get(name), str):
        yield Path(kept[name])
    value = values.get(name, _default(name))
    if name in values:
        yield file.parent / value
    yield Path(value)


def named_file(file: Path, value: Any) -> Path:
    """The YAML file that another one names: a path from its folder or the working directory, or published."""
    own = file.parent / Path(str(value)).expanduser()
    if own.exists():
        return own
    return Path(str(value)) if os.path.exists(str(value)) else published(str(value)) or own


def _default(name: str) -> str | None:
    """The default of a path option that starts from the working directory; None for the others."""
    return "data" if name == "data_dir" and not os.environ.get("VAEGAN_DATA") else None


def _begins_somewhere(name: str, value: Any) -> bool:
    """True for a relative path, and not for the name of a data set."""
    if not isinstance(value, str) or not value or (name == "dataset" and value in DATASETS):
        return False
    return not os.path.isabs(os.path.expanduser(value))
