"""Runs networks on many images in portions that fit in memory."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

from vaegan.failures import out_of_memory

Result = TypeVar("Result")


class Portions:
    """Calls functions on `size` images at a time; `size` is halved whenever memory runs out."""

    def __init__(self, size: int):
        self.size = size

    def of(self, function: Callable[..., Result], *tensors: Tensor) -> Iterator[Result]:
        """The results for one portion of the tensors [N, ...] after the other, in order.

        function: takes a portion of each tensor; its result for an image must not depend on the other images.
        Raises: what the function raises; an out-of-memory error only if a single image does not fit.
        """
        done = 0
        while done < len(tensors[0]):
            n = min(self.size, len(tensors[0]) - done)
            try:
                result = function(*(tensor[done : done + n] for tensor in tensors))
            except Exception as error:
                if n == 1 or not out_of_memory(error):
                    raise
                self.size = n // 2
                continue
            yield result
            done += n
