"""Train a VAE, a VAE with a learned loss, or a GAN."""

import contextlib
import signal
import sys
import time
from functools import partial
from pathlib import Path

import torch
from rich.console import Console

from vaegan import datasets
from vaegan.cli import again
from vaegan.cli import console as terminal
from vaegan.cli.flags import Given, parse
from vaegan.cli.parser import print_any_text
from vaegan.cli.plan import network_names, say_fitted, say_where_it_goes_on, show_plan
from vaegan.cli.plugin_flags import import_plugins
from vaegan.cli.skipped import list_problems, problem_lines
from vaegan.config.build import (
    build_adversarial,
    build_players,
    build_schedule,
    try_parts,
)
from vaegan.config.make import fitting_batch_size, resolved
from vaegan.config.schema import Config
from vaegan.datasets.batches import Batches
from vaegan.devices import bf16_is_emulated, pick_device
from vaegan.errors import (
    NotFinite,
    OptionError,
    TrainingError,
    UserError,
)
from vaegan.failures import in_a_line
from vaegan.nets.blocks import is_batch_norm
from vaegan.nets.players import Players
from vaegan.parallel import LEAST_SHARE, Ranks, has_launcher, join, launched_ranks, leave_group
from vaegan.run.checks import check_keep_best, check_size, check_warmup
from vaegan.run.data_facts import check_data, data_facts
from vaegan.run.folder import Run, check_place, new_run
from vaegan.run.layout import RunPaths
from vaegan.run.names import plan_folder
from vaegan.run.resuming import find_checkpoint
from vaegan.run.trained import open_run
from vaegan.run.warm_start import find_start
from vaegan.trackers import TRACKERS
from vaegan.trackers.open import Trackers, check_trackers, open_trackers
from vaegan.training.background import Background, BackgroundWatcher
from vaegan.training.checkpoint import Checkpoints, checkpoint_names, last_checkpoint
from vaegan.training.loop import train
from vaegan.training.precision import faster_precision
from vaegan.training.signals import Stopped, StopSignals, heed_ctrl_c


def main(argv: list[str] | None = None, prog: str = "train_vaegan.py") -> int:
    """Run the command line; returns the exit status. prog: the program's name, as it was started.

    0; 1 for a run that failed; 2 for a user's mistake; 128 and the signal's number for a run stopped by one.
    """
    heed_ctrl_c()
    print_any_text()
    arguments = sys.argv[1:] if argv is None else argv
    given = Given()
    ranks = launched_ranks()
    reports = ranks.reports_errors
    try:
        import_plugins(arguments)
        given = parse(arguments, prog=prog, datasets=datasets.DATASETS.names(), trackers=TRACKERS.names())
        run(given, [*prog.split(), *arguments], ranks)
        return 0
    except UserError as error:
        said, status = given.explain(error), 2
    except TrainingError as error:
        said, status = f"stopped: {error}", 1
    except torch.OutOfMemoryError:
        said, status = "stopped: the GPU is full; a lower --batch-size or a higher --accumulate needs less", 1
    except OSError as error:  # which may happen to one process alone
        where = f"{error.filename}: " if error.filename else ""
        said, status, reports = f"stopped: {where}{error.strerror or error}", 1, True
    except Stopped as stop:
        said, status = "stopped as asked, and saved", 128 + (stop.number or signal.SIGTERM)
        reports = ranks.first
    except KeyboardInterrupt:
        said, status = "interrupted", 128 + signal.SIGINT
    if reports:
        with contextlib.suppress(OSError):  # nobody may be reading any more
            print(said, file=sys.stderr, flush=True)
    return status


def run(given: Given, command: list[str], ranks: Ranks) -> Path:
    """Show the run, make it, or go on with one, in one of its processes; returns its folder.

    Raises: UserError before anything is written; from training TrainingError, Stopped and OSError.
    """
    config = given.config()
    check_trackers(config.tracker)
    console = terminal.make_console(quiet=not ranks.first)
    for remark in given.remarks:
        console.print(remark)
    source = datasets.open_source(datasets.Request.of(config.to_dict()))
    if note := datasets.namesake(config.dataset):
        console.print(note)
    description = source.describe()
    for remark in description.remarks:
        console.print(remark)
    fits = config.batch_size is None  # to however many images there are
    config = resolved(config, description.shape[1], description.n_train, description.value_range)
    try_parts(config, description.shape)
    check_size(given.origins, config, description.shape, description.n_train, ranks)
    device = pick_device(config.device)
    title = datasets.title(config.dataset)
    folder = given.resume or (plan_folder(config, title) if ranks.first else Path())
    last_seen = found = None
    if given.resume and ranks.first:
        if config.run_name is not None:
            raise OptionError("run_name", "a run that goes on keeps its folder")
        last_seen = last_checkpoint(RunPaths(folder).checkpoints)
        found = find_checkpoint(given.typed(), config, folder)
    elif ranks.first:
        check_warmup(config)
    goes_on = given.resume and checkpoint_names(RunPaths(folder).checkpoints)
    start = None if goes_on else find_start(config, description.shape)
    if start is not None:
        config = config.model_copy(update={"init_from": start.name})
    if given.dry_run:
        if fits:
            say_fitted(config, description.n_train, console)
        show_plan(console, config, description, folder, found)
        if start is not None:
            console.print(start.line(config.pixel_range))
        return folder

    if ranks.first:
        check_place(folder, resumed=given.resume is not None)
    join(ranks, device)
    splits = load(source, ranks, console)
    n_train = len(splits.train)
    if fits:  # files that cannot be read are known by now
        config = config.model_copy(update={"batch_size": fitting_batch_size(n_train)})
        say_fitted(config, n_train, console)
    check_size(given.origins, config, description.shape, n_train, ranks)
    config = with_precision(config, description.shape, device, ranks, console)
    players = prepare_players(config, description.shape, device, ranks, console)
    if start is not None:
        start.load(players)
    train_set, test_set = (
        Batches(split.images, config.batch_size, seed, device, ranks)
        for split, seed in ((splits.train, config.seed), (splits.test, None))
    )
    schedule = build_schedule(config)
    few = Batches(test_set.first(LEAST_SHARE), LEAST_SHARE, device=device)
    check_keep_best(config, players, schedule, few)
    data = data_facts(splits.train.images, splits.test.images, len(train_set))
    if any(ranks.any(data != ranks.from_first(data))):
        raise UserError("--dataset: the processes of this run have read different images")
    if found is not None:
        check_data(data, found.facts["data"])
    training = partial(train, config, players, schedule, train_set, test_set, ranks=ranks)
    checkpoints = partial(Checkpoints, config=config, data=data, found=found, ranks=ranks)
    if not ranks.first:
        with StopSignals(alone=False) as signals:
            records = ranks.from_first(None)
            try:
                training((), checkpoints=checkpoints(Path()), records=records, signals=signals)
            except Stopped:
                ranks.any()  # until the first has written: torchrun ends all when one has ended
                raise
        return folder

    saved = Run(folder, config, resume=True) if given.resume else new_run(config, title)
    try:
        with StopSignals(alone=not has_launcher()) as signals:
            if given.resume and last_checkpoint(saved.paths.checkpoints) != last_seen:
                raise OptionError("resume", "another process has gone on with the run meanwhile; try again")
            records = saved.keep_records(found.epochs if found else 0)
            saved.note_start(players, device, command, ranks.size, start and start.note())
            if list_problems(saved.paths.skipped, splits.skipped):
                console.print(f"all skipped files are named in {saved.paths.skipped}")
            for line in terminal.network_lines(players, network_names(config)):
                console.print(line)
            console.print(
                f"{train_set.n_images:,} training and {test_set.n_images:,} held-out images, "
                f"{f'{ranks.size} processes on ' if ranks.size > 1 else ''}{device}; into {saved.folder}"
            )
            if start is not None:
                console.print(start.line(config.pixel_range))
            say_where_it_goes_on(found, console)
            bar = terminal.ProgressBar(console, config.epochs, len(train_set), found.step if found else 0)
            with open_trackers(
                config.tracker,
                saved.folder,
                config.to_dict(),
                console.print,
                kept=saved.tracker_notes(),
                keep=saved.note_tracker,
                epochs=found.epochs if found else 0,
            ) as trackers:
                started = time.perf_counter()
                with bar, writer(device) as background:
                    training(
                        [
                            bar,
                            *(
                                BackgroundWatcher(each, background) if background else each
                                for each in (saved, trackers)
                            ),
                        ],
                        checkpoints=checkpoints(saved.paths.checkpoints, background=background),
                        records=ranks.from_first(records),
                        signals=signals,
                    )
                weights = saved.finish(players)
                seconds = time.perf_counter() - started
                signals.end()
                leave_group()
                evaluated = evaluation_lines(saved.folder, config, splits, trackers, console)
        adversarial = build_adversarial(config)
        draws = adversarial.draws() if adversarial else {}
        for line in terminal.summary_lines(
            saved.records()[-1], draws, seconds, saved.folder, weights, evaluated
        ):
            console.print(line)
        return saved.folder
    except (KeyboardInterrupt, Stopped, TrainingError, torch.OutOfMemoryError, OSError) as error:
        say_how_to_go_on(saved, error, ranks, console)
        raise
    finally:
        saved.close()


def writer(device: torch.device) -> contextlib.AbstractContextManager[Background | None]:
    """What writes beside training; None on a CPU, where all is written at once.

    There a second thread that calls PyTorch has a team of OpenMP threads of its own, beside which the steps
    of a dense VAE took almost twice as long.
    """
    return contextlib.nullcontext() if device.type == "cpu" else Background()


def evaluation_lines(
    folder: Path, config: Config, splits: datasets.Splits, trackers: Trackers, console: Console
) -> list[str]:
    """Evaluate the run from its folder, unless --evaluate is false; the main figures for the terminal.

    The run is done by then: whatever stops its evaluation leaves a line.
    """
    if not config.evaluate:
        return []
    try:
        from vaegan.evals.evaluate import (  # half a second of imports
            evaluate_run,
            flat_values,
            headline_lines,
        )

        trained = open_run(folder, config.device)
        cache_dir = datasets.Request.of(config.to_dict()).cache_dir
        evaluation, page = evaluate_run(trained, splits.train, splits.test, cache_dir, console.print)
        trackers.on_evaluation(trained.epochs - 1, flat_values(evaluation), page)
        return headline_lines(evaluation)
    except (Exception, KeyboardInterrupt) as error:
        why = error if isinstance(error, UserError) else in_a_line(error)
        if isinstance(error, KeyboardInterrupt):
            why = "interrupted"
        console.print(f"not evaluated: {why}; {again.command('evaluate', folder)} does it")
        return []


def load(source: datasets.Source, ranks: Ranks, console: Console) -> datasets.Splits:
    """The images; says which files could not be read, the first ones by name."""
    with ranks.one_on_each_machine_first():
        splits = source.load()
    for line in problem_lines(splits.skipped, "skipped "):
        console.print(line)
    if splits.skipped:
        plural = "" if len(splits.skipped) == 1 else "s"
        console.print(f"skipped {len(splits.skipped):,} file{plural} in all")
    return splits


def with_precision(
    config: Config,
    image_shape: tuple[int, int, int],
    device: torch.device,
    ranks: Ranks,
    console: Console,
) -> Config:
    """The config with the arithmetic to use; what is asked of `auto` is measured once."""
    precision = config.precision or ("auto" if device.type == "cuda" else "fp32")
    if precision == "auto":
        n_images = len(ranks.share(config.batch_size))
        precision = ranks.from_first(faster_precision(config, image_shape, device, n_images))
        console.print(f"--precision auto: {precision} is the faster one here")
    elif precision == "bf16" and bf16_is_emulated(device):
        console.print("note: this CPU has no bf16 instructions; --precision fp32 is faster on it")
    return config.model_copy(update={"precision": precision})


def prepare_players(
    config: Config,
    image_shape: tuple[int, int, int],
    device: torch.device,
    ranks: Ranks,
    console: Console,
) -> Players:
    """The networks as they train: on the device, batch norm over all processes where that is possible."""
    players = build_players(config, image_shape)
    if ranks.size > 1 and any(map(is_batch_norm, players.modules())):
        if device.type == "cuda":
            from timm.layers import convert_sync_batchnorm

            players = convert_sync_batchnorm(players)
        else:
            console.print(
                "note: without GPUs batch norm sees each process's own images alone, so that results depend "
                "on the number of processes; --norm group and --disc-norm group do not"
            )
    # channels-last: a CPU's convolutions took 0.5 to 0.8 of the time
    return players.to(device, memory_format=torch.channels_last)


def say_how_to_go_on(saved: Run, error: BaseException, ranks: Ranks, console: Console) -> None:
    """After an end before the last epoch: what there is, and the command that goes on."""
    with contextlib.suppress(OSError):  # the disk may be what failed
        saved.draw_curves()
    last = last_checkpoint(saved.paths.checkpoints)
    if isinstance(error, Stopped):
        ranks.any()  # the others wait for what has now been written
    if isinstance(error, NotFinite):
        if last is not None:
            console.print(f"the last checkpoint, from before that, is {last}")
    else:
        processes = ranks.on_this_machine if ranks.size > 1 else None
        console.print(f"to go on: {again.training('--resume', saved.folder, processes=processes)}")
    console.print(f"Run folder: {saved.folder}")
