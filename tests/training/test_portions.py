"""Portions of images: their order, their size when memory runs out, and other errors."""

import errno

import pytest
import torch

from vaegan.failures import in_a_line, out_of_memory
from vaegan.training.portions import Portions


def crowded(most: int, error: Exception, seen: list[int]):
    """Doubles its batch; raises the error for more than so many images."""

    def double(batch: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        if len(batch) > most:
            raise error
        return batch + other

    return double


SHORTAGES = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: can't allocate memory: you tried"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:80] DefaultCPUAllocator: not enough memory: you tried"),
    RuntimeError("MPS backend out of memory (MPS allocated: 5.00 GB)"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
]


@pytest.mark.parametrize("error", SHORTAGES)
def test_portions_halve_until_there_is_room_and_stay_so(error):
    seen: list[int] = []
    portions, images = Portions(16), torch.arange(21)
    for _ in range(2):
        assert torch.cat(list(portions.of(crowded(5, error, seen), images, images))).tolist() == [
            2 * i for i in range(21)
        ]
    assert seen == [16, 8, *[4] * 5, 1, *[4] * 5, 1]


def test_a_last_portion_that_is_too_large_is_halved_itself():
    seen: list[int] = []
    images = torch.arange(6)
    assert len(list(Portions(100).of(crowded(3, MemoryError(), seen), images, images))) == 2
    assert seen == [6, 3, 3]


@pytest.mark.parametrize(
    ("most", "error"), [(0, MemoryError()), (5, RuntimeError("mat1 and mat2 differ")), (5, OSError())]
)
def test_what_less_would_not_mend_is_raised(most, error):
    images = torch.arange(21)
    with pytest.raises(type(error)):
        list(Portions(16).of(crowded(most, error, []), images, images))


def test_failures_in_a_line():
    assert {in_a_line(error) for error in SHORTAGES} == {"out of memory"}
    assert not out_of_memory(OSError(errno.ENOMEM, "Cannot allocate memory"))
    assert in_a_line(OSError(errno.ENOSPC, "No space left on device", "run/x")) == (
        "run/x: No space left on device"
    )
    assert in_a_line(ValueError("first\nsecond")) == "ValueError: first"
    assert in_a_line(AssertionError()) == "AssertionError"
