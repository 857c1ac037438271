"""Runs a plan: starts each run as soon as it can start, and keeps the state of every run."""

import time
from collections.abc import Callable
from typing import Any

from vaegan import plugins
from vaegan.ablation.folder import write_options
from vaegan.ablation.plan import Job, Plan
from vaegan.ablation.pools import Pool
from vaegan.ablation.run_process import (
    LOOK_S,
    STOPPED,
    Work,
    failure_of,
    is_done,
    note_failure,
)
from vaegan.ablation.table import ArmRuns
from vaegan.errors import UserError
from vaegan.evals.sections import with_those_in
from vaegan.run.fork import fork_run
from vaegan.run.layout import RunPaths
from vaegan.run.reading import read_evaluation, read_run
from vaegan.training.checkpoint import DamagedCheckpoint

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"


class Runner:
    """The runs of a plan and their `states`; `reasons` holds why runs failed."""

    def __init__(self, plan: Plan, pool: Pool, group: str):
        """group: name of the group in Weights & Biases."""
        self.plan = plan
        self.states: dict[str, str] = {}
        self.reasons: dict[str, str] = {}
        self._pool = pool
        self._group = group
        self._handles: dict[str, Any] = {}
        for name, job in plan.jobs.items():
            self.states[name] = WAITING
            if is_done(job.folder, job.config.epochs, job.config.features, job.config.sections):
                self.states[name] = DONE
            elif failure_of(job.folder).exists():
                self._fail(name, failure_of(job.folder).read_text(encoding="utf-8").strip())

    def run(self, show: Callable[[], None], stopped: Callable[[], bool]) -> bool:
        """Makes the runs that are not done yet; returns True if all have been tried.

        show: called after each check. stopped: returns True to stop; the runs then save, and continue at the
        next start.
        """
        try:
            while any(state in (WAITING, RUNNING) for state in self.states.values()):
                if stopped():
                    self._pool.stop()
                    return False
                self._collect()
                self._begin()
                show()
                time.sleep(LOOK_S)
        except BaseException:  # otherwise Python would wait for the threads' runs
            self._pool.stop()
            raise
        show()
        return True

    def arms(self) -> list[ArmRuns]:
        """The finished runs of each arm, and the reasons why the others did not finish."""
        jobs = self.plan.jobs
        return [
            ArmRuns(
                arm.label,
                {jobs[n].config.seed: read_run(jobs[n].folder) for n in arm.jobs if self.states[n] == DONE},
                {jobs[n].config.seed: self.reasons[n] for n in arm.jobs if n in self.reasons},
            )
            for arm in self.plan.arms
        ]

    def _collect(self) -> None:
        for name in [name for name, handle in self._handles.items() if self._pool.is_done(handle)]:
            reason = self._pool.outcome(self._handles.pop(name))
            if reason is None:
                self.states[name] = DONE
            elif reason == STOPPED:  # stopped by somebody else
                self.states[name] = WAITING
            else:
                note_failure(self.plan.jobs[name].folder, reason)
                self._fail(name, reason)

    def _fail(self, name: str, reason: str) -> None:
        self.states[name], self.reasons[name] = FAILED, reason

    def _begin(self) -> None:
        for name, job in self.plan.jobs.items():
            if self._pool.room <= 0:
                return
            if self.states[name] == WAITING and self._can_begin(job):
                self._prepare(job)
                self._handles[name] = self._pool.submit(self._work(job))
                self.states[name] = RUNNING

    def _can_begin(self, job: Job) -> bool:
        """True unless the run needs something that another run will make first."""
        if job.fork is None or RunPaths(job.folder).config.exists() or job.fork.checkpoint.exists():
            return True
        return self.states[job.fork.leader] in (DONE, FAILED)  # without a checkpoint: begin alone

    def _prepare(self, job: Job) -> None:
        """Forks the run from its leader's checkpoint if that exists; otherwise the run begins alone."""
        if job.fork is None or job.folder.exists() or not job.fork.checkpoint.exists():
            return
        try:
            fork_run(job.fork.checkpoint, job.config, job.folder)
        except (DamagedCheckpoint, UserError, OSError):
            return

    def _work(self, job: Job) -> Work:
        # next to the run and under its name, so that another form of the ablation never changes it
        options = job.folder.with_name(f"{job.name}.yaml")
        options.parent.mkdir(parents=True, exist_ok=True)
        write_options(options, job.config, job.name)
        flags = ("--config", str(options), "--seed", str(job.config.seed))
        places = ("--runs-dir", str(job.folder.parent), "--run-name", job.name)
        changed = ["--wandb-group", self._group]
        if own := [each.origin for each in plugins.loaded() if not each.installed]:
            changed += ["--plugins", *own]
        if job.keep_epochs:
            changed += ["--keep-epochs", ",".join(map(str, job.keep_epochs))]
        features = job.config.features
        if features != "auto":
            changed += ["--features", features]
        sections = _sections(job)
        changed += ["--sections", ",".join(sections)]
        return Work(
            job.folder,
            (*flags, *places),
            tuple(changed),
            job.config.epochs,
            self._pool.threads,
            features=features,
            sections=tuple(sections),
        )


def _sections(job: Job) -> list[str]:
    """The sections to evaluate: the run's, and those of its evaluation, which another table may need."""
    try:
        evaluation = read_evaluation(job.folder)
    except (OSError, ValueError):  # damaged, and then made again
        evaluation = None
    return with_those_in(evaluation, job.config.sections)


def forget_failures(plan: Plan) -> None:
    """Forgets the failures, so that these runs are tried again."""
    for job in plan.jobs.values():
        failure_of(job.folder).unlink(missing_ok=True)
