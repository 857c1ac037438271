"""Reads the spec of an ablation: a YAML file of a base, axes, arms, seeds, metrics, a baseline and labels."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaegan import plugins
from vaegan.ablation.controls import CONTROLS
from vaegan.ablation.fronts import DISTORTIONS, makes_a_plane
from vaegan.ablation.metrics import DEFAULT_METRICS, check_metric
from vaegan.config.make import unsets
from vaegan.config.paths import located, named_file
from vaegan.config.presets import KEY, Preset, fitting
from vaegan.config.schema import natures
from vaegan.config.yaml_files import load_yaml, plugins_in, plugins_named, read_config
from vaegan.errors import OptionError, UserError, did_you_mean
from vaegan.seeds import LARGEST_SEED

KEYS = (
    *("extends", "base", "options", "grid", "arms", "controls", "seeds", "metrics", "baseline", "labels"),
    *("fronts", "plugins"),
)
NONE = "none"  # as the value of a key, it removes the value set by another file; an arm may have this name


@dataclass(frozen=True)
class Arm:
    """One row of the table.

    options: of a run, without its seed; with those of a preset. control: its key in `CONTROLS`, or None.
    preset: the one that some of its options are from.
    """

    label: str
    options: dict[str, Any]
    control: str | None = None
    preset: Preset = Preset()  # noqa: RUF009  frozen

    @property
    def own(self) -> dict[str, Any]:
        """The options that are not from the preset."""
        taken = self.preset.taken
        return {name: value for name, value in self.options.items() if (name, value) not in taken.items()}


@dataclass(frozen=True)
class Spec:
    """An ablation. arms: of the grid, then the named ones, then the controls. baseline: an arm's label.

    given: True if the file lists the metrics; otherwise they are the usual ones. fronts: groups of arms whose
    fronts are compared, by their labels; the first group is what the others are compared with.
    """

    name: str
    path: Path
    arms: list[Arm]
    seeds: list[int]
    metrics: list[str]
    given: bool
    baseline: str
    fronts: dict[str, list[str]] = field(default_factory=dict)


def read_spec(path: Path, options: Mapping[str, Any], seeds: Sequence[int] = ()) -> Spec:
    """The ablation in that file. options: override all others, in every arm. seeds: replace the file's.

    Raises: UserError for a file that cannot be read, for unknown keys and options, and for values of a wrong
    form.
    """
    content = _extended(path, str(path), ())
    plugins.load([*_plugins_below(path, content), *content["plugins"]])
    common = _base(path, content) | _mapping(path, "options", content)
    labels = _labels(path, content)
    named = [*_grid(path, content, labels), *_named_arms(path, content)]
    arms = [_arm(path, label, _without_none(located(common | own, path) | options)) for label, own in named]
    controls = _controls(path, content)
    for arm in arms:
        _check_options(path, arm.label, arm.options)
    if len(arms) + len(controls) < 2:
        raise UserError(f"{path}: fewer than two arms; add a grid, arms or controls")
    if not arms:
        raise UserError(f"{path}: controls need another arm; add a grid or arms")
    names = [arm.label for arm in arms]
    baseline = str(names[0] if content.get("baseline") is None else content["baseline"])
    if baseline not in names:
        hint = did_you_mean(baseline, names)
        raise UserError(f"{path}: baseline: {baseline}: no such arm; {hint}Known: {'; '.join(names)}.")
    against = next(arm for arm in arms if arm.label == baseline)
    for name in controls:
        try:
            controlled = CONTROLS[name].options(against.options)
            preset = against.preset if controlled.get("disc") else Preset()  # which would bring one back
            arms.append(Arm(CONTROLS[name].label, controlled, name, preset))
        except ValueError as error:
            raise UserError(f"{path}: controls: {name}: {error}") from None
    labelled = [arm.label for arm in arms]
    if twice := next((label for label in labelled if labelled.count(label) > 1), None):
        raise UserError(f"{path}: two arms are called {twice!r}; give one of them another name")
    metrics = _metrics(path, content) or list(DEFAULT_METRICS)
    return Spec(
        path.stem,
        path,
        arms,
        list(seeds) or _seeds(path, content),
        metrics,
        bool(content.get("metrics")),
        baseline,
        _fronts(path, content, labelled, metrics),
    )


def _extended(path: Path, origin: str, above: tuple[Path, ...]) -> dict[str, Any]:
    """The file's keys over those of the file that it extends; `options` and `labels` are merged by key.

    A path in a file is relative to that file; the merged result holds absolute paths.
    """
    if path.resolve() in above:
        raise UserError(f"{origin}: the file extends itself")
    content = load_yaml(path, origin)
    content = {key: None if value == NONE and key != "baseline" else value for key, value in content.items()}
    for key in content:
        if key not in KEYS:
            hint = did_you_mean(key, KEYS)
            raise UserError(f"{path}: {key}: unknown key; {hint}Known: {', '.join(KEYS)}.")
    if content.get("base") is not None:
        content["base"] = named_file(path, content["base"])
    if isinstance(content.get("arms"), dict):
        content["arms"] = {
            label: own | {"base": named_file(path, own["base"])}
            if isinstance(own, dict) and own.get("base") not in (None, NONE)
            else own
            for label, own in content["arms"].items()
        }
    together = ("options", "labels")
    content |= {key: _mapping(path, key, content) for key in together if key in content}
    content["plugins"] = plugins_named(content, path)
    extended = content.pop("extends", None)
    if extended is None:
        return content
    below = _extended(named_file(path, extended), f"{path}: extends: {extended}", (*above, path.resolve()))
    content["plugins"] = [*below["plugins"], *content["plugins"]]
    return below | content | {key: below.get(key, {}) | content.get(key, {}) for key in together}


def _plugins_below(path: Path, content: Mapping[str, Any]) -> list[str]:
    """The plug-ins of the configs that are the base of all arms, or of single ones."""
    arms = content.get("arms")
    own = (
        [each.get("base") for each in arms.values() if isinstance(each, dict)]
        if isinstance(arms, dict)
        else []
    )
    bases = [base for base in (content.get("base"), *own) if base not in (None, NONE)]
    return [each for base in bases for each in plugins_in(base, origin=f"{path}: base: {base}")]


def _base(path: Path, content: Mapping[str, Any]) -> dict[str, Any]:
    if content.get("base") is None:
        return {}
    return _config(path, content["base"])


def _config(path: Path, base: Path) -> dict[str, Any]:
    """The options of a config file merged with those of its bases."""
    layers = read_config(base, origin=f"{path}: base: {base}")
    return {key: value for _, values in layers for key, value in values.items()}


def _grid(
    path: Path, content: Mapping[str, Any], labels: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """A label and its options for every combination of the axes' settings."""
    grid = _mapping(path, "grid", content)
    axes = []
    for axis, settings in grid.items():
        called = labels.get(axis, axis.replace("_", " "))
        if isinstance(settings, dict) and settings:  # named settings, each of several options
            own = {name: _options(f"{path}: grid: {axis}: {name}", each) for name, each in settings.items()}
            axes.append([(f"{called} {name}", each) for name, each in own.items()])
        elif isinstance(settings, list) and settings:
            axes.append([(f"{called} {_word(value)}", {axis: value}) for value in settings])
        else:
            raise UserError(f"{path}: grid: {axis}: expected a list of values, or named settings")
    for combination in itertools.product(*axes) if axes else ():
        options: dict[str, Any] = {}
        for _, own in combination:
            options |= own
        yield ", ".join(label for label, _ in combination), options


def _named_arms(path: Path, content: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The named arms. An arm's `base` is a config whose options override the common ones."""
    for label, own in _mapping(path, "arms", content).items():
        own = _options(f"{path}: arms: {label}", own)
        base = own.pop("base", None)
        yield label, (_config(path, base) if base not in (None, NONE) else {}) | own


def _controls(path: Path, content: Mapping[str, Any]) -> list[str]:
    given = content.get("controls") or []
    names = given if isinstance(given, list) else [given]
    names = [str(each) for each in names]
    for name in names:
        if name not in CONTROLS:
            hint = did_you_mean(name, CONTROLS)
            raise UserError(f"{path}: controls: {name}: unknown control; {hint}Known: {', '.join(CONTROLS)}.")
    return names


def _seeds(path: Path, content: Mapping[str, Any]) -> list[int]:
    seeds = content.get("seeds", [0])
    if isinstance(seeds, int) and 0 < seeds <= LARGEST_SEED and not isinstance(seeds, bool):
        several = ", ".join(map(str, range(seeds))) if seeds < 5 else f"0, 1, ..., {seeds - 1}"
        count = f"{seeds} seed{'s' if seeds > 1 else ''}"
        raise UserError(
            f"{path}: seeds: {seeds}: the seed {seeds}, or {count}? Write [{seeds}], or [{several}]"
        )
    seeds = seeds if isinstance(seeds, list) else [seeds]
    whole = all(isinstance(s, int) and not isinstance(s, bool) and 0 <= s <= LARGEST_SEED for s in seeds)
    if not seeds or not whole or len(set(seeds)) < len(seeds):
        raise UserError(f"{path}: seeds: {seeds}: expected different whole numbers of at least 0")
    return seeds


def _metrics(path: Path, content: Mapping[str, Any]) -> list[str]:
    given = content.get("metrics") or []
    names = [str(each) for each in (given if isinstance(given, list) else [given])]
    for name in names:
        if problem := check_metric(name):
            raise UserError(f"{path}: metrics: {name}: {problem}")
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UserError(f"{path}: metrics: {twice}: named twice")
    return names


def _fronts(
    path: Path, content: Mapping[str, Any], arms: Sequence[str], metrics: Sequence[str]
) -> dict[str, list[str]]:
    """The groups of arms. arms: the labels of all of them."""
    groups = _mapping(path, "fronts", content)
    if not groups:
        return {}
    if len(groups) < 2:
        raise UserError(f"{path}: fronts: fewer than two groups; add one to compare with")
    group_of: dict[str, str] = {}
    for group, labels in groups.items():
        if not isinstance(labels, list) or not labels:
            raise UserError(f"{path}: fronts: {group}: expected a list of arms")
        for label in map(str, labels):
            if label not in arms:
                hint = did_you_mean(label, arms)
                known = f"Known: {'; '.join(arms)}."
                raise UserError(f"{path}: fronts: {group}: {label}: no such arm; {hint}{known}")
            if label in group_of:
                where = "in this group twice" if group_of[label] == group else f"also in {group_of[label]}"
                raise UserError(f"{path}: fronts: {group}: {label}: {where}; name each arm once")
            group_of[label] = group
    if not makes_a_plane(metrics):
        wanted = f"one of {', '.join(DISTORTIONS)} and a distance such as distances/samples/frechet"
        raise UserError(f"{path}: fronts: the metrics make no plane; add {wanted}")
    return {group: [str(label) for label in labels] for group, labels in groups.items()}


def _labels(path: Path, content: Mapping[str, Any]) -> dict[str, str]:
    labels = _mapping(path, "labels", content)
    axes = _mapping(path, "grid", content)
    for axis in labels:
        if axis not in axes:
            hint = did_you_mean(axis, axes)
            known = f"Known: {', '.join(axes)}." if axes else "there is no grid"
            raise UserError(f"{path}: labels: {axis}: no axis of the grid; {hint}{known}")
    return {axis: str(label) for axis, label in labels.items() if label is not None}


def _without_none(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with None in place of `none`, as in a config and on a command line."""
    return {name: None if unsets(name, value) else value for name, value in options.items()}


def _arm(path: Path, label: str, options: dict[str, Any]) -> Arm:
    """The arm with the options of the preset that it names. Raises: UserError for an unknown preset."""
    named = options.pop(KEY, None)
    try:
        preset = fitting(named, options)
    except OptionError as error:
        raise UserError(f"{path}: {label}: {KEY} {named}: {error.problem}") from None
    return Arm(label, preset.below(options), preset=preset)


def _check_options(path: Path, label: str, options: Mapping[str, Any]) -> None:
    """Raises: UserError for unknown options and for those that the ablation sets itself."""
    known = natures()
    for option in options:
        if option in known and known[option].one_run:
            problem = "set by the ablation itself; leave it out" if option != "seed" else "use `seeds`"
        elif option not in known:
            problem = f"unknown option; {did_you_mean(option, known)}train_vaegan.py --help lists them all"
        else:
            continue
        raise UserError(f"{path}: {label}: {option}: {problem}")


def _mapping(path: Path, key: str, content: Mapping[str, Any]) -> dict[str, Any]:
    return _options(f"{path}: {key}", content.get(key), "name")


def _options(origin: str, value: Any, name: str = "option") -> dict[str, Any]:
    """A mapping of names to values; empty for null or `none`. Raises: UserError for anything else."""
    if value in (None, NONE):
        return {}
    if not isinstance(value, dict):
        raise UserError(f"{origin}: expected lines of the form `{name}: value`")
    return {str(key): each for key, each in value.items()}


def _word(value: Any) -> str:
    """A value as a part of a label."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(_word, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
