"""One section of evaluation.json: figures with their meanings and their protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vaegan.quantities import Quantity, find


@dataclass
class Section:
    """One section of an evaluation, as in evaluation.json and the report.

    name: its key. protocol: how its figures were measured (split, counts, weights, seed, network), in words
    or numbers. values: figures by key, a number or a list of them; None for a figure that does not exist
    here. meanings: of those keys. warnings: reasons to doubt a figure, one sentence each.
    """

    name: str
    title: str
    protocol: dict[str, Any]
    values: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    own: Mapping[str, Quantity] = field(default_factory=dict)

    @property
    def meanings(self) -> dict[str, Quantity]:
        """The quantity behind each of the values."""
        return {key: self.own.get(key) or find(f"{self.name}/{key}") for key in self.values}

    def to_dict(self) -> dict[str, Any]:
        """The section as in evaluation.json."""
        return {
            "title": self.title,
            "protocol": self.protocol,
            "values": self.values,
            "meanings": {
                key: {"text": each.text or each.title, "unit": each.unit, "better": each.better or ""}
                for key, each in self.meanings.items()
            },
            "warnings": self.warnings,
        }
