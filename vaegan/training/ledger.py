"""The ledger: the gradients of each term of `gen` at the pixels, measured in a few steps of each epoch."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from vaegan.nets.players import Players
from vaegan.objective.balance import gradient_at, last_layer, mean_norm
from vaegan.objective.views import Views
from vaegan.parallel import ALONE, Ranks
from vaegan.pixels import activation_slope
from vaegan.quantities import SHARE

SAMPLES = 4  # steps an epoch
APART = 32  # steps between two samples, or more; a short epoch has one


def is_sampled(batch: int, n_batches: int, disc_steps: int = 1) -> bool:
    """True if the ledger is kept in this step in which `gen` plays.

    batch: its number in the epoch, from 0. disc_steps: `gen` plays in every so many.
    """
    samples = max(1, min(SAMPLES, n_batches // APART))
    places = ((2 * i + 1) * n_batches // (2 * samples) for i in range(samples))
    return any(batch - disc_steps < place <= batch for place in places)


class Ledger:
    """The ledger of one step.

    NAME_grad_logits, NAME_grad_x_hat: mean over images of the norm of the gradient there, per image, of the
    unweighted term. NAME_grad_last_layer: its norm at the decoder's last layer. NAME_cosine: the mean over
    images of the cosine of its gradient with the PBP loss's, at the pixel logits. NAME_share: the weighted
    norm at the pixel logits, which `with_shares` turns into a share. Only for two terms or more.
    """

    def __init__(self, players: Players):
        self._pixel_range = players.pixel_range
        self._layer = last_layer(players.decoder)
        self._at_layer: dict[str, Tensor] = {}

    def of_part(
        self, views: Views, gradients: dict[str, Tensor], weights: Mapping[str, float | Tensor]
    ) -> dict[str, Tensor]:
        """The figures of one part of a batch, by name, but for those of the last layer.

        gradients: of each term that acts through the pixels, at the pixel logits, unweighted.
        """
        if len(gradients) < 2:
            return {}
        slope = activation_slope(torch.cat(views.ends), self._pixel_range)
        found = {}
        for name, gradient in gradients.items():
            if self._layer is not None:
                at_layer = gradient_at(self._layer, views.decoded, views.share.weight * gradient)
                self._at_layer[name] = self._at_layer.get(name, 0) + at_layer
            found[f"{name}_grad_logits"] = mean_norm(gradient)
            found[f"{name}_grad_x_hat"] = mean_norm(gradient / slope.clamp(min=torch.finfo(slope.dtype).tiny))
            if name != "pbp" and "pbp" in gradients:
                # the PBP loss has no gradient at samples
                both = [gradients[each][: len(views.x)].flatten(1) for each in (name, "pbp")]
                alike = F.cosine_similarity(*both, eps=0)
                found[f"{name}_cosine"] = alike.nan_to_num(0).mean()
            found[name + SHARE] = weights[name] * mean_norm(gradient)
        return found

    def of_step(self, ranks: Ranks = ALONE) -> dict[str, Tensor]:
        """The figures of the last layer, whose gradient is the sum over parts and processes."""
        found = {}
        for name, gradient in self._at_layer.items():
            ranks.add_up(gradient)
            found[f"{name}_grad_last_layer"] = torch.linalg.vector_norm(gradient)
        return found


def with_shares(means: dict[str, float]) -> dict[str, float]:
    """An epoch's means with shares of the sum of weighted norms in place of these norms."""
    shares = {key: value for key, value in means.items() if key.endswith(SHARE)}
    total = sum(shares.values()) or 1.0
    return means | {key: value / total for key, value in shares.items()}
