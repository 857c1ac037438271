"""Computes on the CPU like an Apple GPU, and fails on operations that the GPU does not support."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Without an implementation for MPS, as PyTorch's own tests of MPS list them (2.14,
# torch/testing/_internal/common_mps.py, UNIMPLEMENTED_XFAILLIST): operations on floating-point numbers
MISSING = {
    *("_pdist_forward", "_pdist_backward", "_linalg_eigvals", "linalg_eig", "linalg_eigvals"),
    *("linalg_ldl_factor_ex", "linalg_ldl_solve", "ormqr", "frexp", "heaviside", "kthvalue", "mode"),
    *("put_", "take", "logspace", "float_power", "special_ndtri", "special_log_ndtr", "special_airy_ai"),
    *("fractional_max_pool2d", "fractional_max_pool3d", "_adaptive_avg_pool3d", "adaptive_max_pool3d"),
    *("multi_margin_loss", "rrelu_with_noise", "_segment_reduce"),
}


class NotOnMps(Exception):
    """An operation that an Apple GPU has not."""


class _Guard(TorchDispatchMode):
    """Fails on float64 and on missing operations, but for tensors that have been moved to the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [each for each in tree_leaves((args, kwargs or {})) if isinstance(each, Tensor)]
        on_host = all(hasattr(each, "on_host") for each in given)  # so are new ones
        name = func.overloadpacket.__name__
        if name in MISSING and not on_host:
            raise NotOnMps(name)
        made = func(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, Tensor) and on_host:
                each.on_host = True
            elif isinstance(each, Tensor) and each.dtype in (torch.float64, torch.complex128):
                raise NotOnMps(f"{name} makes {each.dtype}")
        return made


@contextmanager
def guarded() -> Iterator[None]:
    """Within, tensors that are moved to a device count as on the GPU until they are moved back."""
    moved, moved_back, as_array = Tensor.to, Tensor.cpu, Tensor.numpy

    def to(tensor: Tensor, *given: Any, **named: Any) -> Tensor:
        result = moved(tensor, *given, **named)
        if not any(isinstance(each, torch.device) for each in (*given, *named.values())):
            return result
        if hasattr(result, "on_host"):
            result = result.clone() if result is tensor else result
            del result.on_host
        return result

    def cpu(tensor: Tensor) -> Tensor:
        result = moved_back(tensor).clone()
        result.on_host = True
        return result

    def numpy(tensor: Tensor, **named: Any) -> Any:
        if not hasattr(tensor, "on_host"):
            raise NotOnMps("numpy")
        return as_array(tensor, **named)

    with pytest.MonkeyPatch.context() as patch, _Guard():
        patch.setattr(Tensor, "to", to)
        patch.setattr(Tensor, "cpu", cpu)
        patch.setattr(Tensor, "numpy", numpy)
        yield
