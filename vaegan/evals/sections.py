"""The sections of an evaluation by their names, and what they share."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from vaegan.config.schema import ALL
from vaegan.errors import OptionError, did_you_mean
from vaegan.evals.classifier import find_classifier
from vaegan.evals.detectability import evaluate_detectability, fresh_discriminator
from vaegan.evals.distances import evaluate_distances
from vaegan.evals.features import find_features, takes_classifier
from vaegan.evals.gan_figures import evaluate_gan_figures
from vaegan.evals.gradients import evaluate_gradients
from vaegan.evals.health import evaluate_health
from vaegan.evals.latents import evaluate_latents
from vaegan.evals.likelihood import evaluate_likelihood
from vaegan.evals.lpips import evaluate_perceptual, find_lpips
from vaegan.evals.material import Material
from vaegan.evals.own_judge import mark_own_judge
from vaegan.evals.reconstruction import evaluate_reconstruction
from vaegan.evals.section import Section
from vaegan.report.verdict import HEALTH

DISTANCES = "distances"  # in all feature networks, each with a section of its own: "distances_random"
PICTURES = "pictures"  # the drawn ones; the only name here without figures


class Bench:
    """Everything that the sections of one evaluation share. `done`: those that are there already, by name.

    Networks that none of the sections needs are neither loaded nor trained: they are then missing.
    """

    def __init__(
        self,
        material: Material,
        names: Collection[str],
        features: str,
        lpips: str | None,
        cache_dir: Path,
        say: Callable[[str], None],
    ):
        self.material, self.say = material, say
        self.records, self.options = material.trained.records(), material.trained.config.to_dict()
        distances = DISTANCES in names
        by_class = "gan_figures" in names or (distances and takes_classifier(features))
        self.classifier = find_classifier(material, cache_dir, say) if by_class else None
        self.networks = find_features(features, material, self.classifier, say) if distances else {}
        self.lpips = find_lpips(lpips, say) if "perceptual" in names else None
        self.done: dict[str, Section] = {}

    @cached_property
    def fresh(self) -> nn.Module | None:
        """The fresh discriminator of detectability, which judges the run's own in other sections, too."""
        return fresh_discriminator(self.material)


def _distances(bench: Bench) -> Iterator[Section]:
    """One section for each feature network."""
    several = len(bench.networks) > 1
    for name, network in bench.networks.items():
        if name != DISTANCES:
            bench.say(f"evaluating: {name}")
        section = evaluate_distances(bench.material, network, name, several)
        yield mark_own_judge(section, network.pretrained, network.short, bench.options)


def _perceptual(bench: Bench) -> Section | None:
    return evaluate_perceptual(bench.material, bench.lpips, bench.options)


def _gan_figures(bench: Bench) -> Section | None:
    return evaluate_gan_figures(bench.material, bench.records, bench.classifier)


def _detectability(bench: Bench) -> Section:
    return evaluate_detectability(bench.material, lambda: bench.fresh)


def _gradients(bench: Bench) -> Section | None:
    return evaluate_gradients(bench.material, bench.records, lambda: bench.fresh)


def _health(bench: Bench) -> Section:
    values = {name: section.values for name, section in bench.done.items()}
    return evaluate_health(bench.material, values, bench.records)


def _of(evaluate: Callable[[Material], Section | None]) -> Callable[[Bench], Section | None]:
    """An evaluation of the material alone."""
    return lambda bench: evaluate(bench.material)


# Evaluated in this order; None for a section that does not apply to the run.
SECTIONS: Mapping[str, Callable[[Bench], Section | Iterable[Section] | None]] = {
    "reconstruction": _of(evaluate_reconstruction),
    "perceptual": _perceptual,
    "likelihood": _of(evaluate_likelihood),
    "latents": _of(evaluate_latents),
    DISTANCES: _distances,
    "gan_figures": _gan_figures,
    "detectability": _detectability,
    "gradients": _gradients,
    HEALTH: _health,  # a verdict on those before it
}
NAMES = (*SECTIONS, PICTURES)


def check_sections(asked: Sequence[str]) -> list[str]:
    """The names that are asked for, in the order of `NAMES`. asked: those, or "all".

    Raises: OptionError for a name that is none, and for "all" together with others.
    """
    if list(asked) == [ALL]:
        return list(NAMES)
    known = f"Known: {ALL}, {', '.join(NAMES)}."
    if not any(asked):
        raise OptionError("sections", f"names none; {known}")
    for name in asked:
        if name == ALL:
            raise OptionError("sections", f"{ALL} stands alone")
        if name not in NAMES:
            hint = did_you_mean(name, NAMES)
            which = f"{name}: " if len(asked) > 1 else ""
            raise OptionError("sections", f"{which}no such section of an evaluation; {hint}{known}")
    return [name for name in NAMES if name in asked]


def evaluated(bench: Bench, names: Collection[str]) -> list[Section]:
    """The sections of these names that apply to the run."""
    for name in names:
        if name == PICTURES:
            continue
        bench.say(f"evaluating: {name}")
        made = SECTIONS[name](bench)
        for section in [made] if isinstance(made, Section) else made or ():
            bench.done[section.name] = section
    return list(bench.done.values())


def section_behind(metric: str) -> str | None:
    """The name of the section that a figure of a table comes from; None for one that is not evaluated."""
    section = metric.partition("/")[0]
    if section.startswith(f"{DISTANCES}_"):
        return DISTANCES
    return section if section in SECTIONS else None


def lacking(evaluation: Mapping[str, Any], asked: Sequence[str]) -> list[str]:
    """The sections that are asked for and were left out of an evaluation. asked: as in `check_sections`.

    Sections that are newer than the evaluation count only where they are asked for by name.
    """
    if list(asked) == [ALL]:
        return list(evaluation.get("left_out", []))
    had = _asked_of(evaluation)
    return [name for name in asked if name not in had]


def with_those_in(evaluation: Mapping[str, Any] | None, asked: Sequence[str]) -> list[str]:
    """The sections that are asked for, and those that an evaluation had; None for no evaluation."""
    if evaluation is None or list(asked) == [ALL]:
        return list(asked)
    had = _asked_of(evaluation)
    return [name for name in NAMES if name in asked or name in had]


def _asked_of(evaluation: Mapping[str, Any]) -> list[str | None]:
    """The sections that an evaluation was asked for; an older one does not say, but it has them."""
    return evaluation.get("asked") or [*map(section_behind, evaluation.get("sections", {})), PICTURES]
