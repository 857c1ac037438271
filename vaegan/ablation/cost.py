"""Estimates the time of runs from timed steps."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from vaegan.ablation.plan import Job, epochs_of
from vaegan.config.build import build_players, build_schedule
from vaegan.config.schema import Config
from vaegan.devices import clock
from vaegan.objective.schedule import WARMUP, Phase
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step

TURNS = 3  # per run, alternating with the other runs
ROUNDS = 2  # of steps in each turn, after one round of warm-up


@dataclass(frozen=True)
class Timed:
    """A run to time. config: resolved. image_shape: [C, H, W]. n_train: number of training images."""

    config: Config
    image_shape: tuple[int, int, int]
    n_train: int
    device: torch.device


def epoch_seconds(runs: Sequence[Timed]) -> list[dict[str, float]]:
    """The seconds of an epoch in each phase of each run (see `epochs_of`); 0 for one that it does not have.

    This is the fastest round of steps on random images, times the steps per epoch. Evaluations, pictures and
    checkpoints come on top. The runs take several turns each, so that a moment in which the machine is busy
    does not fall on one of them; each is rebuilt for each turn, so that memory holds one run at a time.
    """
    fastest = [dict.fromkeys(epochs_of(run.config), math.inf) for run in runs]
    for _ in range(TURNS):
        for run, seconds in zip(runs, fastest, strict=True):
            for phase_name, step_s in _step_seconds(run).items():
                seconds[phase_name] = min(seconds[phase_name], step_s)
    steps = [math.ceil(run.n_train / run.config.batch_size) for run in runs]
    return [
        {name: 0.0 if step_s == math.inf else n * step_s for name, step_s in seconds.items()}
        for n, seconds in zip(steps, fastest, strict=True)
    ]


def _step_seconds(run: Timed) -> dict[str, float]:
    """The seconds of a step in each phase of the run, measured in one turn."""
    config = run.config.model_copy(update={"pretrained": None, "disc_pretrained": None})  # no downloads
    players = build_players(config, run.image_shape).to(run.device, memory_format=torch.channels_last)
    play = Step(config, players)
    schedule = build_schedule(config)
    epochs = epochs_of(config)
    shape = (config.batch_size, *run.image_shape)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, device=run.device)
    players.train()
    return {
        name: _fastest_round(play, schedule.at(epoch), images, run.device)
        for name, epoch in (("solo", 0), (WARMUP, epochs["solo"]), ("combo", config.epochs - 1))
        if epochs.get(name)
    }


def _fastest_round(play: Step, phase: Phase, images: torch.Tensor, device: torch.device) -> float:
    """The mean time of a step in the fastest round; in a round every player and every penalty has its turn.

    Slower rounds include other work of the machine.
    """
    round_steps = math.lcm(phase.disc_steps, phase.lazy_every)
    taken = []
    for number in range(1 + ROUNDS):
        started = clock(device)
        for step in range(number * round_steps, (number + 1) * round_steps):
            play(images, len(images), phase, step, Meter(), FiniteCheck())
        taken.append((clock(device) - started) / round_steps)
    return min(taken[1:])


def run_seconds(job: Job, epoch_s: dict[str, float]) -> float:
    """The seconds that a run will take, without the solo epochs that it forks from another run."""
    forked = job.fork.epochs if job.fork else 0
    return _seconds(job.config, epoch_s) - forked * epoch_s["solo"]


def equal_time_epochs(baseline: Config, epoch_s: dict[str, float], alone_s: float) -> int:
    """Epochs that the VAE alone can train in the time of the baseline's epochs.

    epoch_s: of the baseline. alone_s: seconds of an epoch of the VAE alone.
    """
    return max(1, round(_seconds(baseline, epoch_s) / alone_s))


def _seconds(config: Config, epoch_s: dict[str, float]) -> float:
    return sum(n * epoch_s[phase] for phase, n in epochs_of(config).items())
