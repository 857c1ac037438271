"""Presets: options for a learned loss by name, which go below all that a user gives.

A preset is a YAML file in `configs/presets`. An option of it that does not go with the user's is left out,
and the reason kept, so that no error names an option that was not typed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vaegan.config.make import make_config
from vaegan.config.published import PRESETS
from vaegan.config.schema import Config
from vaegan.config.yaml_files import load_yaml
from vaegan.errors import OptionError, OptionErrors, did_you_mean, flag
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.objective.terms import registered_terms

KEY = "preset"  # in YAML files
NONE = "none"
DEFAULT = "steered"  # of a VAE with a discriminator that no file describes
WARMUP = "disc_warmup_epochs"
FOLLOWED = {"disc_lr": "lr", "disc_betas": "betas"}  # D's options that follow the user's for both players

T = TypeVar("T")


@dataclass(frozen=True)
class Preset:
    """A preset as far as it goes with the other options.

    name: None for none. taken: its options that are used. left_out: the reason for each that is not, by its
    text ("--r1 0.3"). by_default: True if nobody named it.
    """

    name: str | None = None
    taken: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    by_default: bool = False

    def below(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """The user's options over those of the preset."""
        return {**self.taken, **own}

    def lines(self) -> list[str]:
        """Everything that is to be said of it at the start of a run, in a line; none without a preset.

        The flag against it is for those who did not name it.
        """
        if self.name is None:
            return []
        said = f"preset {self.name}{' (by default)' if self.by_default else ''}: "
        said += " ".join(_typed(option, value) for option, value in self.taken.items()) or "sets nothing"
        reasons: dict[str, list[str]] = {}
        for option, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(option)
        for reason, options in reasons.items():
            said += f"; without {' '.join(options)} ({reason})"
        return [f"{said}; {flag(KEY)} {NONE} leaves it out" if self.by_default else said]

    def note(self) -> dict[str, Any] | None:
        """The facts that a run keeps of it; None without a preset."""
        return self.name and {"name": self.name, "set": self.taken, "left_out": self.left_out}


def names() -> list[str]:
    """The names of all presets."""
    return sorted(file.stem for file in PRESETS.glob("*.yaml"))


def read_preset(name: str) -> dict[str, Any]:
    """The options of a preset. Raises: OptionError for an unknown name."""
    if name not in names():
        known = [*names(), NONE]
        hint = did_you_mean(str(name), known)
        raise OptionError(KEY, f"unknown preset; {hint}Known: {', '.join(known)}.")
    file = PRESETS / f"{name}.yaml"
    return load_yaml(file, str(file))


def fitting(
    name: Any,
    own: Mapping[str, Any],
    complete: Callable[[Config], Any] | None = None,
    by_default: bool = False,
) -> Preset:
    """The preset with those of its options that go with the user's.

    complete: raises OptionError for a config whose parts do not work together; without it, only options
    are compared, and networks are not.
    Raises: OptionError for an unknown name, and for a GAN.
    """
    if name in (None, NONE):
        return Preset()
    options = read_preset(name)
    if own.get("gan") not in (None, NONE):
        raise OptionError(KEY, "is for a VAE with a learned loss; leave out this, or --gan")
    # what else is wrong is told of the options beside a D
    taken = {} if "disc" in own else {"disc": options["disc"]}
    left_out: dict[str, str] = {}
    wrong = _problems(own, taken, None, complete)
    for option, value in options.items():
        if option in own or option in taken:
            continue
        if (typed := FOLLOWED.get(option)) and own.get(typed) not in (None, NONE):
            left_out[_typed(option, value)] = f"D takes {flag(typed)}"
            continue
        for tried in (value, *_instead(option, value)):
            found = _problems(own, taken | {option: tried}, option, complete)
            # another fault of an option that is at fault anyway, such as the number of a layer, is the user's
            faulty = {name for name, _ in wrong}
            new = {each for each in found - wrong if each[0] not in faulty or flag(option) in each[1]}
            if new:
                left_out.setdefault(_typed(option, value), min(new)[1].partition(";")[0])
            else:
                taken[option], wrong = tried, found
                break
    return Preset(name, taken, left_out, by_default)


def completed(own: Mapping[str, Any], preset: Preset, complete: Callable[[Config], T]) -> tuple[T, Preset]:
    """`complete` of the config of these options, and the preset without what does not work there.

    Raises: OptionError and OptionErrors for the user's own mistakes.
    """
    try:
        return complete(make_config(preset.below(own))), preset
    except (OptionError, OptionErrors):
        if preset.name is None:
            raise
    preset = fitting(preset.name, own, complete, preset.by_default)
    return complete(make_config(preset.below(own))), preset


def _problems(
    own: Mapping[str, Any],
    of_preset: Mapping[str, Any],
    newest: str | None,
    complete: Callable[[Config], Any] | None,
) -> set[tuple[str, str]]:
    """All that is wrong with these options together: option and problem.

    newest: the one of the preset that is tried; it is wrong, too, where it changes nothing.
    """
    try:
        config = make_config({**of_preset, **own})
        if newest and getattr(config, newest) is None:
            raise OptionError(newest, "changes nothing here")
        _refuse_second_bound(config, of_preset)
        if complete is not None:
            complete(config)
    except OptionErrors as error:
        return {(each.option, each.problem) for each in error.errors}
    except OptionError as error:
        return {(error.option, error.problem)}
    return set()


def _refuse_second_bound(config: Config, of_preset: Mapping[str, Any]) -> None:
    """Raises: OptionError for a preset's penalty on D's slope where the user bounds that slope otherwise."""
    penalties = [term.weight.name for term in registered_terms() if term.slope_penalty]
    given = [name for name in ("gp", "weight_clip", "spectral_norm") if getattr(config, name)]
    bounds = [flag(name) for name in given if name not in of_preset]
    if config.adv and ADVERSARIAL.find(config.adv)[0].gp:
        bounds.append(f"--adv {config.adv}")
    for penalty in penalties:
        if penalty in of_preset and bounds:
            raise OptionError(penalty, f"{bounds[0]} bounds D's slope already")


def _instead(option: str, value: Any) -> range | tuple[()]:
    """Lower values of a preset's option, for runs that are too short for it."""
    return range(value - 1, 0, -1) if option == WARMUP else ()


def _typed(option: str, value: Any) -> str:
    """An option as it would be typed: --disc-betas 0,0.99."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"{flag(option)} '{text}'" if "(" in text else f"{flag(option)} {text}"
