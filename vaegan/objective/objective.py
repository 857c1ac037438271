"""The losses of the players: named, weighted terms, each a function of the views of one batch."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import Tensor

from vaegan.nets.players import Players
from vaegan.objective.memory import Memory
from vaegan.objective.terms import Compute
from vaegan.objective.views import Views
from vaegan.objective.weights import Factor

Figures = Callable[[Views, dict[str, Tensor]], dict[str, Tensor]]


class Objective:
    """The terms of each player, by name.

    terms: {player: {name: function of the views}}. game: the adversarial loss, if there is a D.
    figures: {player: function}: further figures of a player's turn, from its views and its terms.
    use_features: the names of the terms of `gen` that use D's features.
    fakes: see Views. memory: running means of the terms and weights that depend on earlier steps.
    """

    def __init__(
        self,
        players: Players,
        terms: Mapping[str, Mapping[str, Compute]],
        game: Any = None,
        figures: Mapping[str, Figures] | None = None,
        use_features: Collection[str] = (),
        fakes: str = "reconstructions",
    ):
        self.players = players
        self.terms = {player: dict(of_player) for player, of_player in terms.items()}
        self.game = game
        self.fakes = fakes
        self.memory = Memory()
        self._figures = dict(figures or {})
        self._use_features = frozenset(use_features)

    def views(self, x: Tensor, noise: Tensor, **options: Any) -> Views:
        """The views of images x [B, C, H, W] in the model's range; options: see Views."""
        options = {"memory": self.memory, "fakes": self.fakes, **options}
        return Views(self.players, x, noise, game=self.game, **options)

    def play(
        self,
        player: str,
        views: Views,
        weights: Mapping[str, Factor],
        before: Callable[[str], None] = lambda name: None,
        cut: bool = False,
    ) -> dict[str, Tensor]:
        """The player's terms on this batch, each a scalar before it is weighted; only those with a weight.

        before: called with the name of each term before it is computed. cut: see Views.turn.
        """
        uses_features = player == "gen" and not self._use_features.isdisjoint(weights)
        views.turn(player, cut=cut, with_features=uses_features)
        terms = {}
        for name in weights:
            before(name)
            terms[name] = self.terms[player][name](views)
        return terms

    def figures(self, player: str, views: Views, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """Figures of the player's turn that are not terms, on these views."""
        return self._figures[player](views, terms) if player in self._figures else {}


def weighted_sum(terms: Mapping[str, Tensor], weights: Mapping[str, float | Tensor]) -> Tensor:
    """The player's loss: the sum of weight * term."""
    return sum(weight * terms[name] for name, weight in weights.items())
