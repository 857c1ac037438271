"""Control arms: the baseline without its learned loss, to show what this loss is worth."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaegan.config.schema import needing
from vaegan.objective.terms import registered_terms

EQUAL_TIME = "equal_time"


@dataclass(frozen=True)
class Control:
    """A control arm. options: a function from the baseline's options to the control's."""

    label: str
    options: Callable[[Mapping[str, Any]], dict[str, Any]]


def without_disc(baseline: Mapping[str, Any]) -> dict[str, Any]:
    """The VAE alone. Raises: ValueError for a baseline that is not a VAE with a discriminator."""
    _check(baseline)
    dropped = {"disc", *needing("disc")}
    return {name: value for name, value in baseline.items() if name not in dropped}


def with_weight_0(baseline: Mapping[str, Any]) -> dict[str, Any]:
    """D is trained, but all its terms in the VAE's loss have weight 0. Raises: as `without_disc`."""
    _check(baseline)
    learned = [term.weight for term in registered_terms() if term.player == "gen" and "disc" in term.needs]
    given = [weight.name for weight in learned if weight.default is not None or weight.name in baseline]
    return {**baseline, **dict.fromkeys(given, 0)}


def _check(baseline: Mapping[str, Any]) -> None:
    if baseline.get("disc") is None or baseline.get("gan") is not None:
        raise ValueError("the baseline is not a VAE with a discriminator")


CONTROLS = {
    "no_disc": Control("no discriminator", without_disc),
    "zero_weight": Control("D trained, weight 0", with_weight_0),
    # its number of epochs is set from timed steps
    EQUAL_TIME: Control("no discriminator, equal time", without_disc),
}
