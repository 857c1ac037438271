"""Alarms on written-out records: samples that are alike, a D that wins, latents that are not used."""

import json

import pytest

from vaegan.quantities import find
from vaegan.training.alarms import alarms


def record(diversity=0.9, real=0.7, fake=0.7, **more):
    return {
        "phase": "gan",
        "test/gen/diversity": diversity,
        "test/disc/acc_real": real,
        "test/disc/acc_fake": fake,
        **more,
    }


def over_the_epochs(key, records):
    return [alarms(records[: n + 1]).get(key) for n in range(len(records))]


@pytest.mark.parametrize(
    ("diversities", "expected"),
    [
        ([0.1, 0.4, 0.8, 0.9, 0.7], [0, 0, 0, 0, 0]),  # rises from nothing, wavers
        ([0.8, 0.9, 0.44, 0.46], [0, 0, 1, 0]),  # below half of the highest, and over it again
        ([0.1, 0.1, 0.1, 0.1, 0.19, 0.2], [0, 0, 0, 1, 1, 0]),  # alike from the start
    ],
)
def test_collapse(diversities, expected):
    assert over_the_epochs("alarm/collapse", [record(d) for d in diversities]) == expected


def test_d_wins_when_it_is_right_on_both_for_three_epochs():
    accuracies = [(1, 1), (1, 1), (1, 0.97), (1, 0.9), (0.99, 0.98), (1, 1), (1, 1), (1, 0.96)]
    records = [record(real=real, fake=fake) for real, fake in accuracies]
    assert over_the_epochs("alarm/disc_wins", records) == [0, 0, 1, 0, 0, 0, 1, 0]


def test_pairs_count_as_accuracy_and_a_wasserstein_critic_is_meant_to_be_right():
    pairs = {"phase": "gan", "test/gen/diversity": 1.0, "test/disc/acc_pairs": 1.0}
    assert alarms([pairs] * 3) == {"alarm/collapse": 0, "alarm/disc_wins": 1}
    for key in ("test/disc/w1", "test/disc/w1_up_to_scale"):
        assert alarms([pairs | {key: 3.0}] * 3) == {"alarm/collapse": 0}


def test_a_game_without_accuracies_has_no_alarm_of_a_winner():
    without = {"phase": "gan", "test/gen/diversity": 1.0, "test/disc/real": 0.5}
    assert alarms([without] * 3) == {"alarm/collapse": 0}


def test_epochs_without_a_discriminator_have_no_alarms_and_count_for_none():
    solo = {"phase": "solo", "test/gen/diversity": 0.95, "test/gen/pbp": 100.0}
    assert alarms([solo]) == {}
    assert alarms([solo, record(0.4, 1, 1), record(0.4, 1, 1)]) == {"alarm/collapse": 0, "alarm/disc_wins": 0}


def test_d_may_win_while_it_warms_up():
    warmup = record(0.9, 1, 1) | {"phase": "warmup"}
    records = [warmup] * 4 + [record(0.9, 1, 1)] * 3
    assert alarms(records[:4]) == {}
    assert [alarms(records[:n])["alarm/disc_wins"] for n in (5, 6, 7)] == [0, 0, 1]


def test_originals_that_are_all_one_image_raise_no_alarm():
    without = record()
    del without["test/gen/diversity"]
    assert alarms([without] * 5)["alarm/collapse"] == 0


@pytest.mark.parametrize(
    ("divergences", "expected"),
    [
        ([0.001, 0.001, 0.001, 0.0005], [0, 0, 1, 1]),  # dense on digits with a beta of 100
        ([0.02, 0.05, 0.3, 2.0, 5.0], [0, 0, 0, 0, 0]),  # a slow beginning
        ([9.0, 0.09, 0.09, 0.09, 0.11], [0, 0, 0, 1, 0]),  # falls, and comes back
        ([0.5, 0.4, 0.6], [0, 0, 0]),  # few latents, a high beta, but one that tells something
    ],
)
def test_an_unused_posterior(divergences, expected):
    records = [{"phase": "solo", "test/gen/kl": kl, "weight/gen/kl": 1.0} for kl in divergences]
    assert over_the_epochs("alarm/posterior", records) == expected
    game = [record(**{"test/gen/kl": kl}) for kl in divergences]
    assert over_the_epochs("alarm/posterior", game) == expected
    assert set(alarms(game)) == {"alarm/collapse", "alarm/disc_wins", "alarm/posterior"}


def test_epochs_without_a_divergence_count_for_none():
    records = [{"test/gen/kl": 0.0}, {"test/gen/pbp": 1.0}, {"test/gen/kl": 0.0}, {"test/gen/kl": 0.0}]
    assert over_the_epochs("alarm/posterior", records) == [0, None, 0, 0]


def test_a_vae_of_a_far_too_high_beta_is_told_of_in_words(command, tmp_path):
    """Another one of the same size is not."""
    small = "--vae dense --hidden-dim 16 --image-size 8 --train-images 256 --batch-size 32 --epochs 3"
    collapsed = "latents tell nothing of the image"
    _, output, _ = command(f"{small} --lr 0.01 --beta 100 --run-name high")
    assert output.count(collapsed) == 1 and "a lower --beta" in output
    assert collapsed not in command(f"{small} --lr 0.01 --beta 0.1 --run-name low")[1]
    text = (tmp_path / "runs" / "high" / "metrics.jsonl").read_text()
    assert [json.loads(line)["alarm/posterior"] for line in text.splitlines()] == [0, 0, 1]


def test_every_alarm_has_its_words():
    assert all(find(key).text for key in alarms([record(**{"test/gen/kl": 1.0})]))
