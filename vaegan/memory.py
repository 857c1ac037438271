"""How much memory a run took."""

import sys

import torch


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
