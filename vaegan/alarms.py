"""Signs that the two players' game has gone wrong, read from the records of the epochs."""

from collections.abc import Mapping, Sequence
from typing import Any

DIVERSITY = "test/gen/diversity"
FALL = 0.5  # of the highest diversity so far; below it, it has fallen
LOWEST = 0.2  # of the originals' spread; below it, samples are all but one image
STARTING = 3  # epochs in which samples may still be alike
WINNING = 0.98  # D's accuracy on held-out images
LASTING = 3  # epochs of it in a row

MEANINGS = {
    "alarm/collapse": "samples have become alike (test/gen/diversity); the generator may be collapsing",
    "alarm/disc_wins": f"D has been right over {WINNING:.0%} of the time for {LASTING} epochs; "
    "it has little left to teach",
}


def alarms(records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """The alarms after the last of the records, 1 for on; nothing in an epoch without a discriminator.

    records: of all epochs with the keys of metrics.jsonl, in order.
    """
    if "disc" not in _players(records[-1]):
        return {}
    game = [record for record in records if "disc" in _players(record)]
    history = [record.get(DIVERSITY, 1.0) for record in game]  # absent where all originals are one image
    fallen = history[-1] < FALL * max(history)
    alike = len(game) > STARTING and history[-1] < LOWEST
    found = {"alarm/collapse": int(fallen or alike)}
    accuracies = [_accuracy(record) for record in game[-LASTING:]]
    a_critic = any(key.startswith("test/disc/w1") for key in game[-1])  # which is meant to be right
    if None not in accuracies and not a_critic:
        wins = len(game) >= LASTING and min(accuracies) > WINNING
        found["alarm/disc_wins"] = int(wins)
    return found


def _players(record: Mapping[str, Any]) -> set[str]:
    return {key.split("/")[1] for key in record if key.startswith("test/")}


def _accuracy(record: Mapping[str, Any]) -> float | None:
    """D's mean accuracy on held-out originals and fakes, or on pairs; None in a game that has none."""
    shares = [value for key, value in record.items() if key.startswith("test/disc/acc_")]
    return sum(shares) / len(shares) if shares else None
