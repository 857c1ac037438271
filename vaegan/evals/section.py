"""What an evaluation has to say: figures, each with what it means and how it was taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Meaning:
    """What a figure is. text: in a few words; unit: "dB"; better: "higher", "lower" or "" for neither."""

    text: str
    unit: str = ""
    better: str = ""


@dataclass
class Section:
    """One part of an evaluation, as evaluation.json and the report have it.

    name: its key. protocol: how its figures were taken (split, counts, weights, seed, network), in words or
    numbers. values: figures by key, a number or a list of them; None for one that does not exist here.
    meanings: of those keys. warnings: why a figure is to be doubted, each a sentence.
    """

    name: str
    title: str
    protocol: dict[str, Any]
    values: dict[str, Any]
    meanings: Mapping[str, Meaning]
    warnings: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in evaluation.json."""
        return {
            "title": self.title,
            "protocol": self.protocol,
            "values": self.values,
            "meanings": {key: vars(meaning) for key, meaning in self.meanings.items() if key in self.values},
            "warnings": self.warnings,
        }
