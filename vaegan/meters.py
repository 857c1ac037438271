"""Means over an epoch, kept on the device until it ends."""

import torch
from torch import Tensor


class Meter:
    """The mean of every value added, each batch counted by its images."""

    def __init__(self):
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, prefix: str, values: dict[str, Tensor], n_images: int) -> None:
        """Add batch means (scalars on the device) of a batch of `n_images`, filed under prefix/name."""
        for name, value in values.items():
            key = f"{prefix}/{name}"
            weighed = value.detach() * n_images
            self._sums[key] = self._sums[key] + weighed if key in self._sums else weighed
            self._counts[key] = self._counts.get(key, 0) + n_images

    def means(self) -> dict[str, float]:
        """The mean over images of everything added; the one transfer from the device."""
        if not self._sums:
            return {}
        sums = torch.stack(list(self._sums.values())).tolist()
        return {key: total / self._counts[key] for key, total in zip(self._sums, sums, strict=True)}


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
