"""Reads options from YAML files and from the files that they name as their base."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vaegan.config.paths import located, named_file, places
from vaegan.errors import UserError

PLUGINS = "plugins"  # key of the plug-ins that a file needs


class _Loader(yaml.SafeLoader):
    """YAML's loader that refuses a repeated key: one of its values would be lost."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            name = (key.tag, key.value)
            if name in lines:
                problem = f"{key.value} stands here and in line {lines[name]}; leave out one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            lines[name] = key.start_mark.line + 1
        return node


def load_yaml(path: Path, origin: str) -> dict[str, Any]:
    """Content of a YAML file of keys and values. origin: name of the file as it was typed.

    Raises: UserError for a file that cannot be read, and for other content.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except OSError as error:
        raise UserError(f"{origin}: cannot read the file ({error.strerror})") from None
    except yaml.YAMLError as error:
        where = f", line {error.problem_mark.line + 1}" if getattr(error, "problem_mark", None) else ""
        raise UserError(f"{origin}: not YAML{where}: {getattr(error, 'problem', None) or error}") from None
    except ValueError as error:  # not UTF-8, or a malformed date or number
        raise UserError(f"{origin}: cannot be read as YAML ({error})") from None
    if values is None:
        values = {}
    if not isinstance(values, dict) or not all(isinstance(key, str) for key in values):
        raise UserError(f"{origin}: expected lines of the form `option: value`")
    return values


def read_config(
    path: Path, *, origin: str, above: tuple[Path, ...] = ()
) -> list[tuple[Path, dict[str, Any]]]:
    """The file's options, after those of the file that its key `base` names.

    Paths are rewritten to be read from the working directory.
    Raises: UserError for a file that is missing, that YAML cannot read or that is its own base.
    """
    if path.resolve() in above:
        raise UserError(f"{origin}: the file is its own base")
    values = load_yaml(path, origin)
    base = values.pop("base", None)
    values.pop(PLUGINS, None)  # reading a file must not import its plug-ins
    values = located(values, path)
    if base is None:
        return [(path, values)]
    inherited = read_config(
        named_file(path, base), origin=f"{path}: base: {base}", above=(*above, path.resolve())
    )
    return [*inherited, (path, values)]


def plugins_in(path: Path, *, origin: str) -> list[str]:
    """The plug-ins that a file and its bases name: paths from the working directory, and modules.

    Raises: as `read_config`, and UserError for anything but a list of names.
    """
    found: list[str] = []
    for file in reversed([file for file, _ in read_config(path, origin=origin)]):
        found = [*plugins_named(load_yaml(file, origin), file), *found]
    return found


def plugins_named(values: Mapping[str, Any], file: Path) -> list[str]:
    """The plug-ins that a file with these values names. Raises: UserError for anything but a list."""
    given = values.get(PLUGINS) or []
    given = [given] if isinstance(given, str) else given
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise UserError(f"{file}: {PLUGINS}: a list of files, folders and modules is accepted")
    return [str(named_file(file, each)) if named_file(file, each).exists() else each for each in given]


def looked_for(file: Path, name: str) -> str:
    """The places in which a file's path was not found, for a message; "" if it was found, or is absolute."""
    values = load_yaml(file, str(file))
    tried = dict.fromkeys(map(str, places(values, file, name)))
    if list(tried) == [values.get(name)] or any(map(os.path.exists, tried)):
        return ""
    return f"looked for at {', '.join(tried)}"
