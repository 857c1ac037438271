"""Many images through a network, as many at a time as memory has room for."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from torch import Tensor

from vaegan.failures import out_of_memory

Result = TypeVar("Result")


class Portions:
    """Calls functions with some images at a time: `size`, which is halved whenever memory runs out."""

    def __init__(self, size: int):
        self.size = size

    def of(self, function: Callable[..., Result], *tensors: Tensor) -> Iterator[Result]:
        """The results for one portion of the tensors [N, ...] after the other, in order.

        function: takes a part of each tensor; it gives the same for an image whatever others come with it.
        Raises: what the function raises; for lack of memory only when there is none for a single image.
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
