"""Notes that trackers store in a run or an ablation, to continue it in another process."""

from collections.abc import Mapping
from typing import Any

KEY = "trackers"  # in environment.json of a run and ablation.json of an ablation


def tracker_notes(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Each tracker's note, by its name. facts: of environment.json or ablation.json."""
    # older runs had no other tracker
    older = {"wandb": facts["wandb_id"]} if facts.get("wandb_id") else {}
    return older | facts.get(KEY, {})


def with_tracker_note(facts: Mapping[str, Any], name: str, kept: Any) -> dict[str, Any]:
    """The facts with this tracker's new note."""
    return {**facts, KEY: tracker_notes(facts) | {name: kept}}
