"""The registry of loss terms. A term is one file with its function and its declarations:

@register_term(
    "gen/tv",                                              # the player, and the term's name in metrics.jsonl
    needs=("vae",),                                        # absent without these parts, "vae" and "disc"
    weight=WeightOption("tv_weight", "weight of the total variation"),           # --tv-weight
    quantity=Quantity("total variation", "an image", curve=True),                # its titles, curves, columns
)
def total_variation(views):                                # a scalar, the mean over the batch
    return ...
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from torch import Tensor

from vaegan import quantities
from vaegan.quantities import Quantity
from vaegan.registry import Registry

Compute = Callable[..., Tensor]  # of the views and its knobs -> a scalar, the mean over the batch, unweighted

PARTS = ("vae", "disc")  # of a run, which a term may need
TERMS = Registry("loss term")


@dataclass(frozen=True)
class WeightOption:
    """The option that sets a term's weight; its name is the field, the YAML key and, with dashes, the flag.

    default: the weight if the run has the parts that the term needs; None for no such term unless the
    option is given. shown: the default in words, for --help. section: the heading in --help. needs: parts
    without which the option cannot be given, in addition to those of the term. from_combo: True if it
    has no effect in solo epochs.
    """

    name: str
    description: str
    default: float | None = None
    shown: str | None = None
    section: str = "Losses and their weights"
    needs: tuple[str, ...] = ()
    from_combo: bool = False


@dataclass(frozen=True)
class Term:
    """One term of a player's loss.

    key: "gen/kl": the player and the term's name in metrics.jsonl. needs: the parts without which there is
    no such term, of "vae" and "disc". slope_penalty: True if it penalises the slope of D, and so needs each
    image's logit to depend on that image alone; --penalty-every makes such terms lazy. place: that of its
    quantity; terms are summed in this order, and by name if it is equal. by_gradient: True if its weight can
    follow from gradients at the pixel logits, share(0.3). disc_features: True if it uses D's features.
    """

    key: str
    compute: Compute
    needs: tuple[str, ...]
    weight: WeightOption
    slope_penalty: bool = False
    place: int = 50
    by_gradient: bool = False
    disc_features: bool = False

    @property
    def player(self) -> str:
        """The player that minimises it: "gen" or "disc"."""
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        """Its name among the player's terms."""
        return self.key.partition("/")[2]


def register_term(
    key: str,
    *,
    needs: tuple[str, ...] = (),
    weight: WeightOption,
    quantity: Quantity | None = None,
    slope_penalty: bool = False,
    by_gradient: bool = True,
    disc_features: bool = False,
) -> Callable[[Compute], Compute]:
    """A decorator that registers a function of the views as a loss term; see Term.

    The function's keyword-only arguments are options of a run, named, described and checked like the knobs of
    a network. by_gradient: False for a term of `gen` that does not act through the decoder's pixels.
    quantity: its entry in the vocabulary; None for one made from its name, with a curve.
    Raises: ValueError for a key that is registered already or names no player, for an unknown part, and for
    a default weight of a term from outside the package: other runs of the process would have the term, too.
    """
    if key.partition("/")[0] not in ("gen", "disc") or key.count("/") != 1:
        raise ValueError(f"loss term {key!r}: expected gen/NAME or disc/NAME")
    if key.startswith("disc/"):
        needs = tuple(dict.fromkeys([*needs, "disc"]))
    if unknown := set(needs) - set(PARTS):
        raise ValueError(f"loss term {key!r}: it needs {', '.join(sorted(unknown))}; parts are vae and disc")

    def decorate(compute: Compute) -> Compute:
        if weight.default is not None and is_from_outside(compute):
            raise ValueError(
                f"loss term {key!r}: a default weight; one from outside the package has none, so that no run "
                f"has the term unless its option is given"
            )
        said = quantity or Quantity(key.partition("/")[2].replace("_", " "), curve=True)
        again = key in dict(TERMS.entries())  # by an edited plug-in; refused if it is another one's
        steered = by_gradient and key.startswith("gen/")
        term = Term(key, compute, tuple(needs), weight, slope_penalty, said.place, steered, disc_features)
        TERMS.register(key, origin=compute)(term)
        quantities.add(key, replace(said, weighted=True), again=again)
        return compute

    return decorate


def is_from_outside(compute: Compute) -> bool:
    """True for a function that is not defined in this package."""
    return not str(compute.__module__).startswith("vaegan.")


def registered_terms(parts: Collection[str] | None = None) -> list[Term]:
    """The registered terms in order; parts: of "vae" and "disc", excludes terms that need others."""
    terms = sorted((term for _, term in TERMS.entries()), key=lambda term: (term.place, term.name))
    return [term for term in terms if parts is None or set(term.needs) <= set(parts)]
