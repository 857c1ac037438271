"""Makes or resumes one run of an ablation, in a training process of its own."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vaegan.cli.again import IN_A_CHECKOUT, PACKAGE
from vaegan.evals.sections import lacking
from vaegan.files import write_whole
from vaegan.run.folder import is_locked
from vaegan.run.layout import RunPaths
from vaegan.run.reading import read_evaluation
from vaegan.training.signals import SIGNALS

# -P: not another package of that name, below the directory that the process starts in
PROGRAM = (sys.executable, "-P", "-m", "vaegan", "train")
# environment variables that a run on another machine also needs; some are API keys
PASSED_ON = ("VAEGAN_", "WANDB_", "HF_", "HUGGING_FACE_", "HUGGINGFACE_")
LOOK_S = 0.2  # seconds between two checks of a process
STOPPED = "stopped"
NOT_EVALUATED = "not evaluated: "  # a fully trained run prints this before the reason
SIGNALLED = {status for number in SIGNALS for status in (-number, 128 + number)}


@dataclass(frozen=True)
class Work:
    """Makes one run when called, on whichever machine; its folder is all that is shared.

    folder: of the run. flags: of a run that begins; one that has begun goes on with `changed` alone.
    epochs: in all. threads: for it to compute with. gpu: the one that it is to see, of those that we see.
    directory: that its paths begin in. environment: variables that it needs and that the machine may lack; as
    there are keys among them, work that goes into a file has none. features, sections: the feature networks
    and the sections of its evaluation; a trained run that was evaluated in others, or without one of the
    sections, is evaluated again.
    """

    folder: Path
    flags: tuple[str, ...]
    changed: tuple[str, ...]
    epochs: int
    threads: int
    gpu: int | None = None
    directory: Path = field(default_factory=Path.cwd)
    environment: dict[str, str] = field(default_factory=dict, repr=False)
    features: str = "auto"
    sections: tuple[str, ...] = ()

    def __call__(self, stop: threading.Event | None = None) -> str | None:
        """None when the run is done, `STOPPED`, or why it failed.

        A run that another process is at is waited for. stop: when set, the run is asked to save and to stop.
        """
        while True:
            while is_locked(self.folder):
                if stop is not None and stop.wait(LOOK_S):
                    return STOPPED
                time.sleep(LOOK_S)
            if self._done:
                return None
            status = self._train(stop)
            if status in SIGNALLED or (stop is not None and stop.is_set()):
                return STOPPED
            if self._done:
                return None
            reason = f"killed by signal {-status}"
            if status >= 0:
                reason = last_line(log_of(self.folder), NOT_EVALUATED if status == 0 else "")
                reason = reason or f"ended with status {status}"
            # another process may have been the first to begin it
            if not is_locked(self.folder) and "another process" not in reason:
                return reason

    @property
    def _done(self) -> bool:
        return is_done(self.folder, self.epochs, self.features, self.sections)

    def checkpoint(self, *_: Any) -> Any:
        """The job that submitit queues again if the machine takes the job away before its end."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)

    def _train(self, stop: threading.Event | None) -> int:
        """Trains in one process; returns its exit status."""
        if RunPaths(self.folder).config.exists():
            flags = ["--resume", str(self.folder), *self.changed]
        else:  # nothing to resume
            shutil.rmtree(self.folder, ignore_errors=True)
            flags = [*self.flags, *self.changed]
        seen = {} if self.gpu is None else {"CUDA_VISIBLE_DEVICES": visible_gpu(self.gpu)}
        share = {"OMP_NUM_THREADS": str(self.threads), "MKL_NUM_THREADS": str(self.threads)}
        log = log_of(self.folder)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*PROGRAM, *flags],
                stdout=output,
                stderr=output,
                env=with_this_package(os.environ | self.environment | share | seen),
                cwd=self.directory,
            )
            try:
                while process.poll() is None:
                    if stop is not None and stop.wait(LOOK_S):
                        process.send_signal(signal.SIGTERM)  # a second signal after a Ctrl-C has no effect
                        break
                    time.sleep(LOOK_S)
                return process.wait()
            except BaseException:  # for example, a cluster takes the job away
                process.terminate()
                process.wait()
                raise


def with_this_package(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with which Python finds this very package, also in a checkout that is not installed."""
    if not IN_A_CHECKOUT:
        return dict(environment)
    path = filter(None, [str(PACKAGE.parent), environment.get("PYTHONPATH")])
    return {**environment, "PYTHONPATH": os.pathsep.join(path)}


def visible_gpu(number: int) -> str:
    """The value of CUDA_VISIBLE_DEVICES that selects the GPU with this number in this process."""
    ours = os.environ.get("CUDA_VISIBLE_DEVICES")
    return ours.split(",")[number] if ours else str(number)


def passed_on() -> dict[str, str]:
    """The environment variables that a run needs on any machine."""
    return {name: value for name, value in os.environ.items() if name.startswith(PASSED_ON)}


def is_done(folder: Path, epochs: int, features: str = "auto", sections: Sequence[str] = ()) -> bool:
    """True if the run has been trained for `epochs` epochs and evaluated after the last.

    features: the feature networks of that evaluation; any if "auto", so that those of another table stay.
    sections: those that it must have; any if empty.
    """
    try:
        evaluation = read_evaluation(folder)
    except (OSError, ValueError):
        return False
    if evaluation is None or evaluation["epochs"] < epochs:
        return False
    if lacking(evaluation, sections):
        return False
    return features == "auto" or evaluation.get("features") == features


def log_of(folder: Path) -> Path:
    """The file with the output of the run's processes."""
    return folder.with_name(f"{folder.name}.log")


def failure_of(folder: Path) -> Path:
    """The file with the reason why the run failed."""
    return folder.with_name(f"{folder.name}.failed")


def note_failure(folder: Path, reason: str) -> None:
    """Saves the reason why the run failed, next to its folder."""
    write_whole(failure_of(folder), lambda path: path.write_text(f"{reason}\n", encoding="utf-8"))


def last_line(path: Path, beginning: str = "") -> str:
    """The last line of a log that says something, and that begins so; nothing where there is none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = (line.strip() for line in reversed(text.splitlines()))
    return next((line for line in lines if line and line.startswith(beginning)), "")
