"""Knobs of networks and of loss terms, read from the signatures of their constructors and functions."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic.fields import FieldInfo

from vaegan.errors import UserError
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.objective.terms import Term

DISC_PREFIX = "disc_"


@dataclass
class Knob:
    """A keyword argument of some networks, or of a term. name: the argument's; option: the config field's.

    networks: the default in each network that has it; an encoder and a decoder of the same name may differ.
    """

    name: str
    option: str
    annotation: Any
    networks: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def description(self) -> str:
        """Its meaning, from the annotation."""
        described = [info.description for info in get_args(self.annotation) if isinstance(info, FieldInfo)]
        return next(filter(None, described), f"{self.name.replace('_', ' ')} of the network")

    @property
    def defaults(self) -> str:
        """Each network's default: "conv 3, deep_conv 4", or "leaky_relu / relu" where two differ."""
        shown = []
        for name, defaults in self.networks.items():
            values = " / ".join(map(_shown, defaults))
            shown.append(f"{name.rstrip(':')} {values}".strip())
        return ", ".join(shown)

    def defaults_of(self, network: str) -> list[Any]:
        """The defaults in a network by its given name (timm:resnet18); empty if it has no such knob."""
        prefix, colon, _ = network.partition(":")
        return self.networks.get(network) or self.networks.get(f"{prefix}:NAME" if colon else "") or []


@cache
def signature_knobs(network: Callable) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a network's constructor, or of a term's function."""
    parameters = inspect.signature(network).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def knobs(prefix: str) -> Iterator[Knob]:
    """The knobs of all registered discriminators (prefix "disc_"), or of all encoders and decoders ("").

    Raises: UserError for one without a type or a default, which no flag can be made from.
    """
    found: dict[str, Knob] = {}
    for registry in [DISCRIMINATORS] if prefix else [ENCODERS, DECODERS]:
        for network_name, network in registry.entries():
            for name, annotation, default in _declared(network, f"{registry.kind} {network_name}"):
                knob = found.setdefault(name, Knob(name, prefix + name, annotation))
                defaults = knob.networks.setdefault(network_name, [])
                if default not in defaults:
                    defaults.append(default)
    yield from found.values()


def term_knobs(term: Term) -> Iterator[Knob]:
    """The knobs of a loss term, which are options under their own names. Raises: as `knobs`."""
    for name, annotation, default in _declared(term.compute, f"loss term {term.key}"):
        yield Knob(name, name, annotation, {"": [default]})


def _declared(part: Callable, called: str) -> Iterator[tuple[str, Any, Any]]:
    """Name, type and default of each knob. Raises: UserError for one without a type or a default."""
    hints = get_type_hints(part.__init__ if isinstance(part, type) else part, include_extras=True)
    for name, parameter in signature_knobs(part).items():
        missing = "type" if name not in hints else "default"
        if name not in hints or parameter.default is parameter.empty:
            problem = f"its knob `{name}` has no {missing}; write it as `{name}: int = 64`"
            raise UserError(f"{called}: {problem}")
        yield name, _without_none(hints[name]), parameter.default


def _shown(default: Any) -> str:
    """A default as it would be typed."""
    if isinstance(default, tuple | list):
        return ",".join(map(str, default))
    return "auto" if default is None else str(default)


def _without_none(annotation: Any) -> Any:
    """`X | None` -> `X`: every knob may be omitted."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    return arguments[0] if type(None) in get_args(annotation) else annotation
