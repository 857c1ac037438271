"""Means over an epoch, kept on the device until it ends."""

import torch
from torch import Tensor

from vaegan.parallel import ALONE, Ranks


class Meter:
    """The mean of every value added, each batch counted by its images."""

    def __init__(self):
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, prefix: str, values: dict[str, Tensor], n_images: int) -> None:
        """Add batch means (scalars on the device) of a batch of `n_images`, filed under prefix/name."""
        for name, value in values.items():
            key = f"{prefix}/{name}"
            # the mean of none, where there are more processes than images, is not a number
            weighed = value.detach() * n_images if n_images else torch.zeros_like(value)
            self._sums[key] = self._sums[key] + weighed if key in self._sums else weighed
            self._counts[key] = self._counts.get(key, 0) + n_images

    def means(self, ranks: Ranks = ALONE) -> dict[str, float]:
        """The mean over images of everything added, in all of these processes; the one transfer."""
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values()))
        counts = torch.tensor(list(self._counts.values()))
        ranks.add_up(sums)
        ranks.add_up(counts)
        pairs = zip(self._sums, sums.tolist(), counts.tolist(), strict=True)
        return {key: total / count for key, total, count in pairs}

    def state(self) -> dict[str, tuple[Tensor, int]]:
        """The sum of everything added under a key, and the images that it is of."""
        return {key: (self._sums[key], count) for key, count in self._counts.items()}

    def load(self, state: dict[str, tuple[Tensor, int]]) -> None:
        """Go on from such a state."""
        self._sums = {key: total for key, (total, _) in state.items()}
        self._counts = {key: count for key, (_, count) in state.items()}


def weighed(means: dict[str, float], weights: dict[str, dict[str, float]]) -> dict[str, float]:
    """The means, with each term's product with its weight beside it and the total of each player.

    means: "gen/pbp" and so on; what has no weight (accuracies) is passed on as it is.
    """
    record = dict(means)
    for player, terms in weights.items():
        products = {
            f"{player}/{term}_weighted": weight * means[f"{player}/{term}"]
            for term, weight in terms.items()
            if f"{player}/{term}" in means
        }
        if products:  # in a short epoch a player may not have had its turn
            record |= products | {f"{player}/total": sum(products.values())}
    return record
