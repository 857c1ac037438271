"""Running means over a run's steps, for weights and terms that depend on earlier steps."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vaegan.parallel import ALONE, Ranks


class Memory:
    """Exponential moving averages of scalars, corrected for their start as Adam's are (arXiv 1412.6980).

    Values are added while a step is computed, in parts and by several processes, and averaged over its images
    at its end; so every part and every process sees the averages over the steps before.
    """

    def __init__(self):
        self._averages: dict[str, Tensor] = {}
        self._starts: dict[str, float] = {}  # the weight that an average still gives to 0, its start
        self._added: dict[str, tuple[Tensor, float, int]] = {}

    def add(self, name: str, value: Tensor, n_images: int, decay: float) -> None:
        """Add the mean of a value over `n_images` of this step's images, a scalar; decay: per step."""
        total = value.detach() * n_images if n_images else torch.zeros_like(value)
        if name in self._added:
            before, _, n_before = self._added[name]
            total, n_images = before + total, n_before + n_images
        self._added[name] = (total, decay, n_images)

    def commit(self, ranks: Ranks = ALONE) -> None:
        """End of a step: average what was added over its images, in one exchange between the processes."""
        if not self._added:
            return
        totals, decays, counts = zip(*self._added.values(), strict=True)
        sums = torch.stack(totals)
        both = torch.cat([sums, sums.new_tensor(counts)])
        ranks.add_up(both)
        totals, counts = both.chunk(2)
        for name, total, decay, count in zip(self._added, totals, decays, counts, strict=True):
            before = self._averages.get(name, torch.zeros_like(total))
            self._averages[name] = torch.lerp(total / count, before.to(total), decay)
            self._starts[name] = self._starts.get(name, 1.0) * decay
        self._added = {}

    def value(self, name: str) -> Tensor | None:
        """The average over the steps so far, a scalar on their device; None before the first."""
        if name not in self._averages:
            return None
        return self._averages[name] / (1 - self._starts[name])

    def reading(self) -> "Memory":
        """The same averages for held-out images: what is added to it is lost."""
        copy = Memory()
        copy._averages, copy._starts = self._averages, self._starts
        return copy

    def state(self) -> dict[str, Tensor]:
        """Each average with the weight of its start, for a checkpoint."""
        return {
            name: torch.tensor([average.item(), self._starts[name]], dtype=torch.float64)
            for name, average in self._averages.items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state."""
        for name, (average, start) in state.items():
            self._averages[name] = average.float()
            self._starts[name] = start.item()
