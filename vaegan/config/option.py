"""Declaration of an option: default, meaning and nature; every list of options is made from the natures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from vaegan.registry import Registry

Part = Literal["vae", "disc"]


@dataclass(frozen=True)
class Nature:
    """What kind of option it is.

    needs: the parts of a run without which it cannot be given.
    off: a value that says the same as leaving the option out; None for no such value.
    off_without: the same for runs that lack a part: {"disc": 0}.
    changeable: may be another when a run is resumed.
    housekeeping: changes nothing in a run's results: where things are, what is kept and shown.
    one_run: is set for each run by whoever makes several, as an ablation does.
    is_path: a relative path, which is found again from wherever a YAML file is read.
    images: decides which images there are, in all or among those to train on.
    of_disc: a part of the discriminator or of its training, on which a figure that D estimates depends.
    from_combo: matters from the first combo epoch on; what needs a discriminator does so without it.
    weighs: the player whose total it is a weight in.
    """

    needs: tuple[Part, ...] = ()
    off: Any = None
    off_without: Mapping[Part, Any] = field(default_factory=dict)
    changeable: bool = False
    housekeeping: bool = False
    one_run: bool = False
    is_path: bool = False
    images: Literal["all", "training"] | None = None
    of_disc: bool = False
    from_combo: bool = False
    weighs: Literal["gen", "disc"] | None = None


@dataclass(frozen=True)
class Declared:
    """What an option says of itself beside its type, default and limits.

    shown: the default in words, where it depends on other options. names: gives the names that it takes.
    registry: of these names, where they are those of one registry.
    """

    shown: str | None
    names: Callable[[], list[str]]
    registry: Registry | None
    nature: Nature


def option(
    default: Any,
    description: str,
    *,
    shown: str | None = None,
    names: Callable[[], list[str]] = list,
    registry: Registry | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    **nature: Any,
) -> Any:
    """A field of the config.

    description: meaning and unit. shown, names, registry: as in `Declared`. ge, gt, le, lt: limits of a
    number. nature: the fields of `Nature`.
    """
    names = registry.names if registry is not None else names
    extra = {"declared": Declared(shown, names, registry, Nature(**nature))}
    return Field(default, description=description, json_schema_extra=extra, ge=ge, gt=gt, le=le, lt=lt)


def declared(info: FieldInfo) -> Declared:
    """What an option of the config says of itself."""
    return info.json_schema_extra["declared"]
