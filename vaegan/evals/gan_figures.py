"""GAN metrics: estimates of divergences, diversity of samples, coverage of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from vaegan.evals.classifier import Classifier
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.pixels import from_uint8
from vaegan.quantities import Quantity, add_all
from vaegan.seeds import generator_for
from vaegan.training.pictures import spread

ESTIMATES = {"jsd": "test/disc/jsd", "w1": "test/disc/w1", "w1_up_to_scale": "test/disc/w1_up_to_scale"}
SPREAD_OF = 500  # images whose pairwise distances are measured
COVERED = 10  # a class is covered from 1/COVERED of its share among originals on
TRUSTED = 0.9  # accuracy below which a classifier gets a warning
IMAGES_A_CLASS = 10
SHOWN = 20  # classes named in a message

add_all(
    "gan_figures",
    {
        "jsd": Quantity(
            "Jensen-Shannon divergence, at least",
            "nats",
            better="lower",
            text="Jensen-Shannon divergence as D bounds it from below",
        ),
        "w1": Quantity(
            "Wasserstein-1 distance, estimated",
            better="lower",
            text="Wasserstein-1 distance as the critic bounds it from below",
        ),
        "w1_up_to_scale": Quantity(
            "Wasserstein-1 up to an unknown scale",
            format=".2g",
            better="lower",
            text="the critic's estimate of Wasserstein-1, up to an unknown factor",
        ),
        "diversity": Quantity(
            "diversity", text="mean distance of two samples over that of two originals; 1 when alike"
        ),
        "classes": Quantity(
            "classes", format=".0f", text="classes that the classifier finds among held-out originals"
        ),
        "classes_covered": Quantity(
            "classes covered by samples",
            format=".0f",
            better="higher",
            headline=True,
            text="of these, classes with at least a tenth of their share among samples",
        ),
        "class_shares": Quantity(
            "class shares of samples", text="share of samples in each class, by the classifier"
        ),
        "class_shares_of_originals": Quantity(
            "class shares of originals", text="share of held-out originals in each class, by the classifier"
        ),
        "class_kl": Quantity(
            "class shares' KL divergence",
            "nats",
            better="lower",
            text="divergence of samples' class shares from the originals'",
        ),
    },
)


def evaluate_gan_figures(
    material: Material, records: Sequence[Mapping[str, Any]], classifier: Classifier | None
) -> Section:
    """The last divergence estimates, the samples' diversity and, with a classifier, the covered classes.

    records: of the epochs, as in metrics.jsonl; those after the checkpoint are ignored.
    """
    values: dict[str, Any] = {}
    past = [record for record in records if record["epoch"] < material.trained.epochs]
    game = next((each for each in reversed(past) if ESTIMATES.values() & each.keys()), {})
    values |= {name: game[key] for name, key in ESTIMATES.items() if key in game}
    count = min(SPREAD_OF, len(material.originals))
    of_originals = spread(_picked(material.originals, count, material.seed))
    of_samples = spread(_picked(material.samples, count, material.seed))
    values["diversity"] = of_samples / of_originals if of_originals > 0 else None
    how: dict[str, Any] = {"diversity": f"pixels of {count:,} samples and as many originals"}
    warnings = []
    if game:
        how["estimates"] = f"by the run's D on held-out images after epoch {game['epoch'] + 1}"
    if classifier is not None:
        values |= class_figures(
            classifier.classify(material.samples)[0],
            classifier.classify(material.originals)[0],
            classifier.n_classes,
        )
        how["classes"] = (
            f"{classifier.name}; originals are classified, too; a class is covered from 1/{COVERED} of its "
            "share among originals on; for the divergence half an image is added to each class"
        )
        if names := material.test.classes:
            more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
            how["class_names"] = ", ".join(names[:SHOWN]) + more
        warnings = class_warnings(classifier, len(material.originals))
    return Section("gan_figures", "Samples", material.protocol(**how), values, warnings)


def class_figures(samples: Tensor, originals: Tensor, n_classes: int) -> dict[str, Any]:
    """The classes that samples cover, from the classes [N] of samples and of originals.

    A class is covered if its share of the samples is at least a tenth of its share of the originals; classes
    without originals do not count. The divergence is KL(samples || originals), with half an image added to
    each class to keep it finite.
    """
    drawn, there = (torch.bincount(each, minlength=n_classes).double() for each in (samples, originals))
    shares, due = drawn / drawn.sum(), there / there.sum()
    p, q = ((counts + 0.5) / (counts + 0.5).sum() for counts in (drawn, there))
    return {
        "classes": int((there > 0).sum()),
        "classes_covered": int(((there > 0) & (COVERED * drawn * there.sum() >= there * drawn.sum())).sum()),
        "class_kl": (p * (p / q).log()).sum().item(),
        "class_shares": shares.tolist(),
        "class_shares_of_originals": due.tolist(),
    }


def class_warnings(classifier: Classifier, n: int) -> list[str]:
    """Reasons to doubt the figures of classes from n samples."""
    warnings = []
    if classifier.accuracy < TRUSTED:
        warnings.append(
            f"The classifier is right on only {100 * classifier.accuracy:.1f} % of held-out images; classes "
            "of samples are as uncertain, or more"
        )
    if n < IMAGES_A_CLASS * classifier.n_classes:
        warnings.append(
            f"{n:,} samples are few for {classifier.n_classes} classes: some are missed by chance"
        )
    return warnings


def _picked(images: Tensor, count: int, seed: int) -> Tensor:
    """`count` of the uint8 images, in [0, 1]."""
    order = torch.randperm(len(images), generator=generator_for(seed, "evaluation", "spread"))
    return from_uint8(images[order[:count]])
