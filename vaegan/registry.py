"""Names for the parts of a run. Imports none of the packages that register parts."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

from vaegan.errors import did_you_mean


class Registry:
    """Maps names to classes of one kind ("discriminator").

    A name with a ":" takes an argument: registered as "timm:NAME", requested as "timm:resnet18".
    """

    n_registered = 0  # in all registries, over the life of the process

    def __init__(self, kind: str):
        self.kind = kind
        self._entries: dict[str, Any] = {}

    def register(self, name: str) -> Callable:
        """A class decorator that registers the class under `name`.

        A class that is defined again, by a cell of a notebook or an edited plug-in, takes the place of its
        former self.
        Raises: ValueError for a name already taken, since one of the two would silently never be used.
        """

        def decorate(entry):
            if name in self._entries and _origin(entry) != _origin(self._entries[name]):
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            Registry.n_registered += 1
            return entry

        return decorate

    def names(self) -> list[str]:
        """The registered names in alphabetical order, as a user types them."""
        return sorted(self._entries)

    def entries(self) -> Iterator[tuple[str, Any]]:
        """(name, class) of everything registered, in alphabetical order."""
        return iter(sorted(self._entries.items()))

    def __contains__(self, given: str) -> bool:
        """True for a name under which something is registered, with its argument if it takes one."""
        try:
            return bool(self.find(given))
        except ValueError:
            return False

    def find(self, given: str) -> tuple[Any, tuple[str, ...]]:
        """The class for a name, and its leading arguments (for "timm:resnet18": "resnet18").

        Raises: ValueError that lists the known names and the closest match.
        """
        if given in self._entries and ":" not in given:
            return self._entries[given], ()
        prefix, colon, argument = given.partition(":")
        for name, entry in self._entries.items():
            if colon and name.startswith(prefix + ":"):
                return entry, (argument,)
        raise ValueError(
            f"unknown {self.kind}; {did_you_mean(given, self.names())}Known: {', '.join(self.names())}."
        )


DATASETS = Registry("data set")  # here, so that the config can tell their names from paths without them


def _origin(entry: Any) -> tuple[str, str] | int:
    """The place in the code at which a class or function is defined."""
    if not hasattr(entry, "__qualname__"):
        return id(entry)
    return entry.__module__, entry.__qualname__


def import_siblings(package: str, path: list[str]) -> None:
    """Import every module of a plug-in folder, so that each registers itself."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
