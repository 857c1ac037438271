"""The verdict on a run in plain words, from stated rules on figures of held-out images.

docs/evaluation.md lists the rules, and the runs that their thresholds come from.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vaegan.errors import flag
from vaegan.evals.gradients import LastWeights
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.objective.weights.constant import Constant
from vaegan.quantities import Quantity, add_all
from vaegan.report.verdict import HEALTH, NOT_JUDGED, VERDICT, YES
from vaegan.training.alarms import LEAST_KL, LOWEST

ALL_WELL = "all well"
NOTHING_FOUND = "nothing wrong found"  # by some of the rules
FEWEST_IMAGES = 20  # held-out ones; with fewer, nearly every figure is noise

CANNOT_TELL = 0.6  # the AUC up to which D ranks hardly better than chance
CAN_BE_TOLD = 0.75  # a fresh D's accuracy from which there is something to learn
SILENT = 0.01  # of the gradient
DROWNING = 0.55  # of the gradient
SURE = 0.98  # D's AUC from which hardly a pair is in doubt
AGREES = 0.05  # the agreeing part below which the learned loss has nothing in common with the PBP loss
CONVINCES = 0.3  # of a step straight to the originals, before a fresh D, noise taken off
LATTICE = 2.0  # times the originals'
VISIBLE = 1.0  # grey levels of 255
TINTED = 8.0  # grey levels of 255

FIGURES = {
    "kl": "KL divergence",
    "active_units": "active latents",
    "diversity": "diversity of samples",
    "auc": "D's AUC",
    "fresh": "a fresh D's accuracy",
    "learned_share": "share of the learned loss",
    "other_share": "share of all but the PBP loss",
    "agreeing": "agreeing part of the learned loss",
    "step": "step before a fresh D",
    "tint": "tint",
    "lattice": "lattice",
    "lattice_levels": "lattice in grey levels",
}

Fact = float | str | None  # a figure, or the reason why there is none


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule. name: the verdict if it holds. said: the figures that it was judged by."""

    key: str
    name: str
    state: Literal["yes", "no", "not judged"]
    said: str

    def __str__(self) -> str:
        return f"{self.state}: {self.said}"


@dataclass(frozen=True)
class Rule:
    """One rule. name: the verdict if it holds. text: the condition in words.

    holds: from the figures that `shown` names, none of which is missing.
    shown: a format of these figures, ", " between those that stand by themselves.
    remedies: flags to try next, of which those that the run has are not named, and words.
    needs: the parts of a run to which it applies: "vae", "disc", and "pbp" for a PBP loss with a weight.
    """

    key: str
    name: str
    text: str
    figures: tuple[str, ...]
    holds: Callable[..., bool]
    shown: str
    remedies: tuple[str, ...]
    needs: tuple[str, ...] = ()

    def judge(self, facts: Mapping[str, Fact], tried: Collection[str] = ()) -> Finding:
        """The finding on a run's figures, by key of FIGURES; a figure that is absent was not taken.

        tried: the flags that the run has.
        """
        found = [facts.get(figure) for figure in self.figures]
        for figure, value in zip(self.figures, found, strict=True):
            if value is None or isinstance(value, str):
                why = value or f"there is no figure of {FIGURES[figure]}"
                return Finding(self.key, self.name, NOT_JUDGED, why)
        said = self.shown.format(*found)
        if self.holds(*found):
            left = [each for each in self.remedies if each.split()[0] not in tried]
            return Finding(self.key, self.name, YES, f"{said}; try {', or '.join(left)}")
        return Finding(self.key, self.name, "no", said)


RULES = (  # in order of gravity
    Rule(
        "posterior_collapse",
        "posterior collapse",
        f"the KL divergence is below {LEAST_KL:g} nats an image, or no latent is active: latents tell "
        "nothing of the image",
        ("kl", "active_units"),
        lambda kl, active: kl < LEAST_KL or active < 1,
        "KL divergence {:.3g} nats, {:.0f} active latents",
        ("a lower --beta", "more --epochs"),
        needs=("vae",),
    ),
    Rule(
        "sample_collapse",
        "sample collapse",
        f"the diversity of samples is below {LOWEST:g} of the originals': samples are nearly alike",
        ("diversity",),
        lambda diversity: diversity < LOWEST,
        "diversity of samples {:.3g} of the originals'",
        ("a lower --lr", "for a GAN, --adv wgan-gp", "for a VAE, a lower --beta or more --epochs"),
    ),
    Rule(
        "disc_never_learned",
        "D never learned",
        f"D ranks originals above fakes in less than {CANNOT_TELL:.0%} of the pairs, while a fresh D is "
        f"right on at least {CAN_BE_TOLD:.0%} of the images: there is something to tell, and D does not",
        ("auc", "fresh"),
        lambda auc, fresh: auc < CANNOT_TELL and fresh >= CAN_BE_TOLD,
        "D's AUC {:.3f}, a fresh D is right on {:.1%}",
        ("--r1 0.1 with --disc-norm none", "a higher --disc-lr", "another --disc"),
        needs=("disc",),
    ),
    Rule(
        "learned_silent",
        "learned loss silent",
        f"all terms of D together have less than {SILENT:.0%} of the gradient at the pixel logits",
        ("learned_share",),
        lambda share: share < SILENT,
        "share of the learned loss {:.2%}",
        ("--disc-weight 'share(0.2)'",),
        needs=("vae", "disc"),
    ),
    Rule(
        "learned_drowning",
        "learned loss drowning the PBP loss",
        f"all terms but the PBP loss together have more than {DROWNING:.0%} of the gradient at the pixel "
        "logits",
        ("other_share",),
        lambda share: share > DROWNING,
        "share of all but the PBP loss {:.1%}",
        ("lower weights of these terms, such as --disc-weight 'share(0.1)'",),
        needs=("vae", "disc", "pbp"),
    ),
    Rule(
        "disc_has_won",
        "D has won",
        f"D's AUC is at least {SURE:g}, and what it still teaches is next to nothing: less than "
        f"{AGREES:.0%} of the learned gradient points along the PBP loss's, and a step along it convinces a "
        f"fresh D less than {CONVINCES:g} times as much as one straight to the originals",
        ("auc", "agreeing", "step"),
        lambda auc, agreeing, step: auc >= SURE and agreeing < AGREES and step < CONVINCES,
        "D's AUC {:.3f}, agreeing part {:.3f}, step before a fresh D {:.2f}",
        (
            "--diffaug translation",
            "--r1 0.1 with --disc-norm none",
            "--feature-matching 'share(0.2)'",
            "--disc-sees-8bit true",
            "a lower --disc-lr",
        ),
        needs=("vae", "disc"),
    ),
    Rule(
        "tint",
        "tint",
        f"the mean colour of reconstructions differs from the originals' by {TINTED:g} grey levels or more "
        "in a channel: D's score asks for one colour in all images, and the decoder follows",
        ("tint",),
        lambda tint: tint >= TINTED,
        "tint {:.1f} grey levels",
        ("a lower --disc-weight, such as 'share(0.1)'", "--diffaug colour,translation", "more solo epochs"),
        needs=("vae", "disc"),
    ),
    Rule(
        "lattice",
        "lattice",
        f"reconstructions have a lattice over {LATTICE:g} times the originals', which the eye finds: an "
        f"amplitude of {VISIBLE:g} grey level or more",
        ("lattice", "lattice_levels"),
        lambda lattice, levels: lattice > LATTICE and levels >= VISIBLE,
        "lattice {:.2f} ({:.2f} grey levels)",
        (
            "--ema 0.99",
            "with a D, another --disc (smooth_conv blurs) or a lower --disc-weight, such as 'share(0.1)'",
        ),
        needs=("vae",),
    ),
)

add_all(
    HEALTH,
    {
        VERDICT: Quantity("verdict", text="verdict of the rules below, the gravest first"),
        **{rule.key: Quantity(rule.name, text=f"{rule.name}: {rule.text}") for rule in RULES},
    },
)


def evaluate_health(
    material: Material, sections: Mapping[str, Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> Section:
    """The verdict, and each rule's outcome with its figures.

    sections: the figures of the evaluation's other sections. records: of the epochs, as in metrics.jsonl.
    """
    config = material.trained.config
    there = {
        "vae": material.reconstructs,
        "disc": material.players.disc is not None,
        "pbp": config.pbp_weight != Constant(0.0),
    }
    facts = facts_of(material, sections, records)
    # the weight can be another one still
    tried = {flag(name) for name in config.to_dict()} - {flag("disc_weight")}
    findings = [rule.judge(facts, tried) for rule in RULES if all(there[part] for part in rule.needs)]
    values = {VERDICT: verdict_of(findings), **{each.key: str(each) for each in findings}}
    protocol = {"rules": "docs/evaluation.md explains them, and says where the thresholds come from"}
    return Section(HEALTH, "Health", protocol, values)


def verdict_of(findings: Sequence[Finding]) -> str:
    """The names of the rules that hold, the gravest first, or "all well"; then those that were not judged.

    With rules that were not judged nothing is known to be well: nothing wrong was found.
    """
    held, left = ([each.name for each in findings if each.state == state] for state in (YES, NOT_JUDGED))
    if len(left) == len(findings):
        return NOT_JUDGED
    verdict = "; ".join(held) or (NOTHING_FOUND if left else ALL_WELL)
    return f"{verdict} ({NOT_JUDGED}: {'; '.join(left)})" if left else verdict


def facts_of(
    material: Material, sections: Mapping[str, Mapping[str, Any]], records: Sequence[Mapping[str, Any]]
) -> dict[str, Fact]:
    """The figures of a run by key of FIGURES, or the reason why one means nothing here."""
    if len(material.originals) < FEWEST_IMAGES:
        return dict.fromkeys(FIGURES, f"{len(material.originals)} held-out images are too few")
    reconstruction, gradients = sections.get("reconstruction", {}), sections.get("gradients", {})
    pbp_share = gradients.get("pbp/share")
    facts: dict[str, Fact] = {
        "kl": sections.get("likelihood", {}).get("kl"),
        "active_units": sections.get("latents", {}).get("active_units"),
        "diversity": sections.get("gan_figures", {}).get("diversity"),
        "auc": gradients.get("auc"),
        "fresh": sections.get("detectability", {}).get("accuracy"),
        "learned_share": gradients.get("learned/share"),
        "other_share": None if pbp_share is None else 1 - pbp_share,
        "agreeing": gradients.get("learned/agreeing"),
        "step": gradients.get("learned/step"),
        "tint": reconstruction.get("tint"),
        "lattice": reconstruction.get("lattice"),
        "lattice_levels": reconstruction.get("lattice_levels"),
    }
    if "lattice_levels" in reconstruction and facts["lattice"] is None:
        facts["lattice"] = float("inf")  # originals without any power there
    return facts | dict(_reasons(material, records))


def _reasons(material: Material, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Fact]]:
    """Facts in place of figures of the evaluation that mean something else in this run."""
    config = material.trained.config
    if material.players.disc is None:
        return
    if not material.reconstructs:
        past = [record for record in records if record["epoch"] < material.trained.epochs]
        yield "auc", past[-1].get("test/disc/auc") if past else None
        return
    last = LastWeights.of(records, material.trained.epochs)
    if last is not None and last.solo:
        for figure in ("auc", "learned_share", "other_share"):
            yield figure, "the run ended in its solo epochs, without the learned loss"
    elif last is not None and not last.weights.get("pbp"):
        yield "other_share", "the PBP loss has no weight"
    if config.fakes == "samples":
        yield "fresh", "the run's D saw samples, and a fresh D reconstructions"
        yield "step", "the run's D saw samples, and a fresh D reconstructions"
