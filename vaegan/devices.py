"""The device that a run works on: which one, what it can do, how much of its memory was taken."""

import os
import sys
import time

import torch

from vaegan.errors import OptionError


def pick_device(name: str) -> torch.device:
    """The device of that name ("cpu", "cuda", "mps"); "auto" takes a GPU where there is one.

    Of several GPUs each of a run's processes takes one of its own ($LOCAL_RANK, by torchrun).
    Raises: OptionError for one that this machine does not have.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available[name]:
        has = ", ".join(device for device, there in available.items() if there)
        raise OptionError("device", f"PyTorch finds no such device here; it has: {has}")
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        number, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if int(os.environ.get("LOCAL_WORLD_SIZE", number + 1)) > there:  # the first, too, which prints
            raise OptionError("device", f"more processes than the {there} GPUs of this machine; start fewer")
        return torch.device(name, number)
    return torch.device(name)


def clock(device: torch.device) -> float:
    """Seconds, read when the device has done all that it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def bf16_is_emulated(device: torch.device) -> bool:
    """Whether this CPU has no bf16 instructions, as far as PyTorch tells (older versions do not)."""
    capabilities = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities) and not any(there for name, there in capabilities.items() if "bf16" in name)


def peak_memory_mib(device: torch.device) -> float | None:
    """The most memory in use so far, in MiB: on a CUDA device what was allocated there, else the process's.

    None where the system does not tell.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows has no such module
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10  # bytes there, KiB elsewhere
