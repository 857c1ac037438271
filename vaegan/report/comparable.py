"""Decides which figures of several runs can be compared, and gives the reasons against the others."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from vaegan.config.knobs import DISC_PREFIX
from vaegan.config.schema import options
from vaegan.objective.terms import registered_terms
from vaegan.report.rendering import words
from vaegan.run.reading import RunFiles

OWN_TO_A_RUN = ("weights", "seed", "pbp")  # keys of a protocol that may differ between comparable figures
MACHINE = ("device_name", "threads", "processes")  # keys of an environment on which times depend
TIMES = ("wall_s", "images_per_s")

OWN_JUDGE = "own judge"  # beside a figure whose network also served in the run's loss

# in [-1, 1] a squared error is four times as large as in [0, 1], and a density half as large
PBP_LOSS = ("pbp", "pixel_range")
GAME = ("adv", "label_smoothing")
DISC_INPUT = ("diffaug", "instance_noise")  # changes to the discriminator input, in training only


def housekeeping() -> list[str]:
    """The options on how and where a run was made, which do not change its results."""
    return ["device", *options(lambda nature: nature.housekeeping)]


def of_data() -> list[str]:
    """The options that decide which images are held out."""
    return options(lambda nature: nature.images == "all")


def options_behind_figures() -> dict[str, tuple[str, ...]]:
    """The options that must be the same for figures to compare, by a figure's key without the split.

    Those of the data, on which all figures depend, are not among them.
    """
    # a bound by the run's own D depends on D: the weaker D is, the looser the bound
    own_d = tuple(options(lambda nature: nature.of_disc))
    gen_weights = options(lambda nature: nature.weight_for == "gen")
    disc_weights = options(lambda nature: nature.weight_for == "disc")
    bounds = [f"likelihood/{key}" for key in ("pbp", "bound", "nll_bound", "iw_bound")]
    game = ("gen/adv", "disc/adv", "disc/real", "disc/fake", "disc/pairs", "disc/saturated")
    slopes = [term.key for term in registered_terms() if term.slope_penalty]
    distances = [f"{of}/{key}" for of in ("gan_figures", "disc") for key in ("w1", "w1_up_to_scale")]
    return {
        **dict.fromkeys(("reconstruction/pbp", "gen/pbp", "gen/pbp_excess", *bounds), PBP_LOSS),
        **dict.fromkeys(
            ("likelihood/iw_standard_error", "likelihood/bits_per_dim"), ("pbp",)
        ),  # of any range
        **dict.fromkeys(game, GAME),
        **dict.fromkeys(slopes, ("pixel_range",)),  # by a pixel's value
        **dict.fromkeys(("gan_figures/jsd", "disc/jsd"), own_d),
        **dict.fromkeys(distances, (*own_d, "pixel_range")),
        "disc/logit_gap": GAME,
        "gen/sigma": ("pixel_range",),
        "gen/total": (*PBP_LOSS, *GAME, *gen_weights),
        "disc/total": (*GAME, *disc_weights, "pixel_range"),
        "disc_accuracy": ("adv",),  # of images, or of pairs
    }


def unlike(key: str, runs: Mapping[str, RunFiles]) -> list[str]:
    """The differences between the runs that change this figure's meaning; empty if it means the same in all.

    Differences are options, entries of evaluation protocols and, for times, facts about the machines.
    key: of a table, "likelihood/bound" or "test/gen/pbp". runs: those that have the figure.
    """
    each = list(runs.values())
    if key in TIMES:
        return differing(of_data(), each) + [
            fact for fact in MACHINE if len({words(run.environment.get(fact)) for run in each}) > 1
        ]
    split, _, rest = key.partition("/")
    term = rest if split in ("test", "train") else key
    behind = [*of_data(), *options_behind_figures().get(term, ())]
    if "disc" in behind:  # together with all options that build and train it
        of_d = {name for run in each for name in run.config if name.startswith(DISC_PREFIX)}
        behind += sorted(of_d - {"disc_weight"})
    if split == "train":
        behind += options(lambda nature: nature.images == "training")
        behind += DISC_INPUT if "adv" in behind else ()
    return differing(dict.fromkeys(behind), each) + list(_protocol_keys(split, runs))


def doubt_of(differing: Collection[str]) -> str:
    """The note in a table on a figure whose meaning differs between runs; empty if it does not differ."""
    return f"does not compare: other {', '.join(differing)}" if differing else ""


def doubts_of_curves(runs: Mapping[str, RunFiles]) -> Callable[[str], str]:
    """A function from a key of metrics.jsonl to the note on its curves, as `doubt_of`."""

    def doubt(key: str) -> str:
        having = {label: run for label, run in runs.items() if any(key in each for each in run.records)}
        return doubt_of(unlike(key, having))

    return doubt


def differing(names: Collection[str], runs: Collection[RunFiles]) -> list[str]:
    """The options that are not the same in all runs."""
    return [name for name in names if len({repr(run.config.get(name)) for run in runs}) > 1]


def differences_in_data(runs: Collection[RunFiles]) -> list[str]:
    """The options that differ between the runs and decide which images are held out."""
    return differing(of_data(), runs)


def differing_protocols(runs: Mapping[str, RunFiles]) -> Iterator[tuple[str, str]]:
    """The sections whose figures were not measured alike in all runs, each with a sentence about it."""
    for name in dict.fromkeys(name for run in runs.values() for name in sections_of(run)):
        found = []
        for key, said in _protocol_keys(name, runs).items():
            labels = {text: [label for label in said if said[label] == text] for text in said.values()}
            listed = ", ".join(f"{text} ({'; '.join(those)})" for text, those in labels.items())
            found.append(f"{key}: {listed}")
        if found:
            yield name, f"These figures do not compare, since they were not taken alike; {'; '.join(found)}."


def sections_of(run: RunFiles) -> Mapping[str, Any]:
    """The sections of the run's evaluation by their names; empty without an evaluation."""
    return run.evaluation["sections"] if run.evaluation else {}


def is_own_judge(run: RunFiles, key: str) -> bool:
    """True if the network behind a figure of an evaluation also served in the run's loss.

    key: of a table, "distances/samples/frechet". The run cannot be best in such a figure.
    """
    return bool(sections_of(run).get(key.partition("/")[0], {}).get("own_judge"))


def _protocol_keys(section: str, runs: Mapping[str, RunFiles]) -> dict[str, dict[str, str]]:
    """The protocol entries of a section that differ, in words, each with its text in every run."""
    parts = {label: sections_of(run).get(section) for label, run in runs.items()}
    protocols = {label: part["protocol"] for label, part in parts.items() if part is not None}
    found = {}
    for key in dict.fromkeys(key for each in protocols.values() for key in each):
        said = {label: words(each[key]) if key in each else "none" for label, each in protocols.items()}
        if key not in OWN_TO_A_RUN and len(set(said.values())) > 1:
            found[key.replace("_", " ")] = said
    return found
