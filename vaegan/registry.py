"""Names for the parts of a run. Imports none of the packages that register parts."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from vaegan.errors import did_you_mean


class Registry:
    """Maps names to classes of one kind ("discriminator").

    A name with a ":" takes an argument: registered as "timm:NAME", requested as "timm:resnet18".
    """

    every: ClassVar[list["Registry"]] = []

    def __init__(self, kind: str):
        Registry.every.append(self)
        self.kind = kind
        self._entries: dict[str, Any] = {}
        self._places: dict[str, tuple[str, str]] = {}

    def register(self, name: str, *, origin: Any = None) -> Callable:
        """A class decorator that registers the class under `name`.

        origin: the class or function in a user's code, if an object made from it is registered.
        A class that is defined again, by a cell of a notebook or an edited plug-in, replaces its
        former version.
        Raises: ValueError for a name already taken, since one of the two would silently never be used.
        """

        def decorate(entry):
            place = _place(entry if origin is None else origin)
            if name in self._entries and self._places.get(name) != place:
                raise ValueError(f"{self.kind} {name!r} is registered twice")
            self._entries[name] = entry
            self._places[name] = place
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


def _place(entry: Any) -> tuple[str, str]:
    """The place in the code at which a class or function is defined."""
    return entry.__module__, getattr(entry, "__qualname__", repr(entry))


def import_siblings(package: str, path: list[str]) -> None:
    """Import every module of a plug-in folder, so that each registers itself."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
