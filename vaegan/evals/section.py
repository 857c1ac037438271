"""One section of evaluation.json: figures with their meanings and their protocol."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vaegan.quantities import Quantity, find
from vaegan.report.comparable import OWN_JUDGE


@dataclass
class Section:
    """One section of an evaluation, as in evaluation.json and the report.

    name: its key. protocol: how its figures were measured (split, counts, weights, seed, network), in words
    or numbers. values: figures by key, a number or a list of them; None for a figure that does not exist
    here. warnings: reasons to doubt a figure, one sentence each. own: quantities in place of the
    vocabulary's. own_judge: True if the network of the figures also served in the run's loss. A figure `psnr`
    may have an interval, from `psnr_low` to `psnr_high`.
    """

    name: str
    title: str
    protocol: dict[str, Any]
    values: dict[str, Any]
    warnings: list[str] = field(default_factory=list)
    own: Mapping[str, Quantity] = field(default_factory=dict)
    own_judge: bool = False

    @property
    def meanings(self) -> dict[str, Quantity]:
        """The quantity behind each of the values."""
        return {key: self.own.get(key) or find(f"{self.name}/{key}") for key in self.values}

    def headlines(self) -> list[dict[str, str]]:
        """The main figures that exist, in the order of the values: "label", "value" and "unit" of each.

        The unit is followed by the figure's interval and by a note, if there are any.
        """
        return [
            {
                "label": each.title,
                "value": format(self.values[key], each.format),
                "unit": ", ".join(filter(None, [each.unit, self._interval(key, each), self._note()])),
            }
            for key, each in self.meanings.items()
            if each.headline and self.values[key] is not None
        ]

    def _interval(self, key: str, quantity: Quantity) -> str:
        """The interval of a figure: "[0.01, 0.014]"; empty if there is none."""
        ends = [self.values.get(f"{key}_{end}") for end in ("low", "high")]
        return "" if None in ends else f"[{', '.join(format(end, quantity.format) for end in ends)}]"

    def _note(self) -> str:
        return OWN_JUDGE if self.own_judge else ""

    def to_dict(self) -> dict[str, Any]:
        """The section as in evaluation.json."""
        return {
            "title": self.title,
            "protocol": self.protocol,
            "values": self.values,
            "meanings": {
                key: {
                    "title": each.title,
                    "text": each.text or each.title,
                    "unit": each.unit,
                    "better": each.better or "",
                }
                for key, each in self.meanings.items()
            },
            "warnings": self.warnings,
            **({"own_judge": True} if self.own_judge else {}),
        }
