"""What an evaluation has to say: figures, each with what it means and how it was taken."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vaegan.quantities import Quantity, find


@dataclass
class Section:
    """One part of an evaluation, as evaluation.json and the report have it.

    name: its key. protocol: how its figures were taken (split, counts, weights, seed, network), in words or
    numbers. values: figures by key, a number or a list of them; None for one that does not exist here.
    warnings: why a figure is to be doubted, each a sentence. own: quantities that differ from those in the
    vocabulary, as where the unit depends on the run's loss.
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
        """As it stands in evaluation.json."""
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
