"""Make all runs of an ablation and their table, from a YAML file, or a table of existing runs.

The runs are written to `arms` below the folder of runs, so that several tables can share them. If it was
stopped, repeat the same command to continue.
"""

import argparse
import shlex
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import yaml

from vaegan import datasets
from vaegan.ablation.board import Board
from vaegan.ablation.controls import EQUAL_TIME
from vaegan.ablation.cost import Timed, epoch_seconds, equal_time_epochs, run_seconds
from vaegan.ablation.folder import Folder
from vaegan.ablation.formats import for_terminal
from vaegan.ablation.from_runs import arms_of
from vaegan.ablation.fronts import Fronts, make_fronts
from vaegan.ablation.metrics import DEFAULT_METRICS
from vaegan.ablation.outputs import write_table
from vaegan.ablation.plan import Plan, digest, make_plan, resolve
from vaegan.ablation.pools import SLURM, LocalPool, Pool, RayPool, SlurmPool
from vaegan.ablation.run_process import is_done, log_of
from vaegan.ablation.runner import Runner, forget_failures
from vaegan.ablation.spec import Spec, read_spec
from vaegan.ablation.sweep import write_sweep
from vaegan.ablation.table import Table, as_rows, make_table
from vaegan.cli import again
from vaegan.cli.console import make_console
from vaegan.cli.parser import whole_number
from vaegan.config.build import try_parts
from vaegan.config.make import fitting_batch_size, resolved
from vaegan.config.published import find_config
from vaegan.config.schema import Config
from vaegan.devices import cores, pick_device
from vaegan.errors import UserError, flag
from vaegan.evals.features import check_features
from vaegan.evals.sections import check_sections
from vaegan.files import free_name, new_folder
from vaegan.report.rendering import duration
from vaegan.run.warm_start import find_start
from vaegan.seeds import LARGEST_SEED
from vaegan.trackers.open import check_trackers, open_trackers
from vaegan.trackers.wandb_tracker import PROJECT
from vaegan.training.signals import StopSignals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "spec",
        metavar="SPEC",
        nargs="?",
        help="YAML file of the ablation, or the name of a published one (disc_weight)",
    )
    parser.add_argument(
        "--workers",
        type=whole_number("workers", 1, 1024),
        default=1,
        metavar="INT",
        help="runs at a time, on this machine or on each machine of a cluster; they share its cores and "
        "its GPU (default: %(default)s)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help='a Ray cluster ("auto", "HOST:6379", "ray://HOST:10001"), or slurm with '
        "submitit's parameters (slurm:partition=gpu,time=240); all machines must share --runs-dir",
    )
    parser.add_argument("--dry-run", action="store_true", help="show arms and costs; write nothing")
    parser.add_argument("--retry", action="store_true", help="try failed runs again")
    parser.add_argument(
        "--set",
        nargs="+",
        action="extend",
        default=[],
        metavar="OPTION=VALUE",
        help="options that override the file's in every arm: --set dataset=cartoon epochs=4; needs --out",
    )
    parser.add_argument(
        "--seeds",
        nargs="+",
        action="extend",
        type=whole_number("seeds", 0, LARGEST_SEED),
        default=[],
        metavar="INT",
        help="seeds to use instead of the file's",
    )
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="folder of runs (default: runs)")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder for the table (default: named after SPEC, in --runs-dir)",
    )
    parser.add_argument(
        "--table",
        nargs="+",
        action="extend",
        type=Path,
        metavar="RUN",
        help="folders of existing runs to make a table of",
    )


def run(arguments: argparse.Namespace) -> int:
    """Exit status 0; 1 if runs failed; 128 plus the signal's number if stopped by a signal.

    Raises: UserError for an invalid spec, option or folder.
    """
    if arguments.table:
        if arguments.spec is not None:
            raise UserError(f"{arguments.spec}: --table takes no spec; leave out one of them")
        of_runs = {"workers": 1, "cluster": None, "dry_run": False, "retry": False, "set": [], "seeds": []}
        for name, default in of_runs.items():
            if getattr(arguments, name) != default:
                raise UserError(f"{flag(name)}: --table makes no runs; leave out one of them")
        return tabulate(arguments)
    if arguments.spec is None:
        raise UserError("SPEC: is missing; name a YAML file, or a published ablation such as disc_weight")
    if arguments.set and arguments.out is None:
        given = " ".join(arguments.set)
        raise UserError(
            f"--set {given}: differs from the file's ablation; name a folder for its table with --out"
        )
    if twice := [seed for seed in arguments.seeds if arguments.seeds.count(seed) > 1]:
        raise UserError(f"--seeds {twice[0]}: named twice; name each seed once")
    options = settings(arguments.set)
    file = find_config(arguments.spec, origin=arguments.spec, group="ablations")
    spec = read_spec(file, options, arguments.seeds)
    folder = Folder(arguments.out or arguments.runs_dir / spec.name)
    folder.check(made_from(file, options))
    if not arguments.dry_run:
        folder.check_room(arguments.runs_dir)
    torch.set_num_threads(max(1, cores() // arguments.workers))
    configs = resolved_arms(spec, folder.notes)
    plan = make_plan(spec, configs, arguments.runs_dir.resolve(), datasets.title)
    if arguments.dry_run:
        show_plan(spec, plan, arguments.workers)
        return 0
    baseline = configs[spec.baseline]
    pool = make_pool(arguments, folder.path, baseline)
    folder.note(made_from=made_from(file, options))
    files = folder.write_arms(configs)
    write_sweep(folder.path / "sweep.yaml", spec, files, baseline.wandb_project or PROJECT)
    if arguments.retry:
        forget_failures(plan)
    with StopSignals() as signals:
        runner = Runner(plan, pool, spec.name)
        with Board(make_console(), plan, arguments.workers) as board:
            finished = runner.run(lambda: board.show(runner.states), lambda: signals.number > 0)
    typed = words_of(arguments)
    if not finished:
        print(f"stopped; to continue: {again.command(*typed)}")
        return 128 + signals.number
    table = make_table(spec.name, runner.arms(), spec.metrics, spec.baseline, spec.given)
    command = shlex.join(["python", "-m", "vaegan", *typed])
    fronts = make_fronts(runner.arms(), table.columns, spec.fronts) if spec.fronts else None
    write_and_track(folder, table, command, baseline, fronts)
    for name, reason in runner.reasons.items():
        print(f"failed: {name}: {reason} (see {log_of(plan.jobs[name].folder)})")
    if runner.reasons:
        print(f"to try them again: {again.command(*typed, '--retry')}")
    return 1 if runner.reasons else 0


def tabulate(arguments: argparse.Namespace) -> int:
    """Writes the table of existing runs into a new folder."""
    folder = arguments.out or Path(free_name(str(arguments.runs_dir / "table"), ""))
    arms = arms_of(arguments.table)
    table = make_table(folder.name, arms, DEFAULT_METRICS, arms[0].label, given=False)
    command = shlex.join(["python", "-m", "vaegan", "ablate", "--table", *map(str, arguments.table)])
    with new_folder(folder) as unfinished:
        page = write_table(unfinished, table, command, folder)
    print(f"table: {folder / page.name}")
    return 0


def words_of(arguments: argparse.Namespace) -> list[str]:
    """The arguments after `python -m vaegan` that continue this ablation."""
    typed = ["ablate", str(arguments.spec)]
    for name, default in (("workers", 1), ("cluster", None), ("runs_dir", Path("runs")), ("out", None)):
        if getattr(arguments, name) != default:
            typed += [flag(name), str(getattr(arguments, name))]
    for name in ("set", "seeds"):
        if getattr(arguments, name):
            typed += [flag(name), *map(str, getattr(arguments, name))]
    return typed


def made_from(spec: Path, options: Mapping[str, Any]) -> str:
    """Identity of an ablation, independent of the project's location: spec name and --set options."""
    name = "/".join(spec.resolve().parts[-2:])
    return " ".join([name, *(f"{option}={value}" for option, value in sorted(options.items()))])


def settings(given: list[str]) -> dict[str, Any]:
    """The options of --set. Raises: UserError for anything but `option=value`."""
    options = {}
    for part in given:
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise UserError(f"--set {part}: expected OPTION=VALUE")
        try:
            options[name.replace("-", "_")] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError):  # ValueError: a text that only looks like a date
            raise UserError(f"--set {part}: the value cannot be read as YAML; put it in quotes") from None
    return options


def resolved_arms(spec: Spec, notes: dict[str, Any]) -> dict[str, Config]:
    """Every arm's config by its label. Measured times are added to the notes."""
    configs = {arm.label: resolve(spec, arm, complete) for arm in spec.arms}
    for name in dict.fromkeys(config.dataset for config in configs.values()):
        if note := datasets.namesake(name):
            print(note)
    for arm in spec.arms:
        if arm.control == EQUAL_TIME:
            baseline, alone = configs[spec.baseline], configs[arm.label]
            of = f"{digest(baseline)} {digest(alone)}"
            if notes.get("equal_time", {}).get("of") != of:
                print("timing a step of the baseline and of the VAE alone, for equal time")
                of_baseline, of_alone = timed([baseline, alone])
                epochs = equal_time_epochs(baseline, of_baseline, of_alone["solo"])
                notes["equal_time"] = {"epochs": epochs, "of": of}
            configs[arm.label] = alone.model_copy(update={"epochs": notes["equal_time"]["epochs"]})
    return configs


def complete(config: Config) -> Config:
    """The config with everything that depends on its images.

    Raises: OptionError for networks that cannot be built or used, for weights that do not fit them, and for
    networks and sections of the evaluation that do not exist.
    """
    check_features(config.features)
    check_sections(config.sections)
    description = describe(config)
    shape, n_train = description.shape, description.n_train
    if config.batch_size is None and fitting_batch_size(n_train) < fitting_batch_size(None):
        n_train = count_training_images(config)  # the files are few, so unreadable ones matter
    config = resolved(config, shape[1], n_train, description.value_range)
    try_parts(config, shape)
    check_trackers(config.tracker)
    start = find_start(config, shape)
    return config if start is None else config.model_copy(update={"init_from": start.name})


def describe(config: Config) -> datasets.Description:
    """The description of a run's images, without loading them."""
    return _described(datasets.Request.of(config.to_dict()))


def count_training_images(config: Config) -> int:
    """Number of training images; the set is loaded to count them."""
    return _counted(datasets.Request.of(config.to_dict()))


@cache
def _counted(request: datasets.Request) -> int:
    return len(datasets.open_source(request).load().train)


@cache
def _described(request: datasets.Request) -> datasets.Description:
    return datasets.open_source(request).describe()


def timed(configs: Sequence[Config]) -> list[dict[str, float]]:
    """The seconds of each config's epochs by phase.

    Raises: UserError if the number of images is unknown.
    """
    runs = []
    for config in configs:
        description = describe(config)
        if description.n_train is None:
            raise UserError(f"{config.dataset}: the time of an epoch is unknown ({description.note})")
        runs.append(Timed(config, description.shape, description.n_train, pick_device(config.device)))
    return epoch_seconds(runs)


def show_plan(spec: Spec, plan: Plan, workers: int) -> None:
    """Prints the arms and their costs, estimated from timed steps."""
    seeds = f"{len(spec.seeds)} seed{'s' if len(spec.seeds) > 1 else ''}"
    print(f"{spec.name}: {len(plan.arms)} arms, {seeds}, {len(plan.jobs)} runs\n")
    width = max(len(arm.label) for arm in plan.arms)
    print(f"{'arm':{width}}  epochs  solo epoch  combo epoch  a run")
    total = 0.0
    for arm, epoch_s in zip(plan.arms, timed([arm.config for arm in plan.arms]), strict=True):
        jobs = [plan.jobs[name] for name in arm.jobs]
        own = [run_seconds(job, epoch_s) for job in jobs if not is_done(job.folder, job.config.epochs)]
        total += sum(own)
        each = [f"{epoch_s[phase]:.1f} s" if epoch_s[phase] else "" for phase in ("solo", "combo")]
        fork = jobs[0].fork
        notes = [
            "baseline" if arm.label == spec.baseline else "",
            f"its first {fork.epochs} epochs from another run" if fork else "",
            f"{len(jobs) - len(own)} of {len(jobs)} done" if len(own) < len(jobs) else "",
        ]
        whole = duration(run_seconds(jobs[0], epoch_s))
        print(
            f"{arm.label:{width}}  {arm.config.epochs:6}  {each[0]:>10}  {each[1]:>11}  {whole}  "
            f"{', '.join(filter(None, notes))}".rstrip()
        )
    print(f"\nabout {duration(total)} of training, one run after the other; estimated from a few steps")
    if workers > 1:
        print(
            f"timed with the number of threads that each of {workers} workers gets: {torch.get_num_threads()}"
        )
    print("evaluations, pictures and checkpoints come on top")


def make_pool(arguments: argparse.Namespace, folder: Path, config: Config) -> Pool:
    """The pool that executes the runs. Raises: OptionError if the cluster cannot be reached."""
    if arguments.cluster is None:
        return LocalPool(arguments.workers)
    if arguments.cluster.partition(":")[0] == SLURM:
        return SlurmPool(arguments.cluster, folder / "slurm")
    return RayPool(arguments.cluster, arguments.workers, config.device != "cpu")


def write_and_track(
    folder: Folder, table: Table, command: str, config: Config, fronts: Fronts | None = None
) -> None:
    """Writes the table and its page, and logs them to Weights & Biases, in the group of the runs."""
    trackers = open_trackers(
        config.tracker,
        folder.path,
        config.to_dict(),
        print,
        kept=folder.tracker_notes(),
        keep=folder.note_tracker,
        ablation=table.name,
    )
    with trackers:
        page = write_table(folder.path, table, command, folder.path, fronts)
        trackers.on_table(*as_rows(table), page)
    for line in for_terminal(table, shutil.get_terminal_size((100, 24)).columns):
        print(line)
    for name in ("table.md", "table.tex", "table.csv"):
        print(f"table: {folder.path / name}")
    print(f"pictures: {folder.path / 'figures'}")
    print(f"report: {page}")
