"""Networks that served in a run's loss, which do not judge that run."""

from collections.abc import Callable, Mapping
from typing import Any

from vaegan.config.knobs import signature_knobs
from vaegan.evals.section import Section
from vaegan.losses.feature_matching import perceptual
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.pretrained import EFFICIENTNET


def networks_in_loss(options: Mapping[str, Any]) -> set[str]:
    """The pretrained networks that a run of these options was trained with, as `known_as` names them."""
    found = []
    if options.get("perceptual_weight") not in (None, 0):
        found.append(options.get("perceptual_network") or _default(perceptual, "perceptual_network"))
    disc = options.get("disc") or ""
    if disc == "projected":
        found.append(options.get("disc_network") or _default(DISCRIMINATORS.find(disc)[0], "network"))
    if disc.startswith("timm:") and options.get("disc_pretrained"):
        found.append(disc)
    return set(map(known_as, found))


def _default(part: Callable, knob: str) -> str:
    return signature_knobs(part)[knob].default


def known_as(network: str) -> str:
    """One name for each architecture, whatever its weights: "timm:vgg16" also for timm:vgg16.tv_in1k."""
    name = network.partition(".")[0]
    return "efficientnet" if name == f"timm:{EFFICIENTNET}" else name


def mark_own_judge(section: Section, network: str, short: str, options: Mapping[str, Any]) -> Section:
    """The section, marked if the network of its figures also served in the run's loss.

    network: its name in `vaegan.nets.pretrained`; "" if no loss can use it. short: for the warning.
    """
    if network and known_as(network) in networks_in_loss(options):
        section.own_judge = True
        section.warnings.insert(
            0,
            f"{short} also served in this run's loss: the run was trained towards these figures, which "
            "therefore do not rank it among others",
        )
    return section
