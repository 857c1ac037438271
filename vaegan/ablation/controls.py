"""Arms that say what a learned loss is worth: what the baseline becomes without it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaegan.config.schema import needing

EQUAL_TIME = "equal_time"


@dataclass(frozen=True)
class Control:
    """A control arm. options: from the baseline's options to its own."""

    label: str
    options: Callable[[Mapping[str, Any]], dict[str, Any]]


def without_disc(baseline: Mapping[str, Any]) -> dict[str, Any]:
    """The VAE alone. Raises: ValueError for a baseline that is no VAE with a discriminator."""
    _check(baseline)
    dropped = {"disc", *needing("disc")}
    return {name: value for name, value in baseline.items() if name not in dropped}


def with_weight_0(baseline: Mapping[str, Any]) -> dict[str, Any]:
    """The discriminator trained beside the VAE, which does not hear of it. Raises: as `without_disc`."""
    _check(baseline)
    return {**baseline, "disc_weight": 0}


def _check(baseline: Mapping[str, Any]) -> None:
    if baseline.get("disc") is None or baseline.get("gan") is not None:
        raise ValueError("the baseline is no VAE with a discriminator")


CONTROLS = {
    "no_disc": Control("no discriminator", without_disc),
    "zero_weight": Control("D trained, weight 0", with_weight_0),
    # its epochs are set from a timed step
    EQUAL_TIME: Control("no discriminator, equal time", without_disc),
}
