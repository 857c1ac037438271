"""The figures that a table can have: those of evaluations, and the raw terms of metrics.jsonl."""

from functools import cache

import vaegan.losses  # noqa: F401  its terms bring their entries
from vaegan import quantities
from vaegan.errors import did_you_mean
from vaegan.evals.section import Meaning

ACCURACY = "disc_accuracy"
OF_RUNS = {
    "wall_s": Meaning("wall time of training, held-out images included", "s", "lower"),
    "images_per_s": Meaning("training images a second", "", "higher"),
    ACCURACY: Meaning("held-out images or pairs that D tells right after the last epoch, share"),
}
DEFAULT_METRICS = (
    "reconstruction/psnr",
    "reconstruction/excess_bce",
    "reconstruction/sharpness",
    "reconstruction/edge_correlation",
    "distances/reconstructions/frechet",
    "distances/samples/frechet",
    "detectability/accuracy",
    "test/gen/kl",
)
LIKELIHOOD = ("pbp", "kl", "bound", "nll_bound", "iw_bound", "bits_per_dim")
LISTS = ("kl_per_dim", "mig_per_factor", "class_shares")  # no single figures
# by the network that the distances were taken in, the same figure has two names
OTHER_NAMES = {"frechet": "fid", "kernel": "kid"}
SHORT = {  # for the head of a column
    "reconstruction/psnr": "PSNR",
    "reconstruction/ssim": "SSIM",
    "reconstruction/mse": "MSE",
    "reconstruction/pbp": "PBP loss",
    "reconstruction/excess_bce": "excess BCE",
    "reconstruction/sharpness": "sharpness",
    "reconstruction/edge_correlation": "edge correlation",
    "reconstruction/high_frequency_ratio": "high frequencies",
    "likelihood/iw_bound": "-log p(x), at most",
    "latents/active_units": "active units",
    "latents/knn_accuracy": "neighbours' accuracy",
    "distances/reconstructions/frechet": "Fréchet, reconstructions",
    "distances/samples/frechet": "Fréchet, samples",
    "distances/reconstructions/kernel": "kernel, reconstructions",
    "distances/samples/kernel": "kernel, samples",
    "distances/samples/precision": "precision, samples",
    "distances/samples/recall": "recall, samples",
    "distances/samples/coverage": "coverage, samples",
    "gan_figures/diversity": "diversity",
    "gan_figures/classes_covered": "classes covered",
    "detectability/accuracy": "a fresh D is right",
    "test/gen/pbp": "PBP loss, held out",
    "test/gen/pbp_excess": "PBP above its floor, held out",
    "test/gen/kl": "KL, held out",
    "test/gen/adv": "adversarial term, held out",
    "test/disc/adv": "D's loss, held out",
    "wall_s": "wall time",
    "images_per_s": "images/s",
    ACCURACY: "D's accuracy",
}


def check_metric(name: str) -> str | None:
    """What is wrong with a metric's name, if anything; terms are compared raw, never as weighed."""
    if name.endswith(("/total", "_weighted")):
        return "weighed by the arm's own weights, so that arms do not compare; take the raw terms"
    known = known_metrics()
    if name in known:
        return None
    return f"unknown metric; {did_you_mean(name, known)}Known: {', '.join(known)}."


@cache
def known_metrics() -> dict[str, Meaning]:
    """Every figure that a run may have, under its key in a table."""
    # half a second of imports, for what training does not need
    from vaegan.evals import detectability, distances, gan_figures, latents, reconstruction

    plain = {
        "reconstruction": reconstruction.MEANINGS,
        "likelihood": dict.fromkeys(
            LIKELIHOOD, Meaning("", "", "lower")
        ),  # what they are depends on the loss
        "latents": latents.MEANINGS,
        "gan_figures": gan_figures.MEANINGS,
        "detectability": detectability.MEANINGS,
    }
    known = {
        f"{name}/{key}": meaning
        for name, keys in plain.items()
        for key, meaning in keys.items()
        if not key.startswith(LISTS)
    }
    for of in ("reconstructions", "samples", "training"):
        known |= {f"distances/{of}/{key}": meaning for key, meaning in distances.MEANINGS.items()}
    terms = {key: each for key, each in quantities.entries() if each.section in quantities.LOSSES}
    for split in quantities.SPLITS:
        for key, each in terms.items():
            if split in each.splits and not key.endswith("/total"):
                known[f"{split}/{key}"] = Meaning(each.text or key, each.unit, each.better or "")
    return known | OF_RUNS
