"""Schedules as written-out lists: the weight of each term in each epoch."""

import pytest

from vaegan.config.build import build_schedule
from vaegan.config.make import make_config, resolved


def schedule(**options):
    return build_schedule(resolved(make_config(options), 32))


def weights(options, term, records=None):
    """The term's weight in every epoch; None where the epoch does not have it."""
    plan = schedule(**options)
    player, name = term.split("/")
    records = records or [None] * options["epochs"]
    return [plan.at(e, last).weights.get(player, {}).get(name) for e, last in enumerate(records)]


def test_solo_epochs_have_a_pbp_weight_of_1_and_no_discriminator():
    options = {"disc": "conv", "epochs": 5, "solo_epochs": 2, "pbp_weight": 0.8, "disc_weight": 20, "beta": 3}
    assert weights(options, "gen/pbp") == [1, 1, 0.8, 0.8, 0.8]
    assert weights(options, "gen/kl") == [3, 3, 3, 3, 3]
    assert weights(options, "gen/adv") == [None, None, 20, 20, 20]
    assert weights(options, "disc/real") == [None, None, 1, 1, 1]
    assert weights(options, "disc/fake") == [None, None, 1, 1, 1]
    assert [schedule(**options).at(e).name for e in range(5)] == ["solo", "solo", "combo", "combo", "combo"]


def test_decay_counts_combo_epochs_from_0():
    options = {
        "disc": "conv",
        "epochs": 8,
        "solo_epochs": 1,
        "pbp_weight": 2,
        "pbp_decay": 0.5,
        "pbp_decay_every": 3,
    }
    assert weights(options, "gen/pbp") == [1, 2, 2, 2, 1, 1, 1, 0.5]


def test_the_published_decay_over_100_solo_and_100_combo_epochs():
    options = {"disc": "conv", "epochs": 200, "solo_epochs": 100, "pbp_decay": 0.95, "pbp_decay_every": 25}
    expected = [1.0] * 125 + [0.95] * 25 + [0.95**2] * 25 + [0.95**3] * 25
    assert weights(options, "gen/pbp") == pytest.approx(expected)


def test_a_vae_alone_is_weighted_as_in_combo_epochs():
    options = {"epochs": 4, "pbp_weight": 0.5, "pbp_decay": 0.1, "pbp_decay_every": 2}
    assert weights(options, "gen/pbp") == pytest.approx([0.5, 0.5, 0.05, 0.05])
    assert weights(options, "gen/adv") == [None] * 4


def test_the_weight_of_the_learned_loss_is_10_with_a_discriminator_unless_typed():
    assert weights({"disc": "conv", "epochs": 2, "solo_epochs": 0}, "gen/adv") == [10, 10]
    assert weights({"disc": "conv", "epochs": 2, "solo_epochs": 0, "disc_weight": 0}, "gen/adv") == [0, 0]


def test_d_warms_up_in_the_last_solo_epochs():
    options = {
        "disc": "conv", "epochs": 6, "solo_epochs": 4, "disc_warmup_epochs": 2, "pbp_weight": 0.8, "r1": 0.5,
        "penalty_every": 2, "disc_steps": 3, "instance_noise": 0.3,
    }  # fmt: skip
    phases = [schedule(**options).at(e) for e in range(6)]
    assert [phase.name for phase in phases] == ["solo"] * 2 + ["warmup"] * 2 + ["combo"] * 2
    assert weights(options, "gen/pbp") == [1, 1, 1, 1, 0.8, 0.8]
    assert weights(options, "gen/adv") == [None, None, None, None, 10, 10]
    assert weights(options, "disc/fake") == [None, None, 1, 1, 1, 1]
    assert weights(options, "disc/r1") == [None, None, 0.5, 0.5, 0.5, 0.5]
    assert [phase.noise for phase in phases] == pytest.approx([0, 0, 0.3, 0.3, 0.3, 0.15])
    assert [phase.end.first_combo for phase in phases] == [4] * 6
    # both play in every step of the warm-up, D's lazy penalty in every other
    assert [[*phases[2].playing(step)] for step in range(3)] == [["disc", "gen"]] * 3
    assert [phases[3].playing(step)["disc"].get("r1") for step in range(3)] == [1.0, None, 1.0]
    assert [[*phases[4].playing(step)] for step in range(3)] == [["disc"], ["disc"], ["disc", "gen"]]


def test_the_gate_reads_the_last_epoch_of_the_warm_up():
    options = {"disc": "conv", "epochs": 3, "solo_epochs": 1, "disc_warmup_epochs": 1, "max_disc_loss": 1}
    losses = [None, {"train/disc/adv": 1.1}, {"train/disc/adv": 0.9}]
    assert weights(options, "gen/adv", losses) == [None, 0, 10]


def test_half_of_the_epochs_are_solo_unless_typed():
    assert [schedule(disc="conv", epochs=5).at(e).name for e in range(5)] == ["solo"] * 2 + ["combo"] * 3
    assert schedule(disc="conv", epochs=1).at(0).name == "combo"


def test_the_gate_leaves_the_learned_loss_out_of_the_epoch_after_a_loss_above_it():
    options = {"disc": "conv", "epochs": 6, "solo_epochs": 1, "max_disc_loss": 2}
    losses = [None, None, 1.5, 2.1, 2.0, 2.5]  # of the epoch before: none before or in the solo epoch
    records = [None if loss is None else {"train/disc/adv": loss} for loss in losses]
    assert weights(options, "gen/adv", records) == [None, 10, 10, 0, 10, 0]
    assert weights(options, "disc/real", records) == [None, 1, 1, 1, 1, 1]


def test_the_gate_is_open_in_the_first_combo_epoch_after_a_solo_record():
    options = {"disc": "conv", "epochs": 2, "solo_epochs": 1, "max_disc_loss": 0}
    assert weights(options, "gen/adv", [None, {"train/gen/pbp": 9.0}]) == [None, 10]


def test_without_a_gate_no_loss_closes_it():
    options = {"disc": "conv", "epochs": 2, "solo_epochs": 0}
    assert weights(options, "gen/adv", [None, {"train/disc/adv": 1e9}]) == [10, 10]


def test_what_weighs_nothing_does_not_play():
    phase = schedule(disc="conv", epochs=1, solo_epochs=0, disc_weight=0, beta=0).at(0)
    assert phase.playing() == {"disc": {"real": 1, "fake": 1}, "gen": {"pbp": 1}}
    phase = schedule(disc="conv", epochs=1, solo_epochs=0, disc_weight=0, beta=0, pbp_weight=0).at(0)
    assert phase.playing() == {"disc": {"real": 1, "fake": 1}}


def test_the_discriminator_plays_before_the_generator():
    assert list(schedule(disc="conv", epochs=1, solo_epochs=0).at(0).playing()) == ["disc", "gen"]


def test_a_gan_has_the_adversarial_term_alone_and_ds_terms_from_the_first_epoch():
    phase = schedule(gan="dense", disc="dense", adv="lsgan").at(0)
    assert phase.name == "gan"
    assert phase.weights == {"disc": {"real": 0.5, "fake": 0.5}, "gen": {"adv": 1.0}}


def test_gen_plays_in_the_last_of_the_discriminators_steps():
    phase = schedule(gan="dense", disc="dense", disc_steps=3).at(0)
    playing = [list(phase.playing(step)) for step in range(7)]
    assert playing == [
        ["disc"],
        ["disc"],
        ["disc", "gen"],
        ["disc"],
        ["disc"],
        ["disc", "gen"],
        ["disc"],
    ]
    solo = schedule(vae="dense", disc="dense", disc_steps=3, epochs=2, solo_epochs=1).at(0)
    assert [list(solo.playing(step)) for step in range(3)] == [["gen"]] * 3


def test_a_lazy_penalty_weighs_as_much_more_as_it_is_rarer():
    phase = schedule(gan="dense", disc="dense", r1=2, gp=10, penalty_every=4).at(0)
    assert phase.weights["disc"] == {"real": 1, "fake": 1, "gp": 10, "r1": 2}
    every = {"real": 1, "fake": 1}
    expected = [{**every, "gp": 40, "r1": 8}, every, every, every, {**every, "gp": 40, "r1": 8}]
    assert [phase.playing(step)["disc"] for step in range(5)] == expected


def test_noise_on_what_d_sees_falls_in_a_straight_line_from_ds_first_epoch_on():
    plan = schedule(vae="dense", disc="dense", epochs=6, solo_epochs=1, instance_noise=0.4)
    assert [plan.at(e).noise for e in range(6)] == pytest.approx([0, 0.4, 0.32, 0.24, 0.16, 0.08])
    options = {"instance_noise": 0.4, "instance_noise_epochs": 2, "epochs": 4}
    plan = schedule(gan="dense", disc="dense", **options)
    assert [plan.at(e).noise for e in range(4)] == pytest.approx([0.4, 0.2, 0, 0])
