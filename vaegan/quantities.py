"""The vocabulary of figures: title, unit, format and direction of all that runs and evaluations write.

Console, curves, dashboard, tables and reports read it from here. The code that computes a figure adds its
entry: a term, an alarm and a section of the evaluation in their own files; the training loop's own figures
are added below. Imports nothing of the package.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

SPLITS = ("train", "test")
SHARE = "_share"  # ends the key of a term's share of the gradient

# sections of figures, in the order in which they are shown
GEN = "VAE or generator"
DISC = "Discriminator"
DISTANCE = "Distance between originals and fakes"
WINNING = "Who is winning"
GRADIENTS = "Gradients"
RATES = "Learning rates"
COST = "Throughput"
LOSSES = (GEN, DISC, DISTANCE, WINNING)  # sections of figures that are recorded in every epoch
SECTIONS = (*LOSSES, GRADIENTS, RATES, COST)


@dataclass(frozen=True)
class Quantity:
    """Texts and formats that show one figure to readers.

    title: as within a sentence, without its split: "KL divergence". unit: "dB"; "share" lies between 0 and 1.
    format: of its value. better: "higher" or "lower"; None if neither is better. text: an explanation in a
    few words, if the title is not enough. short: its name in the line that each epoch prints; "" to omit it
    there. headline: True for the main figures, which the terminal shows at the end.
    summary: the aggregates that W&B's table of runs shows ("min,last"); None for the last value.
    draw: its value when the discriminator cannot tell originals from fakes, if that is known beforehand.
    section: one of SECTIONS; "" follows from the key's player. place: the order within the section, from low
    to high. splits: those that have it, () for a figure without a split. curve: True to draw it in the run's
    picture of curves. panel, label: the title of a panel that several curves share, and the curve's name in
    it; "" for a panel of its own. log: True for a logarithmic axis.
    weighted: True for a term of a loss, which also has a weight and a weighted figure.
    """

    title: str
    unit: str = ""
    format: str = ".3f"
    better: Literal["higher", "lower"] | None = None
    summary: str | None = None
    draw: float | None = None
    text: str = ""
    short: str = ""
    headline: bool = False
    section: str = ""
    place: int = 50
    splits: tuple[str, ...] = SPLITS
    curve: bool = False
    panel: str = ""
    label: str = ""
    log: bool = False
    weighted: bool = False

    @property
    def heading(self) -> str:
        """The title with a capital letter, for a panel."""
        return self.title[:1].upper() + self.title[1:]


_ENTRIES: dict[str, Quantity] = {}


def add(key: str, quantity: Quantity, *, again: bool = False) -> Quantity:
    """Add a quantity under its key: "gen/kl", "time/epoch_s", "reconstruction/psnr"; returns it.

    key: as in metrics.jsonl after the split, or of an evaluation after "eval/". again: True to replace an
    entry.
    Raises: ValueError for a key that has an entry, since one of the two would silently never be used.
    """
    if key in _ENTRIES and not again:
        raise ValueError(f"quantity {key!r} is added twice")
    player = {"gen": GEN, "disc": DISC}.get(key.partition("/")[0], "")
    _ENTRIES[key] = replace(quantity, section=quantity.section or player)
    return _ENTRIES[key]


def add_all(prefix: str, by_key: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Add the quantities of a part of an evaluation under "reconstruction/psnr"; returns them by key."""
    return {key: add(f"{prefix}/{key}", quantity) for key, quantity in by_key.items()}


def find(key: str) -> Quantity:
    """The quantity of a key of metrics.jsonl or of an evaluation: "test/gen/kl", "eval/likelihood/kl".

    A weight ("weight/gen/kl") and a weighted term ("train/gen/kl_weighted") follow from the term's entry. A
    key without an entry gets a plain one, made from its own name.
    """
    entry = _known(key)
    return entry or Quantity(_behind_split(key).rpartition("/")[2].replace("_", " ") or key)


def is_known(key: str) -> bool:
    """True for a key that has an entry, or whose term has one."""
    return _known(key) is not None


def entries() -> Iterator[tuple[str, Quantity]]:
    """(key, quantity) of every entry, sorted by section, then place, then order of adding."""
    ranks = {section: rank for rank, section in enumerate(SECTIONS)}
    return iter(
        sorted(_ENTRIES.items(), key=lambda item: (ranks.get(item[1].section, len(ranks)), item[1].place))
    )


def curves(seen: Collection[str]) -> Iterator[tuple[str, Quantity]]:
    """(key, quantity) of the figures with a curve over the epochs, in order of the entries.

    seen: keys of records, "test/gen/kl". A term without an entry, as of a plug-in that is not loaded, is
    recognised by its weighted figure, and comes last.
    """
    there = dict.fromkeys(_behind_split(key) for key in sorted(seen))
    yield from ((key, quantity) for key, quantity in entries() if quantity.curve and key in there)
    for key in there:
        if f"{key}_weighted" in there and not is_known(key):
            yield key, find(key)


def recorded(key: str, quantity: Quantity) -> tuple[str, ...]:
    """The keys of metrics.jsonl that hold a figure: "train/gen/kl" and "test/gen/kl"."""
    return tuple(f"{split}/{key}" for split in quantity.splits) or (key,)


def _behind_split(key: str) -> str:
    first, _, rest = key.partition("/")
    return rest if first in (*SPLITS, "eval") else key


def _known(key: str) -> Quantity | None:
    bare = _behind_split(key)
    if bare in _ENTRIES:
        return _ENTRIES[bare]
    if key.startswith("weight/"):
        term = _ENTRIES.get(key.removeprefix("weight/"))
        return None if term is None or not term.weighted else _of_weight(term)
    for suffix, of in _OF_TERMS.items():
        term = _ENTRIES.get(bare.removesuffix(suffix))
        if bare.endswith(suffix) and term is not None and term.weighted:
            return of(term)
    return None


def _of_weight(term: Quantity) -> Quantity:
    title = f"{_bare(term)}, weight"
    return Quantity(title, format=".4g", section=term.section, place=term.place, splits=())


def _of_product(term: Quantity) -> Quantity:
    title = f"{_bare(term)}, weighted"
    return Quantity(title, term.unit, term.format, section=term.section, place=term.place)


def _of_gradient(where: str) -> Callable[[Quantity], Quantity]:
    """The entry of the norm of a term's gradient, which is unweighted."""

    def of(term: Quantity) -> Quantity:
        title = f"{_bare(term)}, norm of its gradient at {where}"
        return Quantity(title, format=".4g", section=GRADIENTS, place=term.place, splits=("train",), log=True)

    return of


def _of_cosine(term: Quantity) -> Quantity:
    title = f"{_bare(term)}, cosine of its gradient with the PBP loss's"
    return Quantity(title, section=GRADIENTS, place=term.place, splits=("train",))


def _of_share(term: Quantity) -> Quantity:
    title = f"{_bare(term)}, share of the gradient"
    text = "its weighted norm at the pixel logits over the sum of such norms, KL left out"
    return Quantity(title, "share", text=text, section=GRADIENTS, place=term.place, splits=("train",))


# what is recorded of a term besides its value: the key's ending and the entry that follows from the term's
_OF_TERMS: dict[str, Callable[[Quantity], Quantity]] = {
    "_weighted": _of_product,
    "_grad_logits": _of_gradient("the pixel logits"),
    "_grad_x_hat": _of_gradient("x_hat"),
    "_grad_last_layer": _of_gradient("the decoder's last layer"),
    "_cosine": _of_cosine,
    SHARE: _of_share,
}


def _bare(term: Quantity) -> str:
    return term.title.removesuffix(", unweighted")


# figures of the training loop other than terms
_setting = partial(Quantity, splits=())
_of_network = partial(Quantity, summary="max,last", section=GRADIENTS, splits=("train",), log=True)
_rate = partial(Quantity, format=".3g", section=RATES, splits=(), panel="Learning rates", log=True)
_cost = partial(Quantity, better="lower", section=COST, splits=())
add("gen/total", Quantity("VAE's total, weighted", "an image", place=90, headline=True, curve=True))
add("disc/total", Quantity("discriminator's total, penalties included", place=80))
add(
    "gen/diversity",
    Quantity(
        "samples' distance over originals'",
        "ratio",
        summary="min,last",  # the deepest fall
        text="mean distance of two samples over that of two originals; 1 when alike",
        headline=True,
        section=DISTANCE,
        place=90,
        splits=("test",),
        curve=True,
    ),
)
add("gen/grad_norm", _of_network("gradient norm of the VAE or generator"))
add("disc/grad_norm", _of_network("gradient norm of the discriminator"))
add("lr/gen", _rate("learning rate of the VAE or generator", label="VAE or generator"))
add("lr/disc", _rate("learning rate of the discriminator", label="discriminator"))
add("weight/disc/instance_noise", _setting("instance noise on the discriminator's input", section=DISC))
add("time/images_per_s", _setting("images a second", "images/s", ",.0f", "higher", "mean", section=COST))
add("time/epoch_s", _cost("time of an epoch", "s", ".1f", summary="mean", panel="Time of an epoch"))
add("time/test_s", _cost("time on held-out images", "s", ".1f", summary="mean", panel="Time of an epoch"))
add("memory/peak_mib", _cost("peak memory", "MiB", ",.0f", summary="max"))
