"""One optimiser for each player, which changes that player's parameters alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from vaegan.config.schema import Config, disc_begins
from vaegan.nets.players import Players
from vaegan.objective.weights import Time
from vaegan.objective.weights.forms import Course
from vaegan.parallel import ALONE, Ranks

if TYPE_CHECKING:
    from timm.scheduler.scheduler import Scheduler

WARMUP_START = 0.01  # of the learning rate, in the first step of a warm-up


class PlayerOptimiser:
    """Adam on one player's parameters. Source: Kingma & Ba, Adam (arXiv 1412.6980), algorithm 1.

    betas: Adam's. weight_clip: bound on the absolute value of every parameter after each step, as in
    Arjovsky et al., Wasserstein GAN (arXiv 1701.07875), algorithm 1.
    """

    def __init__(
        self,
        players: Players,
        player: str,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_clip: float | None = None,
    ):
        self.parameters = list(players.parameters_of(player))
        self.weight_clip = weight_clip
        self.fused = self.parameters[0].device.type in ("cpu", "cuda")
        self.adam = torch.optim.Adam(self.parameters, lr=lr, betas=betas, fused=self.fused)
        self.n_steps = 0  # taken so far, over the run

    @property
    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.adam.param_groups[0]["lr"]

    @lr.setter
    def lr(self, value: float) -> None:
        self.adam.param_groups[0]["lr"] = value

    def minimise(self, losses: Iterable[Tensor], ranks: Ranks = ALONE) -> Tensor:
        """Take one step down the sum of the losses over all of these processes.

        losses: an iterator, so that the graph of each loss is freed before the next loss is computed.
        Returns the L2 norm of the gradient, a scalar on the device. Gradients are computed for this
        player's parameters only.
        """
        for parameter in self.parameters:
            parameter.grad = None
        for loss in losses:
            loss.backward(inputs=self.parameters)
        # a term of weight 0 leaves parameters without a gradient
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        if ranks.size > 1:
            _add_up(gradients, ranks)
        norm = get_total_norm(gradients)
        self.adam.step()
        self.n_steps += 1
        if self.weight_clip is not None:
            with torch.no_grad():
                for parameter in self.parameters:
                    parameter.clamp_(-self.weight_clip, self.weight_clip)
        return norm

    def state(self) -> dict[str, Tensor]:
        """Adam's state of each parameter; "3/exp_avg" is that of the fourth parameter."""
        known = self.adam.state
        return {
            f"{i}/{name}": value
            for i, parameter in enumerate(self.parameters)
            for name, value in known.get(parameter, {}).items()
        }

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved state."""
        for key, value in state.items():
            number, name = key.split("/")
            parameter = self.parameters[int(number)]
            # in the parameter's own memory layout, as a new Adam makes it: the fused step relies on that
            if value.dim():
                kept = torch.empty_like(parameter)
            else:
                kept = torch.empty_like(value, device=parameter.device if self.fused else "cpu")
            self.adam.state[parameter][name] = kept.copy_(value).detach()
            if name == "step":  # the largest is that of a parameter which always has a gradient
                self.n_steps = max(self.n_steps, int(value))


def _add_up(gradients: list[Tensor], ranks: Ranks) -> None:
    """Replace each gradient by its sum over all processes, in one exchange for all of them."""
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    ranks.add_up(flat)
    parts = flat.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


class LearningRates:
    """Sets each player's learning rate before each of its steps: timm's schedule, or its own course.

    Both count the player's own epochs. D's are those in which it trains: before the first of them its rate
    is the first value.
    """

    def __init__(self, optims: Mapping[str, PlayerOptimiser], config: Config, steps_per_epoch: int):
        """config: resolved. The schedules cover config.lr_epochs, counted over the run, or all epochs."""
        # each with the first step, or epoch, of the run that it covers
        self._schedules: list[tuple[Scheduler, int]] = []
        self._courses: list[tuple[PlayerOptimiser, Course, int]] = []
        self._run = Time(epochs=config.epochs, steps_per_epoch=steps_per_epoch)
        for player, optim in optims.items():
            rate, begin = (config.lr, 0) if player == "gen" else (config.disc_lr, disc_begins(config))
            if isinstance(rate, Course):
                self._courses.append((optim, rate, begin))
            elif config.lr_schedule != "constant" or config.warmup_epochs:
                n_epochs = max(1, (config.lr_epochs or config.epochs) - begin)  # D may not play at all
                schedule = _lr_schedule(optim, config, n_epochs, steps_per_epoch)
                self._schedules.append((schedule, begin * steps_per_epoch))

    def set(self, step: int) -> None:
        """Set the rates for this step, counted from 0 over the run."""
        for schedule, first in self._schedules:
            if step > first:  # at its beginning the rate is already set
                schedule.step_update(step - first)
        time = replace(self._run, epoch=step // self._run.steps_per_epoch, step=step)
        for optim, course, begin in self._courses:
            optim.lr = course.at(time.since(begin))


def _lr_schedule(optim: PlayerOptimiser, config: Config, n_epochs: int, steps_per_epoch: int) -> Scheduler:
    """timm's schedule of a player's learning rate over so many epochs, to be called every step."""
    from timm.scheduler import create_scheduler_v2

    schedule, _ = create_scheduler_v2(
        optim.adam,
        sched="step" if config.lr_schedule == "constant" else config.lr_schedule,
        num_epochs=n_epochs,
        decay_epochs=config.lr_decay_every or 1,
        decay_rate=config.lr_decay
        or 1.0,  # 1 is none; "poly" takes it as its power, and 1 is a straight line
        warmup_epochs=config.warmup_epochs,
        warmup_lr=WARMUP_START * optim.lr,
        step_on_epochs=False,
        updates_per_epoch=steps_per_epoch,
    )
    return schedule
