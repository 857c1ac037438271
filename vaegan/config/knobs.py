"""The networks' knobs, read from their constructors' signatures."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, get_args, get_type_hints

from pydantic.fields import FieldInfo

from vaegan.errors import UserError
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS

DISC_PREFIX = "disc_"


@dataclass
class Knob:
    """A keyword argument of some networks. name: the argument's; option: the config field's.

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
            values = " / ".join("auto" if default is None else str(default) for default in defaults)
            shown.append(f"{name.rstrip(':')} {values}")
        return ", ".join(shown)

    def defaults_of(self, network: str) -> list[Any]:
        """The defaults in a network by its given name (timm:resnet18); empty if it has no such knob."""
        prefix, colon, _ = network.partition(":")
        return self.networks.get(network) or self.networks.get(f"{prefix}:NAME" if colon else "") or []


@cache
def signature_knobs(network: type) -> dict[str, inspect.Parameter]:
    """The keyword-only arguments of a network's constructor."""
    parameters = inspect.signature(network).parameters
    return {name: p for name, p in parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def knobs(prefix: str) -> Iterator[Knob]:
    """The knobs of all registered discriminators (prefix "disc_"), or of all encoders and decoders ("").

    Raises: UserError for one without a type or a default, which no flag can be made from.
    """
    found: dict[str, Knob] = {}
    for registry in [DISCRIMINATORS] if prefix else [ENCODERS, DECODERS]:
        for network_name, network in registry.entries():
            called = network.__init__ if isinstance(network, type) else network
            hints = get_type_hints(called, include_extras=True)
            for name, parameter in signature_knobs(network).items():
                missing = "type" if name not in hints else "default"
                if name not in hints or parameter.default is parameter.empty:
                    raise UserError(
                        f"{registry.kind} {network_name}: its knob `{name}` has no {missing}; "
                        f"write it as `{name}: int = 64`"
                    )
                knob = found.setdefault(name, Knob(name, prefix + name, _without_none(hints[name])))
                defaults = knob.networks.setdefault(network_name, [])
                if parameter.default not in defaults:
                    defaults.append(parameter.default)
    yield from found.values()


def _without_none(annotation: Any) -> Any:
    """`X | None` -> `X`: every knob may be omitted."""
    arguments = [argument for argument in get_args(annotation) if argument is not type(None)]
    return arguments[0] if type(None) in get_args(annotation) else annotation
