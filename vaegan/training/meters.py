"""Means over an epoch, kept on the device until it ends."""

from collections.abc import Mapping

import torch
from torch import Tensor

from vaegan.objective.weights import Factor, Relative
from vaegan.parallel import ALONE, Ranks


class Meter:
    """The mean over images of every value added, and of its product with its weight.

    A weighted sum is kept in units of its first weight. Under a constant weight the weighted mean is then
    exactly that weight times the mean, without another rounding on the device.
    """

    def __init__(self):
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._units: dict[str, float] = {}  # of weighted values

    def add(
        self,
        prefix: str,
        values: Mapping[str, Tensor],
        n_images: int,
        weights: Mapping[str, float | Tensor] | None = None,
    ) -> None:
        """Add batch means (scalars on the device) of a batch of `n_images`, named prefix/name.

        weights: of the values that are terms; their products are named prefix/name_weighted.
        """
        for name, value in values.items():
            # with more processes than images, some have none: their mean is nan
            total = value.detach() * n_images if n_images else torch.zeros_like(value)
            self._add(f"{prefix}/{name}", total, n_images)
            if weights and name in weights:
                key = f"{prefix}/{name}_weighted"
                weight = weights[name]
                on_device = isinstance(weight, Tensor)  # and stays there
                unit = self._units.setdefault(key, 1.0 if on_device else weight or 1.0)
                ratio = weight / unit
                self._add(key, total if not on_device and ratio == 1 else ratio * total, n_images)

    def _add(self, key: str, total: Tensor, n_images: int) -> None:
        self._sums[key] = self._sums[key] + total if key in self._sums else total
        self._counts[key] = self._counts.get(key, 0) + n_images

    def means(self, ranks: Ranks = ALONE) -> dict[str, float]:
        """The mean over images of everything added, over these processes; the only transfer from the device.

        Each player's total is the sum of its weighted terms.
        """
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values()))
        counts = torch.tensor(list(self._counts.values()))
        ranks.add_up(sums)
        ranks.add_up(counts)
        means, totals = {}, {}
        for key, total, count in zip(self._sums, sums.tolist(), counts.tolist(), strict=True):
            means[key] = self._units.get(key, 1.0) * (total / count)
            if key in self._units:
                player = key.partition("/")[0]
                totals[f"{player}/total"] = totals.get(f"{player}/total", 0.0) + means[key]
        return means | totals

    def state(self) -> dict[str, tuple[Tensor, int]]:
        """The sum of everything added under each key, and its number of images."""
        return {key: (self._sums[key], count) for key, count in self._counts.items()}

    @property
    def units(self) -> dict[str, float]:
        """The unit of each weighted sum: its first weight."""
        return dict(self._units)

    def load(self, state: Mapping[str, tuple[Tensor, int]], units: Mapping[str, float]) -> None:
        """Continue from a saved state and its units."""
        self._sums = {key: total for key, (total, _) in state.items()}
        self._counts = {key: count for key, (_, count) in state.items()}
        self._units = dict(units)

    def add_weighted(self, weights: Mapping[str, Mapping[str, Factor]]) -> None:
        """Add weighted sums to a state that was saved before they existed: {player: {term: weight}}.

        At that time all weights were numbers.
        """
        for player, of_player in weights.items():
            for term, weight in of_player.items():
                key, weighted = f"{player}/{term}", f"{player}/{term}_weighted"
                if key in self._sums and weighted not in self._sums and not isinstance(weight, Relative):
                    self._units[weighted] = weight or 1.0
                    self._sums[weighted], self._counts[weighted] = self._sums[key], self._counts[key]
