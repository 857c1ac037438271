"""What runs will cost, from timed steps."""

import math

import torch

from vaegan.ablation.plan import Job, epochs_of
from vaegan.build import build_players, build_schedule
from vaegan.config import Config
from vaegan.devices import clock
from vaegan.finite import FiniteCheck
from vaegan.meters import Meter
from vaegan.schedule import Phase
from vaegan.step import Step

ROUNDS = 5  # of steps, after one to warm up


def epoch_seconds(
    config: Config, image_shape: tuple[int, int, int], n_train: int, device: torch.device
) -> dict[str, float]:
    """The seconds that a solo and a combo epoch (or a GAN's) of training take; 0 for one that there is not.

    config: resolved. image_shape: [C, H, W]. The fastest of `ROUNDS` steps on random images, times the
    steps of an epoch. Evaluations, pictures and checkpoints come on top.
    """
    without_downloads = config.model_copy(update={"pretrained": None, "disc_pretrained": None})
    players = build_players(without_downloads, image_shape).to(device, memory_format=torch.channels_last)
    play = Step(without_downloads, players)
    schedule = build_schedule(config)
    epochs = epochs_of(config)
    images = torch.randint(0, 256, (config.batch_size, *image_shape), dtype=torch.uint8, device=device)
    steps = math.ceil(n_train / config.batch_size)
    seconds = {"solo": 0.0, "combo": 0.0}
    players.train()
    for phase_name, epoch in (("solo", 0), ("combo", config.epochs - 1)):
        if epochs[phase_name]:
            seconds[phase_name] = steps * _step_seconds(play, schedule.at(epoch), images, device)
    return seconds


def _step_seconds(play: Step, phase: Phase, images: torch.Tensor, device: torch.device) -> float:
    """A step's mean time in the fastest round in which every player and every penalty has its turn.

    The others are longer by what else the machine did.
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
    """What a run is going to take, less the solo epochs that it forks from another one."""
    epochs = epochs_of(job.config)
    forked = job.fork.epochs if job.fork else 0
    return (epochs["solo"] - forked) * epoch_s["solo"] + epochs["combo"] * epoch_s["combo"]


def equal_time_epochs(baseline: Config, epoch_s: dict[str, float], alone_s: float) -> int:
    """How many epochs of the VAE alone take as long as the baseline's solo and combo epochs.

    epoch_s: of the baseline. alone_s: seconds of an epoch of the VAE alone.
    """
    epochs = epochs_of(baseline)
    seconds = epochs["solo"] * epoch_s["solo"] + epochs["combo"] * epoch_s["combo"]
    return max(1, round(seconds / alone_s))
