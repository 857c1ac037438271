"""Train a VAE, a VAE with a learned loss, or a GAN."""

import contextlib
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from vaegan import datasets
from vaegan.cli import again
from vaegan.cli import console as terminal
from vaegan.cli.ended_early import say_how_to_go_on
from vaegan.cli.flags import Given, parse
from vaegan.cli.parser import print_any_text
from vaegan.cli.plan import network_names, say_where_it_goes_on
from vaegan.cli.plugin_flags import import_plugins
from vaegan.cli.skipped import list_problems
from vaegan.commands.inputs.train_parts import Parts, make_parts
from vaegan.commands.inputs.train_plan import Plan, make_plan, show
from vaegan.config.build import build_adversarial
from vaegan.config.schema import Config
from vaegan.errors import OptionError, TrainingError, UserError
from vaegan.failures import in_a_line
from vaegan.parallel import Ranks, has_launcher, join, launched_ranks, leave_group
from vaegan.run.folder import Run, check_place, new_run
from vaegan.run.trained import open_run
from vaegan.trackers import TRACKERS
from vaegan.trackers.open import Trackers, open_trackers
from vaegan.training.background import Background, BackgroundWatcher, background_for
from vaegan.training.checkpoint import Checkpoints, last_checkpoint
from vaegan.training.loop import Watcher, train
from vaegan.training.signals import Stopped, StopSignals, heed_ctrl_c


def main(argv: list[str] | None = None, prog: str = "train_vaegan.py") -> int:
    """Run the command line; returns the exit status. prog: the program's name, as it was started.

    0; 1 for a run that failed; 2 for a user's mistake; 128 plus the signal's number for a run stopped by one.
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
    except OSError as error:  # this may happen in a single process
        where = f"{error.filename}: " if error.filename else ""
        said, status, reports = f"stopped: {where}{error.strerror or error}", 1, True
    except Stopped as stop:
        said, status = "stopped as asked, and saved", 128 + (stop.number or signal.SIGTERM)
        reports = ranks.first
    except KeyboardInterrupt:
        said, status = "interrupted", 128 + signal.SIGINT
    if reports:
        with contextlib.suppress(OSError):  # the output may be closed
            print(said, file=sys.stderr, flush=True)
    return status


def run(given: Given, command: list[str], ranks: Ranks) -> Path:
    """Show, make or resume the run, in one of its processes; returns its folder.

    Raises: UserError before anything is written; from training TrainingError, Stopped and OSError.
    """
    console = terminal.make_console(quiet=not ranks.first)
    plan = make_plan(given, ranks, console)
    if given.dry_run:
        show(plan, console)
        return plan.folder
    if ranks.first:
        check_place(plan.folder, resumed=plan.resumed)
    join(ranks, plan.device)
    parts = make_parts(plan, ranks, console)
    if not ranks.first:
        train_as_other_rank(plan, parts, ranks)
        return plan.folder
    return train_and_write(plan, parts, command, ranks, console)


def train_as_other_rank(plan: Plan, parts: Parts, ranks: Ranks) -> None:
    """Train in one of the processes that write nothing."""
    with StopSignals(alone=False) as signals:
        try:
            train_parts(plan, parts, ranks, signals, ranks.from_first(None))
        except Stopped:
            ranks.any()  # until the first has written: torchrun ends all when one has ended
            raise


def train_and_write(plan: Plan, parts: Parts, command: list[str], ranks: Ranks, console: Console) -> Path:
    """Train in the process that writes the run's folder, and evaluate; returns the folder."""
    config = parts.config
    if plan.resumed:
        saved = Run(plan.folder, config, resume=True)
    else:
        saved = new_run(config, datasets.title(config.dataset))
    try:
        with StopSignals(alone=not has_launcher()) as signals:
            records = begin(saved, plan, parts, command, ranks, console)
            with track(saved, plan.epochs_done, console) as trackers:
                started = time.perf_counter()
                train_watched(saved, plan, parts, ranks, signals, records, trackers, console)
                weights = saved.finish(parts.players)
                seconds = time.perf_counter() - started
                signals.end()
                leave_group()
                evaluated = evaluation_lines(saved.folder, config, parts.splits, trackers, console)
        adversarial = build_adversarial(config)
        draws = adversarial.draws() if adversarial else {}
        last = saved.records()[-1]
        for line in terminal.summary_lines(last, draws, seconds, saved.folder, weights, evaluated):
            console.print(line)
        return saved.folder
    except (KeyboardInterrupt, Stopped, TrainingError, torch.OutOfMemoryError, OSError) as error:
        say_how_to_go_on(saved, error, ranks, console)
        raise
    finally:
        saved.close()


def begin(
    saved: Run, plan: Plan, parts: Parts, command: list[str], ranks: Ranks, console: Console
) -> list[dict[str, Any]]:
    """Write all facts known before the first step, and print what is trained; returns the records so far.

    Raises: OptionError if another process has continued the run since it was read.
    """
    if plan.resumed and last_checkpoint(saved.paths.checkpoints) != plan.last_seen:
        raise OptionError("resume", "another process has continued the run meanwhile; try again")
    records = saved.keep_records(plan.epochs_done)
    start = plan.start and plan.start.note()
    saved.note_start(parts.players, plan.device, command, ranks.size, start, plan.preset.note())
    if list_problems(saved.paths.skipped, parts.splits.skipped):
        console.print(f"all skipped files are named in {saved.paths.skipped}")
    for line in terminal.network_lines(parts.players, network_names(parts.config)):
        console.print(line)
    console.print(
        f"{parts.train_set.n_images:,} training and {parts.test_set.n_images:,} held-out images, "
        f"{f'{ranks.size} processes on ' if ranks.size > 1 else ''}{plan.device}; into {saved.folder}"
    )
    if plan.start is not None:
        console.print(plan.start.line(parts.config.pixel_range))
    say_where_it_goes_on(plan.found, console)
    return records


def track(saved: Run, epochs_done: int, console: Console) -> Trackers:
    """Open the run's trackers."""
    return open_trackers(
        saved.config.tracker,
        saved.folder,
        saved.config.to_dict(),
        console.print,
        kept=saved.tracker_notes(),
        keep=saved.note_tracker,
        epochs=epochs_done,
    )


def train_watched(
    saved: Run,
    plan: Plan,
    parts: Parts,
    ranks: Ranks,
    signals: StopSignals,
    records: list[dict[str, Any]],
    trackers: Trackers,
    console: Console,
) -> None:
    """Train with a progress bar; the run is written and tracked."""
    done = plan.found.step if plan.found else 0
    bar = terminal.ProgressBar(console, parts.config.epochs, len(parts.train_set), done)
    with bar, background_for(plan.device) as background:
        writers = [BackgroundWatcher(each, background) if background else each for each in (saved, trackers)]
        records = ranks.from_first(records)
        folder = saved.paths.checkpoints
        train_parts(plan, parts, ranks, signals, records, [bar, *writers], folder, background)


def train_parts(
    plan: Plan,
    parts: Parts,
    ranks: Ranks,
    signals: StopSignals,
    records: list[dict[str, Any]],
    watchers: Sequence[Watcher] = (),
    folder: Path = Path(),
    background: Background | None = None,
) -> None:
    """Train from the run's present position. records: of the finished epochs. folder: of checkpoints."""
    train(
        parts.config,
        parts.players,
        parts.schedule,
        parts.train_set,
        parts.test_set,
        watchers,
        ranks=ranks,
        checkpoints=Checkpoints(folder, parts.config, parts.data, plan.found, ranks, background),
        records=records,
        signals=signals,
    )


def evaluation_lines(
    folder: Path, config: Config, splits: datasets.Splits, trackers: Trackers, console: Console
) -> list[str]:
    """Evaluate the run from its folder, unless --evaluate is false; the main figures for the terminal.

    The run is complete by then, so an error in its evaluation only prints a line.
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
        evaluation, page = evaluate_run(
            trained,
            splits.train,
            splits.test,
            cache_dir,
            console.print,
            features=config.features,
            sections=config.sections,
        )
        trackers.on_evaluation(trained.epochs - 1, flat_values(evaluation), page)
        return headline_lines(evaluation)
    except (Exception, KeyboardInterrupt) as error:
        why = error if isinstance(error, UserError) else in_a_line(error)
        if isinstance(error, KeyboardInterrupt):
            why = "interrupted"
        console.print(f"not evaluated: {why}; {again.command('evaluate', folder)} does it")
        return []
