"""Gates of Larsen et al.: the player that is ahead rests for a step."""

from collections.abc import Collection, Mapping
from functools import partial

import torch
from torch import Tensor

from vaegan.config.build import build_schedule
from vaegan.config.schema import Config
from vaegan.objective.memory import Memory
from vaegan.objective.weights import Factor
from vaegan.quantities import WINNING, Quantity, add

LOSSES = ("real", "fake")  # D's terms that the gates read

_rested = partial(Quantity, unit="share", section=WINNING, place=40, splits=("train",))
add("disc/rested", _rested("steps in which the gates let D rest"))
add("gen/rested", _rested("steps in which the gates leave out the learned loss"))


class Gates:
    """The player that rests in a step, from D's losses in its last one.

    D rests after a loss on originals or on fakes below equilibrium - margin. Its losses are computed all the
    same, since the next decision needs them. The terms of `gen` that depend on D are left out after a loss
    above equilibrium + margin: a VAE trains without them, a GAN's generator rests. If both would rest, both
    play.
    The memory keeps the last step's losses: the same for all parts and processes, and in the checkpoint.
    Reading them is a transfer from the device in each step.
    Source: Larsen et al., Autoencoding beyond pixels using a learned similarity metric (arXiv 1512.09300),
    with the reference code andersbll/autoencoding_beyond_pixels, model/aegan.py, `train_epoch`. There a
    step's own losses decide about it, and the decoder rests for all of its loss.
    """

    def __init__(self, equilibrium: float, margin: float, learned: Collection[str], memory: Memory):
        """learned: the terms of `gen` that depend on D."""
        self._lowest = equilibrium - margin
        self._highest = equilibrium + margin
        self._learned = learned
        self._memory = memory

    def resting(self, playing: Mapping[str, Mapping[str, Factor]]) -> dict[str, bool]:
        """True for a player that rests, of those to which the gates apply in a step.

        playing: the weights of the terms that are due, by player.
        """
        if "disc" not in playing:
            return {}
        losses = [self._memory.value(f"gate/{name}") for name in LOSSES]
        disc = gen = False
        if None not in losses:
            values = torch.stack(losses).tolist()
            disc, gen = min(values) < self._lowest, max(values) > self._highest
        resting = {"disc": disc and not gen}
        if any(term in self._learned for term in playing.get("gen", ())):
            resting["gen"] = gen and not disc
        return resting

    def left(self, player: str, weights: Mapping[str, Factor]) -> dict[str, Factor]:
        """The weights of the terms that a resting player still computes: D's for the gates alone."""
        if player == "disc":
            return {name: weight for name, weight in weights.items() if name in LOSSES}
        return {name: weight for name, weight in weights.items() if name not in self._learned}

    def note(self, terms: Mapping[str, Tensor], n_images: int) -> None:
        """Keep D's losses on a part of a step's images for the next decision."""
        for name in LOSSES:
            self._memory.add(f"gate/{name}", terms[name], n_images, decay=0.0)


def build_gates(config: Config, memory: Memory) -> Gates | None:
    """The gates of a resolved config; None without them."""
    if config.gates is None:
        return None
    return Gates(*config.gates, build_schedule(config).learned, memory)
