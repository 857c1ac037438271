"""Pools that execute runs: several processes on this machine, a Ray cluster, or SLURM."""

import os
import queue
import threading
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import torch

from vaegan.ablation.run_process import STOPPED, Work, passed_on
from vaegan.devices import cores
from vaegan.errors import OptionError

SLURM = "slurm"
SLURM_DEFAULTS = {"cpus_per_task": 4, "time": 24 * 60, "job_name": "vaegan"}  # time in minutes
MOST_TIMEOUTS = 1000  # of a job; after each one its run continues


class Pool(Protocol):
    """Executes runs. room: number of further runs that it would start at once. threads: of each run.

    submit: returns a handle. outcome: of a finished handle: None, `STOPPED` or the reason for the failure.
    """

    room: int
    threads: int

    def submit(self, work: Work) -> Any: ...

    def is_done(self, handle: Any) -> bool: ...

    def outcome(self, handle: Any) -> str | None: ...

    def stop(self) -> None: ...


class LocalPool:
    """A fixed number of runs at a time on this machine. Each gets its share of the cores; GPUs go in turn."""

    def __init__(self, workers: int):
        self.room = workers
        self.threads = max(1, cores() // workers)
        self._stop = threading.Event()
        self._threads = ThreadPoolExecutor(workers)
        self._gpus: queue.SimpleQueue[int] = queue.SimpleQueue()
        self._n_gpus = torch.cuda.device_count()
        for slot in range(workers):
            self._gpus.put(slot % max(1, self._n_gpus))

    def submit(self, work: Work) -> Future[str | None]:
        self.room -= 1
        return self._threads.submit(self._make, work)

    def _make(self, work: Work) -> str | None:
        gpu = self._gpus.get()
        try:
            return (replace(work, gpu=gpu) if self._n_gpus > 1 else work)(self._stop)
        except OSError as error:  # for example a full disk, or no memory for a process
            return str(error)
        finally:
            self._gpus.put(gpu)

    def is_done(self, handle: Future[str | None]) -> bool:
        return handle.done()

    def outcome(self, handle: Future[str | None]) -> str | None:
        self.room += 1
        return handle.result()

    def stop(self) -> None:
        """Asks all runs to save and stop, and waits for them."""
        self._stop.set()
        self._threads.shutdown(cancel_futures=True)


class RayPool:
    """Tasks on a Ray cluster whose machines share the folder of runs.

    If a task's machine is lost, the task starts on another one, and its run continues from its last
    checkpoint.
    """

    def __init__(self, address: str, workers: int, gpu: bool):
        """address: as for `ray.init`. workers: number of runs at a time on the largest machine.

        gpu: True if runs use GPUs, provided that the cluster has some.
        Raises: OptionError without Ray, and if no cluster answers.
        """
        try:
            import ray
        except ImportError:
            raise OptionError("cluster", "needs Ray; pip install 'vaegan[ray]', or use --workers") from None
        self._ray = ray
        try:
            ray.init(address, log_to_driver=False, logging_level="ERROR", configure_logging=False)
        except (ConnectionError, ValueError, RuntimeError, OSError) as error:
            said = str(error).strip().splitlines()
            raise OptionError("cluster", f"no Ray cluster answers ({said[0] if said else error})") from None
        self.room = 10**6  # it queues the runs itself
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        self.threads = max(1, int(max(each.get("CPU", 0) for each in machines)) // workers)
        gpus = 1 / workers if gpu and any(each.get("GPU") for each in machines) else 0
        # a lost machine is never the run's fault, however often; a failure of a run raises no exception
        needs = {"num_cpus": self.threads, "num_gpus": gpus}
        self._task = ray.remote(max_retries=-1, max_calls=1, **needs)(make)
        self._handles: list[Any] = []

    def submit(self, work: Work) -> Any:
        # sent with the task, which stays in memory: Ray writes a `runtime_env` into its logs, keys included
        self._handles.append(self._task.remote(replace(work, environment=passed_on())))
        return self._handles[-1]

    def is_done(self, handle: Any) -> bool:
        return bool(self._ray.wait([handle], timeout=0)[0])

    def outcome(self, handle: Any) -> str | None:
        try:
            return self._ray.get(handle)
        except self._ray.exceptions.TaskCancelledError:
            return STOPPED
        except self._ray.exceptions.RayError as error:
            return str(error).strip().splitlines()[-1]

    def stop(self) -> None:
        """Cancels all tasks; their runs save and stop."""
        for handle in self._handles:
            self._ray.cancel(handle)
        self._ray.wait(self._handles, num_returns=len(self._handles), timeout=60)
        self._ray.shutdown()


def make(work: Work) -> str | None:
    """A task of the cluster: one run."""
    return work()


class SlurmPool:
    """Jobs of SLURM through submitit, on machines that share the folder of runs.

    A job that is preempted or that runs out of time is queued again, and its run continues. Submitit saves
    all arguments of a job in a file; so API keys are passed in its environment only, which sbatch takes from
    ours.
    """

    def __init__(self, address: str, folder: Path):
        """address: "slurm", or with submitit's parameters: "slurm:partition=gpu,time=240" (minutes).

        folder: for the jobs' scripts and output.
        Raises: OptionError without submitit or SLURM, and for unknown parameters.
        """
        try:
            from submitit import SlurmExecutor
        except ImportError:
            raise OptionError("cluster", "needs submitit; pip install 'vaegan[slurm]'") from None
        settings = SLURM_DEFAULTS | _settings(address)
        self.threads = settings["cpus_per_task"]
        try:
            self._executor = SlurmExecutor(folder, max_num_timeout=MOST_TIMEOUTS)
            self._executor.update_parameters(**settings)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise OptionError("cluster", str(error).strip().splitlines()[0]) from None
        self.room = 10**6  # it queues the runs itself
        self._jobs: list[Any] = []
        _let_sbatch_export(passed_on())

    def submit(self, work: Work) -> Any:
        self._jobs.append(self._executor.submit(work))
        return self._jobs[-1]

    def is_done(self, handle: Any) -> bool:
        return handle.done()

    def outcome(self, handle: Any) -> str | None:
        error = handle.exception()
        return handle.result() if error is None else str(error).strip().splitlines()[-1]

    def stop(self) -> None:
        """Cancels all jobs; their runs keep their last checkpoints."""
        for job in self._jobs:
            if not job.done():
                job.cancel(check=False)


def _let_sbatch_export(names: Collection[str]) -> None:
    """Adds the variables to those that sbatch passes on, if $SBATCH_EXPORT limits these.

    Source: slurm.schedmd.com/sbatch.html, --export: given a list without ALL, a job gets only this list.
    """
    given = os.environ.get("SBATCH_EXPORT", "ALL").split(",")
    if names and "ALL" not in given:
        listed = [each for each in given if each not in ("NONE", "NIL", "")]
        os.environ["SBATCH_EXPORT"] = ",".join([*listed, *names])


def _settings(address: str) -> dict[str, Any]:
    """The parameters after "slurm:". Raises: OptionError unless they are `name=value` with commas."""
    _, _, text = address.partition(":")
    settings: dict[str, Any] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise OptionError("cluster", f"{part}: expected slurm:name=value,name=value")
        settings[name] = int(value) if value.isdigit() else value
    return settings
