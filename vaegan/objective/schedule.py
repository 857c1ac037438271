"""The weight of every term in every epoch: solo and combo epochs, decay, gate, steps of each player."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from vaegan.objective.weight import Weight

DISC_LOSS = "train/disc/adv"  # the key of an epoch's record that the gate reads


@dataclass(frozen=True)
class Phase:
    """One epoch's plan: the weight of each term of each player, in order of play.

    Terms that are absent do not exist in this epoch. Those that weigh 0 are not computed in training
    and only reported on held-out images.
    disc_steps: D's steps for one of `gen`. lazy: D's terms that are computed in every `lazy_every`-th of
    its steps alone, and weigh that much more there. noise: the standard deviation of the Gaussian noise on
    what D sees, in the model's range.
    """

    name: str  # "solo", "combo" or "gan"
    weights: dict[str, dict[str, float]]
    disc_steps: int = 1
    lazy: tuple[str, ...] = ()
    lazy_every: int = 1
    noise: float = 0.0

    def playing(self, step: int = 0) -> dict[str, dict[str, float]]:
        """The weights of the terms that are trained on in this step, of the players that have any.

        step: from 0, counted over the run; each is one batch. `gen` plays in the last of `disc_steps`.
        """
        playing = {}
        for player, weights in self.weights.items():
            if player == "gen" and "disc" in self.weights and (step + 1) % self.disc_steps:
                continue
            active = {term: self._factor(term, step) * weight for term, weight in weights.items()}
            if active := {term: weight for term, weight in active.items() if weight != 0}:
                playing[player] = active
        return playing

    def _factor(self, term: str, step: int) -> int:
        """How much more a term weighs in this step: lazy ones all at once, in every so many steps."""
        if term not in self.lazy:
            return 1
        return 0 if step % self.lazy_every else self.lazy_every


@dataclass(frozen=True)
class Schedule:
    """The phase of each epoch.

    First `solo_epochs` of the VAE alone with a PBP weight of 1, then combo epochs with the weights
    given. In combo epoch c (from 0) the PBP weight is pbp_weight * pbp_decay ** (c // pbp_decay_every).
    Without a discriminator (`disc_weight` None) every epoch is the VAE's alone, weighed as combo epochs.
    Without a VAE (`vae` False) all epochs are a GAN's, with `gen`'s adversarial term alone.
    After an epoch in which the discriminator's mean loss, without penalties, was above `max_disc_loss`,
    `gen` does without the adversarial term for one epoch (a GAN's generator rests); D goes on training.

    disc: the weights of D's terms. disc_steps, lazy, lazy_every: see Phase. noise: what Phase has in D's
    first epoch; it falls in a straight line to 0 over `noise_epochs`, and stays there.
    """

    beta: Weight
    pbp_weight: Weight
    pbp_decay: float = 1.0
    pbp_decay_every: int = 25
    disc_weight: Weight | None = None
    solo_epochs: int = 0
    max_disc_loss: float | None = None
    vae: bool = True
    disc: Mapping[str, float] = field(default_factory=dict)
    disc_steps: int = 1
    lazy: tuple[str, ...] = ()
    lazy_every: int = 1
    noise: float = 0.0
    noise_epochs: int = 1

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
        gen = {"pbp": pbp, "kl": beta, "adv": adv} if self.vae else {"adv": adv}
        return Phase(
            "combo" if self.vae else "gan",
            {"disc": dict(self.disc), "gen": gen},
            disc_steps=self.disc_steps,
            lazy=self.lazy,
            lazy_every=self.lazy_every,
            noise=self.noise * max(0.0, 1 - combo_epoch / self.noise_epochs),
        )

    def _gate_is_open(self, last: Mapping[str, float] | None) -> bool:
        if self.max_disc_loss is None or not last or DISC_LOSS not in last:
            return True
        return last[DISC_LOSS] <= self.max_disc_loss
