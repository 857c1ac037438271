"""Several processes train one run: each computes its share of every batch, and the results are summed."""

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch import Tensor

from vaegan.errors import TrainingError

PATIENCE = timedelta(minutes=5)  # timeout for a process that does not answer
LOADING = timedelta(hours=3)  # timeout while data loads, as in the first decoding of a large folder
LOCATION = re.compile(r"^\[[^ ]*\] ")  # the place in PyTorch's source, before its message
LEAST_SHARE = 2  # images: batch norm cannot be trained on a single value


@dataclass(frozen=True)
class Share:
    """The images of a batch, from `start` to `stop`, that this process computes, or a part of these.

    Random numbers are drawn for the full batch and then cut, so that an image gets the same ones however the
    batch is shared.
    """

    start: int
    stop: int
    batch_size: int

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def weight(self) -> float:
        """Weight of this part's mean in the mean of the full batch: its share of the images."""
        return len(self) / self.batch_size

    def of(self, tensor: Tensor) -> Tensor:
        """This part of a tensor that has a row for each image of the batch."""
        return tensor[self.start : self.stop]

    def transformed(self, transform: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Apply a random transform of images as if to the full batch, and keep this part of the result."""
        if len(self) == self.batch_size:
            return transform(x)
        before, after = (x.new_zeros(n, *x.shape[1:]) for n in (self.start, self.batch_size - self.stop))
        return self.of(transform(torch.cat([before, x, after])))

    def split(self, parts: int) -> list["Share"]:
        """The share in `parts` parts of nearly equal size; in fewer if some would hold a single image."""
        parts = max(1, min(parts, len(self) // LEAST_SHARE))
        bounds = [self.start + len(self) * i // parts for i in range(parts + 1)]
        return [Share(start, stop, self.batch_size) for start, stop in pairwise(bounds)]


@dataclass(frozen=True)
class Ranks:
    """The processes of a run. rank: number of this process, from 0; size: number of processes."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """True for rank 0, which prints and writes."""
        return self.rank == 0

    @property
    def on_this_machine(self) -> int:
        """Number of the processes on this machine."""
        return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))

    @property
    def reports_errors(self) -> bool:
        """True for the one process of each machine that prints errors: local rank 0."""
        return os.environ.get("LOCAL_RANK", "0") == "0"

    def share(self, batch_size: int) -> Share:
        """The images of a batch that this process works on."""
        start, stop = (batch_size * rank // self.size for rank in (self.rank, self.rank + 1))
        return Share(start, stop, batch_size)

    def add_up(self, tensor: Tensor) -> None:
        """Replaces each process's tensor by the sum over all processes."""
        if self.size > 1:
            with _peers():
                dist.all_reduce(tensor)

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, True if it is set in any process."""
        if self.size == 1:
            return list(flags)
        raised = torch.tensor(flags, dtype=torch.int32)
        self.add_up(raised)
        return [bool(flag) for flag in raised]

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, of one shape, as [size, ...] in each process."""
        if self.size == 1:
            return tensor[None]
        rows = [torch.empty_like(tensor) for _ in range(self.size)]
        with _peers():
            dist.all_gather(rows, tensor)
        return torch.stack(rows)

    def gather_rows(self, rows: Tensor) -> Tensor:
        """The rows of all processes, [N, ...], in order of rank; each may have another number of them."""
        if self.size == 1:
            return rows
        counts = self.gather(torch.tensor([len(rows)])).flatten().tolist()
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        return torch.cat([of_rank[:n] for of_rank, n in zip(self.gather(padded), counts, strict=True)])

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Replaces the values of each process's tensors by those of rank 0."""
        if self.size > 1:
            with _peers():
                for tensor in tensors:
                    flat = tensor.detach().contiguous()  # collectives accept no other layout
                    dist.broadcast(flat, 0)
                    tensor.detach().copy_(flat)

    def from_first(self, value: Any) -> Any:
        """Rank 0's value, a simple Python object, in each process."""
        if self.size == 1:
            return value
        box = [value]
        with _peers():
            dist.broadcast_object_list(box, 0)
        return box[0]

    def tensors_from_first(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rank 0's tensors, which are on the CPU, in each process."""
        if self.size == 1:
            return dict(tensors)
        layout = self.from_first({name: (value.shape, value.dtype) for name, value in tensors.items()})
        copies = {}
        with _peers():
            for name, (shape, dtype) in layout.items():
                copies[name] = tensors[name] if self.first else torch.empty(shape, dtype=dtype)
                dist.broadcast(copies[name], 0)
        return copies

    @contextlib.contextmanager
    def one_on_each_machine_first(self) -> Iterator[None]:
        """Runs the block, such as a download, in one process per machine first; the others find it done."""
        if self.size == 1:
            yield
            return
        is_first = os.environ["LOCAL_RANK"] == "0"
        with _peers():
            patient = dist.new_group(backend="gloo", timeout=LOADING)
            if not is_first:
                dist.barrier(patient)
        yield
        if is_first:
            with _peers():
                dist.barrier(patient)


ALONE = Ranks()


def launched_ranks() -> Ranks:
    """Rank and number of processes from `torchrun`'s variables; one alone without it. Connects to none."""
    return Ranks(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def has_launcher() -> bool:
    """True if `torchrun` started this process and will send it signals of its own."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def join(ranks: Ranks, device: torch.device) -> None:
    """Make the process group, where there are several processes."""
    if ranks.size > 1:
        if device.type == "cuda":
            torch.cuda.set_device(device)
        backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
        with _peers():
            dist.init_process_group(backend, timeout=PATIENCE)


def leave_group() -> None:
    """Barrier, then destroy the process group; each process goes on alone."""
    if dist.is_initialized():
        with contextlib.suppress(TrainingError), _peers():
            dist.barrier()
        dist.destroy_process_group()


def leave(status: int) -> NoReturn:
    """Ends this process with its exit status.

    With several processes it ends at once: gloo may abort in Python's own exit, after all work is done.
    """
    if launched_ranks().size == 1:
        sys.exit(status)
    if status == 0:
        leave_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


@contextlib.contextmanager
def _peers() -> Iterator[None]:
    """Raises: TrainingError instead of PyTorch's error if another process cannot be reached."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except RuntimeError as error:
        reason = LOCATION.sub("", str(error).strip().splitlines()[0]).partition(". ")[0]
        raise TrainingError(f"another process of the run has ended or cannot be reached ({reason})") from None
