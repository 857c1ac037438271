"""Estimated costs of runs: seconds per phase, and their sums. No test depends on a measured time."""

from pathlib import Path

import pytest
import torch

from vaegan.ablation import cost
from vaegan.ablation.cost import Timed, epoch_seconds, equal_time_epochs, run_seconds
from vaegan.ablation.plan import Fork, Job
from vaegan.config.make import make_config, resolved

TINY = {"latent_dim": 2, "batch_size": 4, "epochs": 5}
VAE = TINY | {"vae": "dense", "hidden_dim": 4}
DISC = VAE | {"disc": "dense", "disc_hidden_dim": 4, "solo_epochs": 2}
GAN = TINY | {"gan": "dense", "hidden_dim": 4, "disc": "dense", "disc_hidden_dim": 4}


def config(options):
    return resolved(make_config(options), 16)


def timed(options, n_train=9):
    return Timed(config(options), (1, 16, 16), n_train, torch.device("cpu"))


def seconds(options, n_train=9):
    (taken,) = epoch_seconds([timed(options, n_train)])
    return taken


@pytest.mark.parametrize(
    ("options", "phases"),
    [
        (VAE, {"solo"}),
        (VAE | {"pbp_decay": 0.5}, {"solo"}),
        (DISC, {"solo", "combo"}),
        (DISC | {"solo_epochs": 0}, {"combo"}),
        (DISC | {"disc_warmup_epochs": 1}, {"solo", "warmup", "combo"}),
        (DISC | {"disc_warmup_epochs": 2}, {"warmup", "combo"}),
        (DISC | {"solo_epochs": 5}, {"solo"}),
        (
            DISC | {"r1": 1, "penalty_every": 2, "disc_steps": 3, "accumulate": 2, "ema": 0.9},
            {"solo", "combo"},
        ),
        (GAN, {"combo"}),
    ],
)
def test_the_phases_that_there_are_take_time(options, phases):
    taken = seconds(options)
    assert taken.keys() == {"solo", "combo"} | phases
    assert {phase for phase, each in taken.items() if each > 0} == phases
    assert {phase for phase, each in taken.items() if each == 0} == taken.keys() - phases


class Ticking:
    """A clock of which the test says how long each step takes: every step adds the next of these."""

    def __init__(self, monkeypatch, steps):
        self.now, self.steps, self.seen = 0.0, steps, []
        monkeypatch.setattr(cost, "clock", lambda device: self.now)
        monkeypatch.setattr(cost, "Step", lambda config, players: self)

    def __call__(self, images, whole, phase, step, meter, finite):
        assert images.shape == (whole, 1, 16, 16)
        self.seen.append((phase.name, step))
        self.now += self.steps(phase, step)


def test_an_epoch_is_the_fastest_round_but_the_first_of_a_turn_times_its_steps(monkeypatch):
    """The first round of a turn may be fast without counting; 9 images in batches of 4 are 3 steps."""
    turns = iter([7, 3, 2, 6, 9, 4] * 2)
    clock = Ticking(
        monkeypatch,
        lambda phase, step: (next(turns) if step else 0.5) * (10 if phase.name == "combo" else 1),
    )
    assert seconds(DISC) == {"solo": 3 * 2, "combo": 3 * 20}
    turn = [(name, step) for name in ("solo", "combo") for step in range(3)]
    assert clock.seen == 3 * turn


def test_a_round_has_a_turn_of_every_player_and_penalty(monkeypatch):
    """The generator plays in each third step, the penalty in each second: their mean is over six steps."""
    clock = Ticking(monkeypatch, lambda phase, step: 1 + (step % 3 == 2) * 10 + (step % 2 == 0) * 100)
    taken = seconds(DISC | {"solo_epochs": 0, "r1": 1, "penalty_every": 2, "disc_steps": 3}, n_train=4)
    assert taken == {"solo": 0, "combo": pytest.approx((6 * 1 + 2 * 10 + 3 * 100) / 6)}
    assert len(clock.seen) == 3 * 3 * 6


@pytest.mark.parametrize("busy", [range(0, 8), range(5, 13), range(20, 27)])
def test_a_busy_moment_does_not_fall_on_one_run(monkeypatch, busy):
    """Equal runs take as long whenever it was that the machine did something else for a while."""
    clock = Ticking(monkeypatch, lambda phase, step: 100 if len(clock.seen) - 1 in busy else 1)
    assert epoch_seconds([timed(VAE | {"beta": beta}) for beta in (1, 2, 3)]) == 3 * [{"solo": 3, "combo": 0}]


def test_runs_that_are_timed_in_turn_keep_their_own_times(monkeypatch):
    Ticking(monkeypatch, lambda phase, step: 2 if phase.name == "gan" else 1)
    assert epoch_seconds([timed(VAE), timed(GAN, n_train=20)]) == [
        *({"solo": 3, "combo": 0}, {"solo": 0, "combo": 10})
    ]


def test_a_run_takes_its_epochs_less_those_it_forks():
    epoch_s = {"solo": 2.0, "combo": 5.0}

    def taken(options, forked=0):
        fork = Fork("leader", Path("leader"), forked) if forked else None
        return run_seconds(Job("run", Path("run"), config(options), fork), epoch_s)

    assert taken(DISC) == 2 * 2 + 3 * 5
    assert taken(DISC, forked=2) == 3 * 5
    assert taken(VAE) == 5 * 2
    assert taken(VAE, forked=4) == 2
    assert taken(GAN) == 5 * 5
    epoch_s["warmup"] = 4.0
    assert taken(DISC | {"disc_warmup_epochs": 1}, forked=1) == 4 + 3 * 5


@pytest.mark.parametrize(("alone_s", "epochs"), [(1.0, 19), (2.0, 10), (7.0, 3), (100.0, 1)])
def test_equal_time_is_the_baseline_s_in_epochs_of_the_vae_alone(alone_s, epochs):
    """Two solo epochs of 2 s and three combo epochs of 5 s: 19 s; the nearest number, at least one."""
    assert equal_time_epochs(config(DISC), {"solo": 2.0, "combo": 5.0}, alone_s) == epochs
