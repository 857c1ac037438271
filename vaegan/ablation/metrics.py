"""The figures that a table can contain: those of evaluations, and the unweighted terms of metrics.jsonl."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache

import vaegan.losses  # noqa: F401  its terms bring their entries
from vaegan import quantities
from vaegan.errors import did_you_mean
from vaegan.quantities import Quantity, add
from vaegan.report import verdict

ACCURACY = "disc_accuracy"
VERDICT = f"{verdict.HEALTH}/{verdict.VERDICT}"  # a text, in a column of its own
OF_RUNS = {
    "wall_s": add(
        "wall_s",
        Quantity("wall time", "s", better="lower", text="wall time of training, held-out images included"),
    ),
    "images_per_s": add(
        "images_per_s", Quantity("images/s", better="higher", text="training images a second")
    ),
    ACCURACY: add(
        ACCURACY,
        Quantity(
            "D's accuracy",
            text="share of held-out images or pairs that D classifies correctly after the last epoch",
        ),
    ),
}
DEFAULT_METRICS = (
    "reconstruction/psnr",
    "reconstruction/excess_bce",
    "reconstruction/sharpness",
    "reconstruction/edge_correlation",
    "reconstruction/lattice",
    "perceptual/lpips",
    "distances/reconstructions/frechet",
    "distances/samples/frechet",
    *(
        f"distances_{network}/{images}/frechet"  # of runs with a second feature network
        for network in ("inception", "efficientnet", "random")
        for images in ("reconstructions", "samples")
    ),
    "detectability/accuracy",
    "test/gen/kl",
    VERDICT,
)
LISTS = ("kl_per_dim", "mig_per_factor", "class_shares", "lattice_by_stride")  # no single figures
# by the network that the distances were taken in, the same figure has two names
OTHER_NAMES = {"frechet": "fid", "kernel": "kid"}


def check_metric(name: str) -> str | None:
    """The mistake in a metric's name, or None. Only unweighted terms can be compared."""
    if name.endswith(("/total", "_weighted")):
        return "weighted with each arm's own weights, so arms do not compare; use the unweighted terms"
    known = known_metrics()
    if name in known:
        return None
    return f"unknown metric; {did_you_mean(name, known)}Known: {', '.join(near(name, known))}."


def near(name: str, known: Iterable[str]) -> list[str]:
    """The known metrics beside a name, or else where there are any: the list of all fills a screen."""
    group = name.rpartition("/")[0] + "/"
    beside = [each for each in known if each.startswith(group)]
    starts = (each.partition("/") for each in known)
    return beside or list(dict.fromkeys(f"{start}{slash and '/...'}" for start, slash, _ in starts))


@cache
def known_metrics() -> dict[str, Quantity]:
    """All figures that a run may have, by their keys in a table."""
    # imported here because it takes half a second, and training does not need it
    from vaegan.evals import evaluate  # noqa: F401  its sections bring their entries

    evaluated, terms = {}, {}
    for key, each in quantities.entries():
        if each.section in quantities.LOSSES and each.splits and not key.endswith("/total"):
            terms[key] = each
        elif key.startswith(f"{verdict.HEALTH}/") and key != VERDICT:
            continue  # the words of one rule
        elif not each.section and key not in OF_RUNS and not key.rpartition("/")[2].startswith(LISTS):
            evaluated[key] = each
    return (
        evaluated
        | {
            f"{split}/{key}": replace(each, title=f"{each.title}, {named}")
            for split, named in (("test", "held out"), ("train", "training"))
            for key, each in terms.items()
            if split in each.splits
        }
        | OF_RUNS
    )
