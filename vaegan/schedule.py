"""The weight of every term in every epoch: solo and combo epochs, decay, gate."""

from collections.abc import Mapping
from dataclasses import dataclass

from vaegan.weights import Weight

DISC_LOSS = "train/disc/total"  # the key of an epoch's record that the gate reads


@dataclass(frozen=True)
class Phase:
    """One epoch's plan: the weight of each term of each player, in order of play.

    Terms that are absent do not exist in this epoch. Those that weigh 0 are not computed in training
    and only reported on held-out images.
    """

    name: str  # "solo" or "combo"
    weights: dict[str, dict[str, float]]

    def playing(self) -> dict[str, dict[str, float]]:
        """The weights of the terms that are trained on, of the players that have any."""
        active = {
            player: {term: weight for term, weight in weights.items() if weight != 0}
            for player, weights in self.weights.items()
        }
        return {player: weights for player, weights in active.items() if weights}


@dataclass(frozen=True)
class Schedule:
    """The phase of each epoch.

    First `solo_epochs` of the VAE alone with a PBP weight of 1, then combo epochs with the weights
    given. In combo epoch c (from 0) the PBP weight is pbp_weight * pbp_decay ** (c // pbp_decay_every).
    Without a discriminator (`disc_weight` None) every epoch is the VAE's alone, weighed as combo epochs.
    After a combo epoch in which the discriminator's mean loss was above `max_disc_loss`, `gen` does
    without the adversarial term for one epoch; the discriminator goes on training.
    """

    beta: Weight
    pbp_weight: Weight
    pbp_decay: float = 1.0
    pbp_decay_every: int = 25
    disc_weight: Weight | None = None
    solo_epochs: int = 0
    max_disc_loss: float | None = None

    def at(self, epoch: int, last: Mapping[str, float] | None = None) -> Phase:
        """The phase of `epoch` (from 0), given the record of the epoch before it (None: the gate is open)."""
        beta = self.beta.at(epoch)
        combo_epoch = epoch - self.solo_epochs
        if combo_epoch < 0:
            return Phase("solo", {"gen": {"pbp": 1.0, "kl": beta}})
        decay = self.pbp_decay ** (combo_epoch // self.pbp_decay_every)
        pbp = self.pbp_weight.at(epoch) * decay
        if self.disc_weight is None:
            return Phase("solo", {"gen": {"pbp": pbp, "kl": beta}})
        adv = self.disc_weight.at(epoch) if self._gate_is_open(last) else 0.0
        gen = {"pbp": pbp, "kl": beta, "adv": adv}
        return Phase("combo", {"disc": {"real": 1.0, "fake": 1.0}, "gen": gen})

    def _gate_is_open(self, last: Mapping[str, float] | None) -> bool:
        if self.max_disc_loss is None or not last or DISC_LOSS not in last:
            return True
        return last[DISC_LOSS] <= self.max_disc_loss
