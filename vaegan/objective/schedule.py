"""The weight of every term over time: solo, warm-up and combo epochs, gate, steps of each player."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from vaegan.objective.weights import Factor, Time, Weight
from vaegan.objective.weights.constant import Constant

DISC_LOSS = "train/disc/adv"  # the key of an epoch's record that the gate reads
WARMUP = "warmup"  # the name of a phase in which D trains and the VAE does not hear of it
NONE = Constant(0.0)
START = Time()

Weights = Mapping[str, Mapping[str, Weight]]  # by player, in order of play, and term


@dataclass(frozen=True)
class Phase:
    """One epoch's plan: the terms of each player in order of play, with their weights.

    Terms that are absent do not exist in this epoch. Terms of weight 0 are reported on held-out images, and
    not computed in training.
    end: the epoch's last step. disc_steps: D's steps for one of `gen`. lazy: D's terms that are computed in
    every `lazy_every`-th of its steps only, with a weight that is larger by that factor. instance_noise: the
    standard deviation of the Gaussian noise on D's inputs, in the model's range.
    """

    name: str  # "solo", "warmup", "combo" or "gan"
    terms: Weights
    end: Time = START
    disc_steps: int = 1
    lazy: tuple[str, ...] = ()
    lazy_every: int = 1
    instance_noise: Weight = NONE

    @property
    def weights(self) -> dict[str, dict[str, Factor]]:
        """The weights in the epoch's last step, which are also those of the held-out figures."""
        return self.at(self.end.step)

    @property
    def noise(self) -> float:
        """The instance noise in the epoch's last step."""
        return self.noise_at(self.end.step)

    def at(self, step: int) -> dict[str, dict[str, Factor]]:
        """The weights in a step, counted from 0 over the run."""
        time = replace(self.end, step=step)
        return {
            player: {term: weight.at(time) for term, weight in terms.items()}
            for player, terms in self.terms.items()
        }

    def noise_at(self, step: int) -> float:
        """The instance noise in a step, counted from 0 over the run."""
        return self.instance_noise.at(replace(self.end, step=step))

    def playing(self, step: int = 0) -> dict[str, dict[str, Factor]]:
        """The weights of the terms that are trained on in this step, for the players that have any.

        step: from 0, counted over the run; each is one batch. `gen` plays in the last of `disc_steps`.
        """
        playing = {}
        for player, weights in self.at(step).items():
            if player == "gen" and "disc" in self.terms and (step + 1) % self.disc_steps:
                continue
            for term in self.lazy if player == "disc" else ():
                if term in weights:
                    weights[term] *= 0 if step % self.lazy_every else self.lazy_every
            if active := {term: weight for term, weight in weights.items() if weight != 0}:
                playing[player] = active
        return playing


@dataclass(frozen=True)
class Schedule:
    """The phase of each epoch.

    First `solo_epochs` without the learned terms of `gen`, then combo epochs with all terms. D trains in the
    last `disc_warmup_epochs` of the solo epochs, and in every combo epoch. Without a discriminator every
    epoch is a solo epoch of the VAE. Without a VAE (`vae` False) all epochs are a GAN's.
    The gate: after an epoch in which the discriminator's mean loss, without penalties, was above
    `max_disc_loss`, `gen` trains without its learned terms for one epoch (a GAN's generator rests); D goes
    on training.

    weights: of every term of each player. epochs: in all. learned: the terms of `gen` that depend on D.
    disc_steps, lazy, lazy_every, instance_noise: see Phase.
    """

    weights: Weights
    epochs: int = 1
    learned: Collection[str] = ("adv",)
    solo_epochs: int = 0
    disc_warmup_epochs: int = 0
    max_disc_loss: float | None = None
    vae: bool = True
    disc_steps: int = 1
    lazy: tuple[str, ...] = ()
    lazy_every: int = 1
    instance_noise: Weight = NONE

    def at(self, epoch: int, last: Mapping[str, float] | None = None, steps_per_epoch: int = 1) -> Phase:
        """The phase of `epoch` (from 0), given the record of the epoch before it (None: the gate is open)."""
        step = (epoch + 1) * steps_per_epoch - 1
        end = Time(epoch, step, self.epochs, self.solo_epochs, steps_per_epoch)
        gen = self.weights["gen"]
        if "disc" not in self.weights:
            return Phase("solo", {"gen": gen}, end)
        name, disc_steps = "combo" if self.vae else "gan", self.disc_steps
        if epoch < self.solo_epochs:
            gen = {term: weight for term, weight in gen.items() if term not in self.learned}
            if epoch < self.solo_epochs - self.disc_warmup_epochs:
                return Phase("solo", {"gen": gen}, end)
            name, disc_steps = WARMUP, 1  # the VAE trains in every step, as in a solo epoch
        elif not self._gate_is_open(last):
            gen = {term: NONE if term in self.learned else weight for term, weight in gen.items()}
        return Phase(
            name,
            {"disc": self.weights["disc"], "gen": gen},
            end,
            disc_steps=disc_steps,
            lazy=self.lazy,
            lazy_every=self.lazy_every,
            instance_noise=self.instance_noise,
        )

    def _gate_is_open(self, last: Mapping[str, float] | None) -> bool:
        if self.max_disc_loss is None or not last or DISC_LOSS not in last:
            return True
        return last[DISC_LOSS] <= self.max_disc_loss
