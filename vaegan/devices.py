"""The device of a run: its choice, its abilities, its memory in use; and the number of CPU cores."""

import contextlib
import math
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from vaegan.errors import OptionError

CGROUPS = Path("/sys/fs/cgroup")


def pick_device(name: str) -> torch.device:
    """The device of that name ("cpu", "cuda", "mps"); "auto" is a GPU if there is one.

    With several GPUs, each process of a run gets its own ($LOCAL_RANK, set by torchrun).
    Raises: OptionError for a device that this machine does not have.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available[name]:
        has = ", ".join(device for device, there in available.items() if there)
        raise OptionError("device", f"PyTorch finds no such device here; it has: {has}")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if int(os.environ.get("LOCAL_WORLD_SIZE", number + 1)) > there:  # also in the first, which prints
            raise OptionError("device", f"more processes than the {there} GPUs of this machine; start fewer")
        return torch.device(name, number)
    return torch.device(name)


def cores() -> int:
    """The number of CPU cores to use: $OMP_NUM_THREADS, but no more than this process may use."""
    there = _cores_there()
    first = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()  # "4,2": of nested levels
    return min(int(first), there) if first.isdecimal() and int(first) else there


def _cores_there() -> int:
    """The number of cores available to this process, by its affinity and its container's quota."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min(there, _quota())))


def _quota() -> float:
    """The CPU quota of the container in cores, by either version of cgroups; infinity without one."""
    for names in (("cpu.max",), ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")):
        try:
            texts = [(CGROUPS / name).read_text(encoding="ascii") for name in names]
            quota, period = map(int, " ".join(texts).split())
        except (OSError, ValueError):  # no such file; "max" means no limit
            continue
        if quota > 0 and period > 0:  # -1 means no limit
            return quota / period
    return math.inf


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch compute with one CPU thread: for a few small images.

    On a busy machine two threads that wait for each other took up to 1.6 s for what one does in 0.07 s.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def clock(device: torch.device) -> float:
    """Seconds, read when the device has finished its work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def bf16_is_emulated(device: torch.device) -> bool:
    """True if this CPU has no bf16 instructions, according to PyTorch (older versions cannot tell)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities) and not any(there for name, there in capabilities.items() if "bf16" in name)


def peak_memory_mib(device: torch.device) -> float | None:
    """Peak memory so far, in MiB: on a CUDA device the memory allocated there, else that of the process.

    None if the system does not report it.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows does not have this module
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere
