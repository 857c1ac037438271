"""What trackers keep of a run or of an ablation, to go on with it in another process."""

from collections.abc import Mapping
from typing import Any

KEY = "trackers"  # in environment.json of a run and ablation.json of an ablation


def tracker_notes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What each tracker kept, by its name. facts: of environment.json or ablation.json."""
    older = {"wandb": facts["wandb_id"]} if facts.get("wandb_id") else {}  # before there were others
    return older | facts.get(KEY, {})


def with_tracker_note(facts: Mapping[str, Any], name: str, kept: Any) -> dict[str, Any]:
    """The facts, with what this tracker keeps now."""
    return {**facts, KEY: tracker_notes(facts) | {name: kept}}
