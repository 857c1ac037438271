"""Which figures of several runs mean the same, and what keeps others from it."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from vaegan.config.knobs import DISC_PREFIX
from vaegan.config.schema import Balance, Data, Output, Tracking
from vaegan.report.rendering import words
from vaegan.run.reading import RunFiles

# how and where a run was made, not what it is
HOUSEKEEPING = {
    "device",
    "data_dir",
    "cache_dir",
    "memory_limit",
    *Output.model_fields,
    *Tracking.model_fields,
}
OF_TRAINING = ("train_images", "augment")  # which training images there are
DATA = [name for name in Data.model_fields if name not in {*HOUSEKEEPING, *OF_TRAINING}]  # and held-out ones
OWN_TO_A_RUN = ("weights", "seed", "pbp")  # of a protocol: they may differ between figures that compare
MACHINE = ("device_name", "threads", "processes")  # of an environment: times depend on them
TIMES = ("wall_s", "images_per_s")

PBP_LOSS = ("pbp", "pixel_range")  # in [-1, 1] a squared error is four times as large, a density half
GAME = ("adv", "label_smoothing")
WEIGHTS = ("beta", "pbp_weight", "pbp_decay", "pbp_decay_every", "disc_weight")
# a bound by the run's own D is as loose as that D is weak
OWN_D = ("adv", "disc", *(name for name in Balance.model_fields if name != "ema"))
SHOWN_TO_D = ("diffaug", "instance_noise")  # in training alone
# by a figure's key, without the split: the options that must be the same for figures to compare
OPTIONS = {
    **dict.fromkeys(("reconstruction/pbp", "gen/pbp", "gen/pbp_excess"), PBP_LOSS),
    **dict.fromkeys((f"likelihood/{key}" for key in ("pbp", "bound", "nll_bound", "iw_bound")), PBP_LOSS),
    **dict.fromkeys(("likelihood/iw_standard_error", "likelihood/bits_per_dim"), ("pbp",)),  # of any range
    **dict.fromkeys(("gen/adv", "disc/adv", "disc/real", "disc/fake", "disc/pairs", "disc/saturated"), GAME),
    **dict.fromkeys(("disc/gp", "disc/r1", "disc/r2"), ("pixel_range",)),  # slopes by a pixel's value
    **dict.fromkeys(("gan_figures/jsd", "disc/jsd"), OWN_D),
    **{
        f"{of}/{key}": (*OWN_D, "pixel_range")
        for of in ("gan_figures", "disc")
        for key in ("w1", "w1_up_to_scale")
    },
    "gen/total": (*PBP_LOSS, *GAME, *WEIGHTS),
    "disc/total": (*GAME, "gp", "r1", "r2", "penalty_every", "pixel_range"),
    "disc_accuracy": ("adv",),  # of images, or of pairs
}


def unlike(key: str, runs: Mapping[str, RunFiles]) -> list[str]:
    """In what the runs differ that this figure's meaning depends on: nothing where it is the same in all.

    Options, what evaluations say of how they took it, and for times what is known of the machines.
    key: of a table, "likelihood/bound" or "test/gen/pbp". runs: those that have the figure.
    """
    each = list(runs.values())
    if key in TIMES:
        return differing(DATA, each) + [
            fact for fact in MACHINE if len({words(run.environment.get(fact)) for run in each}) > 1
        ]
    split, _, rest = key.partition("/")
    term = rest if split in ("test", "train") else key
    options = [*DATA, *OPTIONS.get(term, ())]
    if "disc" in options:  # with all that it is made with and trained by
        of_d = {name for run in each for name in run.config if name.startswith(DISC_PREFIX)}
        options += sorted(of_d - {"disc_weight"})
    if split == "train":
        options += [*OF_TRAINING, *(SHOWN_TO_D if "adv" in options else ())]
    return differing(dict.fromkeys(options), each) + list(_protocol_keys(split, runs))


def doubt_of(differing: Collection[str]) -> str:
    """What a table says of a figure where the runs differ in that; nothing where they do not."""
    return f"does not compare: other {', '.join(differing)}" if differing else ""


def doubts_of_curves(runs: Mapping[str, RunFiles]) -> Callable[[str], str]:
    """The same of the runs' curves, by the key of metrics.jsonl."""

    def doubt(key: str) -> str:
        having = {label: run for label, run in runs.items() if any(key in each for each in run.records)}
        return doubt_of(unlike(key, having))

    return doubt


def differing(options: Collection[str], runs: Collection[RunFiles]) -> list[str]:
    """Those of the options in which the runs differ."""
    return [name for name in options if len({repr(run.config.get(name)) for run in runs}) > 1]


def differences_in_data(runs: Collection[RunFiles]) -> list[str]:
    """The options in which the runs differ, and from which it follows what is held out."""
    return differing(DATA, runs)


def differing_protocols(runs: Mapping[str, RunFiles]) -> Iterator[tuple[str, str]]:
    """The sections of which the runs' figures were not taken alike, each with a sentence that says so."""
    for name in dict.fromkeys(name for run in runs.values() for name in sections_of(run)):
        found = []
        for key, said in _protocol_keys(name, runs).items():
            labels = {text: [label for label in said if said[label] == text] for text in said.values()}
            listed = ", ".join(f"{text} ({'; '.join(those)})" for text, those in labels.items())
            found.append(f"{key}: {listed}")
        if found:
            yield name, f"These figures do not compare, since they were not taken alike; {'; '.join(found)}."


def sections_of(run: RunFiles) -> Mapping[str, Any]:
    """The sections of the run's evaluation by their names; none where there is no evaluation."""
    return run.evaluation["sections"] if run.evaluation else {}


def _protocol_keys(section: str, runs: Mapping[str, RunFiles]) -> dict[str, dict[str, str]]:
    """In what the protocols of a section differ, in words; with what each run that has the section says."""
    parts = {label: sections_of(run).get(section) for label, run in runs.items()}
    protocols = {label: part["protocol"] for label, part in parts.items() if part is not None}
    found = {}
    for key in dict.fromkeys(key for each in protocols.values() for key in each):
        said = {label: words(each[key]) if key in each else "none" for label, each in protocols.items()}
        if key not in OWN_TO_A_RUN and len(set(said.values())) > 1:
            found[key.replace("_", " ")] = said
    return found
