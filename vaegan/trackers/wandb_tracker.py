"""Weights & Biases: a run's records and pictures, online or into files that are sent later.

Any failure there costs the run one line of warning and at most some seconds.
"""

import contextlib
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from vaegan.cli import again
from vaegan.quantities import find
from vaegan.run.layout import RunPaths
from vaegan.trackers import register_tracker
from vaegan.trackers.tracker import Tracked, Tracker

PROJECT = "vaegan"
INIT_S = 8.0  # the longest wait for the server at the start, seconds
STEPS = 3  # lines of W&B's history an epoch: its record, pictures drawn after it, its evaluation
FINISH_S = 10.0  # the longest wait for what is still to be sent at the end, seconds

# Values of W&B's own variable, old names included; `shared` is a run that several machines write.
MODES = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
    "shared": "shared",
}


def wandb_mode(asked: str) -> str:
    """auto, online, offline, shared or disabled: --wandb, unless $WANDB_MODE has another value.

    Raises: ValueError for a WANDB_MODE that W&B would refuse.
    """
    given = os.environ.get("WANDB_MODE")
    if not given:
        return asked
    if given not in MODES:
        raise ValueError(f"WANDB_MODE={given} is none of {', '.join(MODES)}")
    return MODES[given]


@register_tracker("wandb")
class WandbTracker(Tracker):
    """Passes each epoch's record and the pictures drawn in it to W&B. Nothing here raises.

    kept: W&B's identifier of the run, under which a resumed run continues.
    """

    def __init__(self, tracked: Tracked):
        """Start a run named like the folder, by its --wandb options; W&B's files go to `folder/wandb`."""
        self.folder = tracked.folder
        self._warn = tracked.say
        self._warned = False
        self._run: Any = None
        self._chatter = _Chatter()
        self._defined: set[str] = set()
        self._epoch: int | None = None
        self._pictures: dict[str, Path] = {}  # pictures for the next line
        try:
            mode = wandb_mode(tracked.options.get("wandb", "auto"))
        except ValueError as error:
            self._warn(f"W&B: {error}; nothing is tracked there")
            return
        if mode == "disabled":
            return
        try:
            self._start(mode, _options(tracked))
        except Exception as error:
            self._warn(f"W&B: nothing is tracked there ({_reason(error)})")
            let_go()

    def on_pictures(self, epoch: int, pictures: Mapping[str, Path]) -> None:
        """Keep the pictures for the line that they belong to."""
        self._epoch = epoch
        self._pictures |= pictures

    def on_epoch(self, record: Mapping[str, Any]) -> None:
        """Log the record under its own keys, and the pictures that were drawn since the last time."""
        self._epoch = record["epoch"]
        self._log(STEPS * self._epoch, {key: value for key, value in record.items() if value is not None})

    def on_evaluation(self, epoch: int, values: Mapping[str, float], page: Path) -> None:
        """Log an evaluation after this epoch (from 0): figures, pictures drawn for it, its page."""
        if self._run is None:
            return
        self._epoch = epoch
        try:
            import wandb

            report = {"report": wandb.Html(page.read_text(encoding="utf-8"), inject=False)}
            # the line of an earlier evaluation cannot change: new figures replace those in the table of runs
            self._run.summary.update(dict(values))
        except Exception as error:
            self._lost(error)
            return
        self._log(STEPS * epoch + 2, {"epoch": epoch, **values, **report})

    def on_table(self, columns: list[str], rows: list[list[Any]], page: Path) -> None:
        """Log an ablation's table, its pictures and its page, after earlier versions."""
        if self._run is None:
            return
        try:
            import wandb

            values = {
                "table": wandb.Table(columns=columns, data=rows),
                "report": wandb.Html(page.read_text(encoding="utf-8"), inject=False),
            }
            step = self._run.starting_step
        except Exception as error:
            self._lost(error)
            return
        self._log(step, values)

    def finish(self, failed: bool) -> None:
        """Log the pictures drawn last (the curves), send the rest, end the run."""
        if self._pictures and self._epoch is not None:
            self._log(STEPS * self._epoch + 1, {"epoch": self._epoch})
        if self._run is None:
            return
        run, self._run = self._run, None
        try:
            run.finish(exit_code=int(failed))
        except TimeoutError:
            self._warn_once(f"W&B: the server did not take everything within {FINISH_S:.0f} s")
        except Exception as error:
            self._lost(error)
        let_go()
        self._pass_on()

    def _start(self, mode: str, options: dict[str, Any]) -> None:
        """Start a run in this mode, or offline without a key or a server. Raises: W&B's own errors."""
        wandb = _load(self._chatter)
        why = None
        if mode != "offline":
            try:
                if not wandb.login(prompt=False, verify=False):
                    why = "" if mode == "auto" else "there is no key; `wandb login` stores one"
            except Exception as error:  # such as a malformed key
                why = _reason(error)
        if mode != "offline" and why is None:
            before = self._attempts()
            try:
                self._run = self._init(wandb, "online" if mode == "auto" else mode, options)
            except Exception as error:
                why = _reason(error)
                for attempt in self._attempts() - before:  # empty, and `wandb sync` would try to send it
                    shutil.rmtree(attempt, ignore_errors=True)
        if self._run is None:
            self._run = self._init(wandb, "offline", options)
        self.kept = self._run.id
        offline = mode == "offline" or why is not None
        command = f"{again.wandb()} sync" + ("" if offline else " --include-online")  # else it skips them
        what = shlex.quote(str(Path(self._run.dir).parent))
        if options["id"]:  # the parts of one run, in the order in which they were made
            what = f"--id {self.kept} {shlex.quote(str(RunPaths(self.folder).wandb))}/*run-*"
        self._sync = f"`{command} {what}`"
        self.line = f"W&B: offline; {self._sync} sends it" if offline else f"W&B: {self._run.url}"
        self._chatter.complaints.clear()
        if why:
            self._warn_once(f"W&B: the run is tracked offline ({why})")

    def _init(self, wandb: ModuleType, mode: str, options: dict[str, Any]) -> Any:
        """W&B's run. Raises: W&B's own errors, at the latest when its server has not answered in time."""
        settings = wandb.Settings(
            init_timeout=INIT_S,
            finish_timeout=FINISH_S,
            finish_timeout_raises=True,  # else a timeout is silent
            console="off",  # else every redraw of the progress bar is a line that is kept and sent
            save_code=False,  # code stays on the machine, and so do facts in environment.json: command line,
            x_disable_machine_info=True,  # paths, host, and the state of git, for which git would be run
            host="",
            program=Path(sys.argv[0]).name,
            x_save_requirements=False,  # every package installed; those that matter: environment.json
            x_disable_stats=True,  # no sampling of hardware use; rate and memory are among our keys
            use_dot_wandb=False,  # always folder/wandb
            reinit="create_new",  # never another run of this process
        )
        resume = "allow" if options["id"] and mode != "offline" else None
        return wandb.init(dir=str(self.folder), mode=mode, resume=resume, settings=settings, **options)

    def _log(self, step: int, values: dict[str, Any]) -> None:
        """Write one line of the run's history: the values, and the new pictures.

        step: the line's number. A line that W&B has is not sent again, as when a resumed run repeats an
        epoch.
        """
        if self._run is None:
            return
        try:
            import wandb

            new, self._pictures = self._pictures, {}
            if step < self._run.starting_step:
                return
            for key in [*values, *new]:
                if key not in self._defined:
                    self._define(key)
            pictures = {key: wandb.Image(str(path)) for key, path in new.items()}
            self._run.log(values | pictures, step=step, commit=True)
        except Exception as error:
            self._lost(error)
        self._pass_on()

    def _define(self, key: str) -> None:
        """Draw the key against the epoch, and set its summary in the table of runs."""
        self._defined.add(key)
        if key == "epoch":
            self._run.define_metric(key, hidden=True)  # an axis, no curve
        else:
            self._run.define_metric(key, step_metric="epoch", summary=find(key).summary)

    def _attempts(self) -> set[Path]:
        return set(RunPaths(self.folder).wandb.glob("run-*"))

    def _lost(self, error: BaseException) -> None:
        """Stop using W&B after an error: warn, and close it, or its exit hook prints a traceback."""
        self._run = None
        self._chatter.complaints.clear()
        self._warn(f"W&B: tracking has ended ({_reason(error)}); {self._sync} sends what there is")
        let_go()

    def _pass_on(self) -> None:
        """Print W&B's own warnings, such as that the server refuses the run's data."""
        for complaint in self._chatter.complaints:
            self._warn_once(f"W&B: {complaint}")
        self._chatter.complaints.clear()

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"{text}; {self._sync} sends it later")


def let_go() -> None:
    """End W&B's own process, which W&B would do at exit, with no limit on the wait.

    It was seen to wait for minutes for a server that was down. A process that does not end is
    left alone: it ends when it finds ours gone.
    """

    def teardown() -> None:
        with contextlib.suppress(Exception, SystemExit):  # expected, when its process has died
            import wandb

            wandb.teardown()

    thread = threading.Thread(target=teardown, daemon=True)
    thread.start()
    thread.join(FINISH_S)


class _Chatter:
    """Captures W&B's output, and keeps its warnings and errors, each in one line."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    def info(self, text: str) -> None:
        pass

    def warning(self, text: str) -> None:
        cleared = " ".join(text.replace("wandb:", "").replace("WARNING", "").replace("ERROR", "").split())
        self.complaints.append(cleared.rstrip("."))

    error = warning


def _load(chatter: _Chatter) -> ModuleType:
    """W&B, silenced. Imported here, since that takes half a second. Raises: W&B's own errors."""
    # its error reports to its makers delayed a process behind a silent firewall by 22 s
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    if os.environ.get("WANDB_MODE") == "":
        del os.environ["WANDB_MODE"]  # W&B refuses an empty value
    import wandb

    # silent: else it writes into the progress bar, and asks the server for the key's owner to print it
    wandb.setup(wandb.Settings(silent=True, x_service_wait=INIT_S))
    wandb.termsetup(wandb.Settings(silent=True), chatter)
    return wandb


def _options(tracked: Tracked) -> dict[str, Any]:
    """The options of W&B's run. An ablation's table is in the group of the ablation's runs."""
    given = tracked.options
    options = {
        "project": given.get("wandb_project") or os.environ.get("WANDB_PROJECT") or PROJECT,
        "name": tracked.folder.name,
        "id": tracked.kept,
    }
    if tracked.ablation:
        return options | {"config": {"ablation": tracked.ablation}, "group": tracked.ablation}
    return options | {
        "config": dict(given),
        "group": given.get("wandb_group") or None,
        "tags": list(given.get("wandb_tags") or ()) or None,
        "notes": given.get("wandb_notes") or None,
    }


def _reason(error: BaseException) -> str:
    """The first line of an error's text."""
    said = str(error).strip().removeprefix("<no message>").splitlines()  # a server that gives no reason
    return said[0] if said else type(error).__name__
