"""Turns a spec into runs: each arm's config, arms that share a run, and runs that fork from others."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vaegan.ablation.controls import EQUAL_TIME
from vaegan.ablation.spec import Arm, Spec
from vaegan.config.presets import completed
from vaegan.config.schema import ALL, Config, disc_begins, in_percent, options
from vaegan.config.used_plugins import plugins_of
from vaegan.errors import OptionError, OptionErrors, UserError
from vaegan.evals.sections import section_behind
from vaegan.objective.schedule import WARMUP
from vaegan.objective.weights.constant import Constant
from vaegan.run.layout import RunPaths
from vaegan.run.names import describe
from vaegan.training.checkpoint import after_epoch

FOLDER = "arms"  # below the folder of runs: the runs of all ablations, which tables may share


@dataclass(frozen=True)
class Fork:
    """The source of a run's solo epochs. checkpoint: of the run called `leader`, after `epochs` epochs."""

    leader: str
    checkpoint: Path
    epochs: int


@dataclass(frozen=True)
class Job:
    """One run. folder: its own, named after its options. keep_epochs: checkpoints kept for forks."""

    name: str
    folder: Path
    config: Config
    fork: Fork | None = None
    keep_epochs: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlannedArm:
    """A row of the future table. jobs: the names of its runs, in the order of the seeds."""

    label: str
    config: Config
    jobs: list[str]


@dataclass(frozen=True)
class Plan:
    """All arms, and the runs that they need, each once; runs from which others fork come first."""

    arms: list[PlannedArm]
    jobs: dict[str, Job]


def resolve(
    spec: Spec, arm: Arm, size_of: Callable[[Config], Config], say: Callable[[str], None] = print
) -> Config:
    """An arm's complete config. size_of: `resolved` for the images that the config requests.

    say: prints what the arm has of its preset, if it names one.

    Raises: UserError that names the file and the arm, for options that do not go together, and for a listed
    metric whose section the arm's evaluation leaves out.
    """
    try:
        config, preset = completed(arm.own, arm.preset, size_of)
    except (OptionError, OptionErrors) as error:
        errors = error.errors if isinstance(error, OptionErrors) else [error]
        lines = []
        for each in errors:
            value = "none" if arm.options.get(each.option) is None else arm.options[each.option]
            given = f"{each.option} {value}" if each.option in arm.options else each.option
            lines.append(f"{spec.path}: {arm.label}: {given}: {each.problem}")
        raise UserError("\n".join(lines)) from None
    if spec.given and config.sections != [ALL]:
        for metric in spec.metrics:
            section = section_behind(metric)
            if section is not None and section not in config.sections:
                problem = f"the section {section} is not among the `sections` of the arm {arm.label}"
                raise UserError(f"{spec.path}: metrics: {metric}: {problem}")
    for line in preset.lines() if arm.control is None else []:
        say(f"{arm.label}: {line}")
    return config


def make_plan(
    spec: Spec, configs: Mapping[str, Config], runs_dir: Path, title_of: Callable[[str], str]
) -> Plan:
    """The runs of the arms.

    configs: of each arm by its label. title_of: gives the short name of a config's data set.
    Raises: UserError for arms that do not differ.
    """
    seen: dict[str, str] = {}
    for arm in spec.arms:
        if arm.control == EQUAL_TIME:  # its number of epochs, found by timing, may equal another arm's
            continue
        key = digest(configs[arm.label])
        if key in seen:
            raise UserError(f"{spec.path}: the arms {seen[key]!r} and {arm.label!r} do not differ")
        seen[key] = arm.label
    arms, jobs = [], {}
    for label, config in configs.items():
        named = [_job(config, seed, runs_dir, title_of(config.dataset)) for seed in spec.seeds]
        arms.append(PlannedArm(label, config, [job.name for job in named]))
        jobs |= {job.name: job for job in named}
    in_order = [job for seed in spec.seeds for job in jobs.values() if job.config.seed == seed]
    return Plan(arms, {job.name: job for job in _forked(in_order)})


def _job(config: Config, seed: int, runs_dir: Path, data: str) -> Job:
    """The run of an arm with this seed. Equal runs of different tables have the same name."""
    name = f"{describe(config, data)[:60]}-s{seed}-{digest(config)}"
    return Job(name, runs_dir / FOLDER / name, config.model_copy(update={"seed": seed}))


def digest(config: Config) -> str:
    """Hash, eight letters long, of a run's resolved options except its seed."""
    return _hashed(config, [])


def _hashed(config: Config, without: Iterable[str]) -> str:
    """The digest of the options that decide a run's results. without: more options to leave out."""
    dropped = {"seed", *options(lambda nature: nature.housekeeping), *without}
    of_run = {name: value for name, value in config.to_dict().items() if name not in dropped}
    if used := plugins_of(config):
        of_run["plugins"] = sorted(each.digest for each in used)
    return hashlib.sha256(json.dumps(of_run, sort_keys=True).encode()).hexdigest()[:8]


def solo_epochs(config: Config) -> int:
    """Number of epochs at the start that equal those of any VAE with the same networks and data."""
    if config.gan:
        return 0
    if config.disc:
        return disc_begins(config)
    plain = config.pbp_weight == Constant(1.0) and config.pbp_decay == 1.0
    return config.epochs if plain else 0


def solo_digest(config: Config) -> str:
    """Hash shared by runs with identical solo epochs."""
    from_combo = set(options(lambda nature: nature.from_combo or "disc" in nature.needs))
    if config.lr_schedule != "constant" or config.warmup_epochs or config.init == "dcgan":
        # learning rates depend on the epochs, D's too; DCGAN's initialiser draws after D has been built
        weights = set(options(lambda nature: nature.weight_for == "gen"))
        return _hashed(config, {"solo_epochs", "disc_warmup_epochs", *weights.intersection(from_combo)})
    if not from_combo.issuperset(in_percent(config)):
        from_combo.discard("epochs")
    return _hashed(config, from_combo)


def _forked(jobs: Sequence[Job]) -> list[Job]:
    """The jobs, those with the longest solo phase first; others with the same solo epochs fork from them."""
    groups: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        groups.setdefault((solo_digest(job.config), job.config.seed), []).append(job)
    forks: dict[str, Fork] = {}
    kept: dict[str, set[int]] = {}
    for group in groups.values():
        leader = max(group, key=lambda job: solo_epochs(job.config))
        for job in group:
            # each run trains its last epoch itself: pictures are drawn after it
            epochs = min(solo_epochs(job.config), job.config.epochs - 1)
            if job is not leader and epochs:
                checkpoint = after_epoch(RunPaths(leader.folder).checkpoints, epochs)
                forks[job.name] = Fork(leader.name, checkpoint, epochs)
                kept.setdefault(leader.name, set()).add(epochs)
    made = [
        replace(job, fork=forks.get(job.name), keep_epochs=tuple(sorted(kept.get(job.name, ()))))
        for job in jobs
    ]
    return sorted(made, key=lambda job: job.fork is not None)  # stable: otherwise in the order of the seeds


def epochs_of(config: Config) -> dict[str, int]:
    """Number of solo and combo epochs (or a GAN's epochs) of a run, and of D's warm-up epochs, if any.

    Solo epochs are here those without D.
    """
    solo = disc_begins(config) if config.disc else config.epochs
    warmup = config.disc_warmup_epochs or 0
    return {"solo": solo, **({WARMUP: warmup} if warmup else {}), "combo": config.epochs - solo - warmup}


def options_of(config: Config) -> dict[str, Any]:
    """A config as a dict of options for any seed, without the location of a run."""
    dropped = options(lambda nature: nature.one_run)
    return {name: value for name, value in config.to_dict().items() if name not in dropped}
