"""Declaration of an option: default, meaning and nature. All lists of options follow from the natures."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field
from pydantic.fields import FieldInfo

from vaegan.registry import Registry

Part = Literal["vae", "disc"]


@dataclass(frozen=True)
class Nature:
    """Properties of an option.

    needs: the parts of a run without which it cannot be given.
    off: a value that means the same as omitting the option; None for no such value.
    off_without: the same for runs that lack a part: {"disc": 0}.
    changeable: may differ when a run is resumed.
    housekeeping: does not change a run's results: places, files that are kept, displays.
    one_run: is set for each run by a program that starts several, such as an ablation.
    is_path: a relative path, which is found again from any place where a YAML file is read.
    images: selects the images, all of them or those to train on.
    of_disc: a part of the discriminator or of its training, on which a figure that D estimates depends.
    from_combo: has no effect in solo epochs; not needed for options that need a discriminator.
    weight_for: the player whose total loss it is a weight in.
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
    weight_for: Literal["gen", "disc"] | None = None


@dataclass(frozen=True)
class Declared:
    """Declarations of an option in addition to its type, default and limits.

    shown: the default in words, if it depends on other options. names: returns the accepted names.
    registry: of these names, if they are those of one registry.
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
    """The declarations of an option of the config."""
    return info.json_schema_extra["declared"]
