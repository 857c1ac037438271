"""Signs that training has gone wrong, read from the records of the epochs."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from vaegan import quantities
from vaegan.objective.schedule import WARMUP
from vaegan.quantities import Quantity, add

DIVERSITY = "test/gen/diversity"
FALL = 0.5  # of the highest diversity so far; a diversity below this has collapsed
LOWEST = 0.2  # of the originals' spread; below it, samples are nearly identical
STARTING = 3  # first epochs, in which samples may still be alike
WINNING = 0.98  # D's accuracy on held-out images
LASTING = 3  # epochs in a row before an alarm is raised
KL = "test/gen/kl"
LEAST_KL = 0.1  # nats an image; one bit, such as which of two equally frequent classes, is 0.7 nats

_alarm = partial(
    Quantity,
    unit="1 for on",
    format=".0f",
    summary="max,last",
    section=quantities.WINNING,
    splits=(),
    panel="Alarms",
)
add(
    "alarm/collapse",
    _alarm(
        "samples have become alike",
        text="samples have become alike (test/gen/diversity); the generator may be collapsing",
    ),
)
add(
    "alarm/disc_wins",
    _alarm(
        "D is nearly always right",
        text=f"D has been right over {WINNING:.0%} of the time for {LASTING} epochs; "
        "whether it still teaches is in the verdict after training",
    ),
)
add(
    "alarm/posterior",
    _alarm(
        "latents are not used",
        text=f"the KL divergence has been below {LEAST_KL:g} nats an image for {LASTING} epochs: latents "
        "tell nothing of the image, all reconstructions are alike; a lower --beta is the usual remedy",
    ),
)


def alarms(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The alarms after the last of the records, 1 for on: a VAE's posterior collapse, the game with D.

    records: of all epochs with the keys of metrics.jsonl, in order.
    """
    return _of_posterior(records) | _of_game(records)


def _of_posterior(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The alarm of the posterior; empty without a KL divergence, as in a GAN."""
    if KL not in records[-1]:
        return {}
    # some VAEs use their latents only after the first epochs
    last = [record.get(KL, LEAST_KL) for record in records[-LASTING:]]
    return {"alarm/posterior": int(len(last) == LASTING and max(last) < LEAST_KL)}


def _of_game(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The alarms of the game; empty in an epoch without one, in which D may train and win all the same."""
    game = [record for record in records if "disc" in _players(record) and record.get("phase") != WARMUP]
    if not game or game[-1] is not records[-1]:
        return {}
    history = [record.get(DIVERSITY, 1.0) for record in game]  # absent if all originals are the same image
    fallen = history[-1] < FALL * max(history)
    alike = len(game) > STARTING and history[-1] < LOWEST
    found = {"alarm/collapse": int(fallen or alike)}
    accuracies = [_accuracy(record) for record in game[-LASTING:]]
    a_critic = any(key.startswith("test/disc/w1") for key in game[-1])  # a critic is meant to be right
    if None not in accuracies and not a_critic:
        wins = len(game) >= LASTING and min(accuracies) > WINNING
        found["alarm/disc_wins"] = int(wins)
    return found


def _players(record: Mapping[str, Any]) -> set[str]:
    return {key.split("/")[1] for key in record if key.startswith("test/")}


def _accuracy(record: Mapping[str, Any]) -> float | None:
    """D's mean accuracy on held-out originals and fakes; None in a game without accuracies.

    In a game of pairs it is the AUC, which pairs each original with every fake: beside its own reconstruction
    an original is nearly always preferred.
    """
    shares = {key: value for key, value in record.items() if key.startswith("test/disc/acc_")}
    if "test/disc/acc_pairs" in shares and "test/disc/auc" in record:
        return record["test/disc/auc"]
    return sum(shares.values()) / len(shares) if shares else None
