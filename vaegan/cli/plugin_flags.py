"""The flag --plugins of every command, read before all other flags, since plug-ins may add some."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from vaegan import plugins
from vaegan.config.published import find_config
from vaegan.config.yaml_files import plugins_in

FLAG = "--plugins"


def add_plugins_argument(parser: argparse._ActionsContainer) -> None:
    """Add --plugins to a parser, for --help and so that it is accepted."""
    parser.add_argument(
        FLAG,
        nargs="+",
        metavar="PLUGIN",
        default=argparse.SUPPRESS,
        help="Python files, folders of them or modules with parts of your own, which are imported first",
    )


def import_plugins(argv: Iterable[str]) -> None:
    """Import the plug-ins of installed packages, of the YAML file given by --config, and of --plugins.

    Raises: OptionError for one that cannot be imported, UserError for a file that cannot be read.
    """
    given = values_of(FLAG, argv)
    for path in values_of("--config", argv)[-1:]:
        origin = f"--config {path}"
        given = [*plugins_in(find_config(path, origin=origin), origin=origin), *given]
    plugins.load_installed()
    plugins.load(given)


def values_of(name: str, argv: Iterable[str]) -> list[str]:
    """The values of a flag, in any notation: `--plugins a b`, `--plugins a,b`, `--plugins=a`."""
    values: list[str] = []
    inside = False
    for argument in argv:
        if argument.startswith("-"):
            flag, _, value = argument.partition("=")
            inside = flag == name
            values += [value] if inside and value else []
        elif inside:
            values.append(argument)
    split = ([value] if Path(value).exists() else value.split(",") for value in values)
    return [part.strip() for parts in split for part in parts if part.strip()]
