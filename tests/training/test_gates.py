"""The gates of Larsen et al.: who rests after which losses, and what a player that rests still does."""

import itertools
from dataclasses import replace

import pytest
import torch
from test_step import HYBRID, N, blobs, flat, made, play

from vaegan.objective.memory import Memory
from vaegan.training.finite import FiniteCheck
from vaegan.training.gates import Gates
from vaegan.training.meters import Meter

DUE = {"disc": {"real": 1.0, "fake": 1.0, "r1": 2.0}, "gen": {"pbp": 1.0, "kl": 1.0, "adv": 10.0}}
ALONE = {"disc": DUE["disc"], "gen": {"pbp": 1.0, "kl": 1.0}}  # D warms up
LONG = {**DUE, "gen": {"adv": 1.0}}  # of a GAN


def gates(*steps):
    """The gates 0.68 and 0.4 after steps with these losses on originals and fakes."""
    memory = Memory()
    made = Gates(0.68, 0.4, ["adv", "features"], memory)
    for real, fake in steps:
        made.note({"real": torch.tensor(real), "fake": torch.tensor(fake), "r1": torch.tensor(9.0)}, 5)
        memory.commit()
    return made


@pytest.mark.parametrize(
    ("losses", "resting"),
    [
        ([], ""),  # the first step
        ([(0.69, 0.69)], ""),
        ([(0.27, 0.69)], "disc"),
        ([(0.69, 0.27)], "disc"),
        ([(0.29, 0.29)], ""),
        ([(1.09, 0.69)], "gen"),
        ([(0.69, 1.09)], "gen"),
        ([(1.07, 1.07)], ""),
        ([(0.2, 1.2)], ""),  # both would rest
        ([(0.1, 0.1), (0.69, 0.69)], ""),  # the last step alone decides
        ([(0.69, 0.69), (0.1, 0.1)], "disc"),
    ],
)
def test_who_rests(losses, resting):
    assert gates(*losses).resting(DUE) == {player: player == resting for player in ("disc", "gen")}
    assert gates(*losses).resting({"disc": DUE["disc"]}) == {"disc": resting == "disc"}
    assert gates(*losses).resting(ALONE) == {"disc": resting == "disc"}
    assert gates(*losses).resting({"gen": ALONE["gen"]}) == {}


def test_what_a_resting_player_still_computes():
    assert gates().left("disc", DUE["disc"]) == {"real": 1.0, "fake": 1.0}
    assert gates().left("gen", DUE["gen"]) == {"pbp": 1.0, "kl": 1.0}
    assert gates().left("gen", LONG["gen"]) == {}


def test_parts_of_a_batch_count_by_their_images():
    memory = Memory()
    of_parts = Gates(0.5, 0.2, ["adv"], memory)
    for loss, n in ((0.1, 6), (0.9, 2)):  # 0.3 over all: at the threshold, and 0.1 or 0.5 are not
        of_parts.note({"real": torch.tensor(loss), "fake": torch.tensor(0.5)}, n)
    memory.commit()
    assert memory.value("gate/real").item() == pytest.approx(0.3)


AHEAD, BEHIND = (9.0, 1.0), (-9.0, 1.0)  # gates by which D's losses are always too low, or too high


def steps(pair, number=3, **options):
    """The players' parameters before each step and at the end, and the means of each step."""
    step, phase = made(**{**HYBRID, **options}, gates=pair)
    weights, means = [], []
    for i in range(number):
        weights.append({player: flat(step.players, player) for player in step.optims})
        means.append(play(step, phase, i))
    weights.append({player: flat(step.players, player) for player in step.optims})
    return weights, means


def moved(weights, player):
    return [not before[player].equal(after[player]) for before, after in itertools.pairwise(weights)]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_d_rests_while_it_is_ahead_and_is_still_measured(accumulate):
    weights, means = steps(AHEAD, accumulate=accumulate, r1=1)
    assert moved(weights, "disc") == [True, False, False]
    assert moved(weights, "gen") == [True, True, True]
    assert [(each["disc/rested"], each["gen/rested"]) for each in means] == [(0, 0), (1, 0), (1, 0)]
    for each in means:
        assert each["disc/adv"] == pytest.approx(each["disc/real"] + each["disc/fake"], rel=1e-6)
        assert each["gen/adv_weighted"] == pytest.approx(10 * each["gen/adv"])
    assert ["disc/r1" in each for each in means] == ["disc/grad_norm" in each for each in means]
    assert ["disc/r1" in each for each in means] == [True, False, False]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_the_vae_trains_without_the_learned_loss_while_d_is_behind(accumulate):
    """As with weight 0 from the second step on."""
    weights, means = steps(BEHIND, accumulate=accumulate)
    assert moved(weights, "disc") == moved(weights, "gen") == [True, True, True]
    assert [(each["disc/rested"], each["gen/rested"]) for each in means] == [(0, 0), (0, 1), (0, 1)]
    assert ["gen/adv" in each for each in means] == [True, False, False]

    step, phase = made(**HYBRID, accumulate=accumulate)
    play(step, phase, 0)
    without = {player: dict(terms) for player, terms in phase.terms.items()}
    del without["gen"]["adv"]
    for number in (1, 2):
        play(step, replace(phase, terms=without), number)
    assert flat(step.players, "gen").equal(weights[-1]["gen"])


def test_a_step_without_the_learned_loss_counts_as_0_in_its_weighted_mean():
    step, phase = made(**HYBRID, gates=BEHIND)
    meter, finite = Meter(), FiniteCheck()
    for number in range(4):
        step(blobs(N, seed=number), N, phase, number, meter, finite)
    means = meter.means()
    assert means["gen/rested"] == 0.75
    assert means["gen/adv_weighted"] == pytest.approx(10 * means["gen/adv"] / 4)
    assert means["gen/total"] == pytest.approx(
        means["gen/pbp"] + means["gen/kl_weighted"] + means["gen/adv_weighted"]
    )


def test_a_gan_s_generator_rests():
    weights, means = steps(BEHIND, vae=None, gan="dense", solo_epochs=None, ema=0.9)
    assert moved(weights, "gen") == [True, False, False]
    assert moved(weights, "disc") == [True, True, True]
    assert ["gen/grad_norm" in each for each in means] == [True, False, False]


def test_gates_that_never_close_change_nothing():
    open_, without = steps((0.7, 99.0)), steps(None)
    for mine, theirs in zip(open_[0], without[0], strict=True):
        assert all(mine[player].equal(theirs[player]) for player in theirs)
    rested = {"disc/rested": 0.0, "gen/rested": 0.0}
    assert open_[1] == [{**each, **rested} for each in without[1]]
