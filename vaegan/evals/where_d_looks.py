"""The picture of what each loss term would change in reconstructions, and of what D makes of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from vaegan.evals.gradients import PBP, LastWeights, Pulls, has_pulls, pulls
from vaegan.evals.material import Material
from vaegan.evals.pictures import LARGEST, Picture
from vaegan.figures.labelled_rows import plain_colours, save_rows, signed_colours
from vaegan.nets.players import image_logits
from vaegan.pixels import from_uint8, in_8bit, to_unit_range
from vaegan.quantities import find
from vaegan.training.pictures import N_REFERENCE

FILE = "where_d_looks.png"
SCALED_TO = 0.99  # the quantile of a row's values that has the strongest colour
SHORT = {
    PBP: "PBP loss",
    "adv": "D's score",
    "feature_matching": "D's features",
    "perceptual": "frozen network",
}


def draw_where_d_looks(
    material: Material, records: Sequence[Mapping[str, Any]], folder: Path
) -> Picture | None:
    """Draws the picture into the run's `figures`; None for a run without a VAE or without a discriminator.

    records: of the epochs, as in metrics.jsonl.
    """
    last = LastWeights.of(records, material.trained.epochs) if has_pulls(material) else None
    if last is None:
        return None
    # with a batch around them as in training, on which the logits of a D with batch norm depend
    found = next(pulls(material, last.weights, material.originals[: material.trained.portions.size], False))
    originals = material.originals[:N_REFERENCE]
    shown = to_unit_range(found.x_hat[:N_REFERENCE], material.players.pixel_range)
    rows = [("originals", from_uint8(originals)), ("reconstructions", shown)]
    scales = []
    for name, change in _changes(found, last.weights).items():
        top = _top(change)
        label = SHORT.get(name) or find(f"gen/{name}").title.removesuffix(", unweighted")
        rows.append((label, signed_colours(change, top)))
        scales.append(f"{label} {top:.2g}")
    label, colours, said = _of_d(material, found)
    save_rows(folder / FILE, [*rows, (label, colours)], LARGEST)
    return Picture(
        FILE,
        "Where D looks",
        f"{len(rows) + 1} rows of {len(originals)}: originals, reconstructions, a map of each loss term's "
        "gradient, and a map of the discriminator.",
        "From the top: held-out images; what the posterior's mean decodes to; minus the gradient of each "
        f"weighted term at the pixel logits, summed over channels; {said} Red: a step along the term "
        "brightens the reconstruction there; blue: it darkens it. Each row has one scale, whose strongest "
        f"colours are {', '.join(scales)}: the term with the largest number pulls hardest. The PBP loss asks "
        "for what is missing. A learned loss that works pulls at details such as edges and hair; one that "
        "pulls everywhere alike, or in a grid, teaches noise.",
    )


def _changes(found: Pulls, weights: Mapping[str, float]) -> dict[str, Tensor]:
    """Minus each weighted term's gradient on the reference images, summed over channels: [N, H, W].

    Terms without a gradient at reconstructions are left out: the score of a D that sees samples alone.
    """
    maps = {
        name: -weights.get(name, 0.0) * gradient[: len(found.x_hat)][:N_REFERENCE].sum(1)
        for name, gradient in found.gradients.items()
    }
    return {name: each for name, each in maps.items() if each.any()}


def _of_d(material: Material, found: Pulls) -> tuple[str, Tensor, str]:
    """The last row: its label, its colours [N, 3, h, w], and what it shows.

    D's map of logits of reconstructions if it gives one, else the size of the gradient of its logit.
    """
    players = material.players
    with torch.enable_grad():
        x_hat = found.x_hat.clone().requires_grad_()
        shown = in_8bit(x_hat, players.pixel_range) if players.disc_sees_8bit else x_hat
        logits = players.discriminate(shown)
        if logits.dim() == 1:
            (slope,) = torch.autograd.grad(image_logits(logits).sum(), x_hat)
    if logits.dim() > 1:
        maps = logits.detach()[:N_REFERENCE]
        low, top = maps.min().item(), maps.max().item()
        grown = interpolate(maps[:, None], found.x_hat.shape[-2:], mode="nearest")[:, 0]
        said = (
            f"D's map of logits, from {low:.2g} (dark: it takes the place for a reconstruction's) to "
            f"{top:.2g} (light: for an original's)."
        )
        return "D's logits", plain_colours(grown, low, top), said
    size = torch.linalg.vector_norm(slope[:N_REFERENCE], dim=1)
    top = _top(size)
    said = f"the size of the gradient of D's logit at each pixel, from 0 (dark) to {top:.2g} (light)."
    return "D's gradient", plain_colours(size, 0.0, top), said


def _top(values: Tensor) -> float:
    """The value with the strongest colour."""
    return values.abs().flatten().float().cpu().quantile(SCALED_TO).item() or 1.0
