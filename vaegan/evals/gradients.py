"""Each loss term's gradient at the pixels of held-out images: its share, and what it asks for."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.config.build import build_objective
from vaegan.evals.detectability import logits_of
from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.nets.players import image_logits
from vaegan.objective.balance import pixel_gradients
from vaegan.objective.objective import Objective
from vaegan.objective.schedule import WARMUP
from vaegan.objective.terms import TERMS, registered_terms
from vaegan.pixels import activation_slope, to_model_range, to_unit_range
from vaegan.quantities import Quantity, add_all, find
from vaegan.seeds import generator_for, seed_for, seed_torch
from vaegan.training.held_out import auc

MOST_IMAGES = 256
FEWEST = 2  # images: batch norm in D has no deviation of a single one
PBP = "pbp"
LEARNED = "learned"  # stands for the sum of all terms that depend on D
STEP = 0.1  # of the distance to the original


def _figures(name: str, title: str) -> dict[str, Quantity]:
    """The quantities of a term."""
    return {
        f"{name}/share": Quantity(
            f"{title}, share of the gradient",
            "share",
            text="weighted norm of its gradient at the pixel logits over the sum of all such norms",
        ),
        f"{name}/cosine": Quantity(
            f"{title}, cosine of its gradient with the PBP loss's",
            text="cosine of its gradient with the PBP loss's, mean over images: 0 asks for something else, "
            "below 0 for the opposite",
        ),
        f"{name}/agreeing": Quantity(
            f"{title}, agreeing part of its gradient",
            "share",
            text="part of each image's gradient that points along the PBP loss's: the cosine, 0 where it is "
            "negative, mean over images",
        ),
    }


def _title(name: str) -> str:
    return find(f"gen/{name}").title.removesuffix(", unweighted")


def _of_terms(names: Sequence[str]) -> dict[str, Quantity]:
    """The quantities of the terms of these names, and those of the sum of D's."""
    found = {}
    for name in names:
        found |= _figures(name, _title(name))
    return found | _figures(LEARNED, "learned loss in all")


add_all(
    "gradients",
    {
        **_of_terms([term.name for term in registered_terms() if term.by_gradient]),
        "auc": Quantity(
            "D's ranking (AUC) on these images",
            "share",
            text="share of pairs of an original and a fake in which the run's D prefers the original; "
            "0.5 is chance",
        ),
        f"{LEARNED}/step": Quantity(
            "learned loss, step before a fresh D",
            "ratio",
            text="rise of a fresh D's logit when a reconstruction moves along the learned loss by "
            f"{STEP:.0%} of its distance to the original, beyond that of random steps as long, over that of "
            "such a step straight to the original: 0 convinces as noise does, 1 as the original",
        ),
    },
)


@dataclass(frozen=True)
class Pulls:
    """Each term's gradient on a batch of images.

    pixel_logits, x_hat: of their reconstructions, [B, C, H, W], x_hat in the model's range.
    gradients: by term, of each image's own loss at the pixel logits, unweighted: [B, C, H, W], or
    [2B, C, H, W] if terms also act on samples, which come last. logits: D's of the originals and of the
    fakes, [B] or [B, h, w]; None without a D.
    """

    pixel_logits: Tensor
    x_hat: Tensor
    gradients: dict[str, Tensor]
    logits: tuple[Tensor, Tensor] | None


@dataclass(frozen=True)
class LastWeights:
    """The weights of a run's terms in its last epoch, from the records.

    weights: by term of `gen`. phase: that of the epoch, "solo", "warmup" or "combo".
    """

    weights: Mapping[str, float]
    phase: str
    epoch: int

    @classmethod
    def of(cls, records: Sequence[Mapping[str, Any]], epochs: int) -> "LastWeights | None":
        """Those of the last of the records with an epoch below `epochs`; None if there is none."""
        past = [record for record in records if record["epoch"] < epochs]
        if not past:
            return None
        first = "weight/gen/"
        weights = {key.removeprefix(first): w for key, w in past[-1].items() if key.startswith(first)}
        return cls(weights, past[-1].get("phase", ""), past[-1]["epoch"])

    @property
    def solo(self) -> bool:
        """True for a solo epoch, in which the VAE does not hear of D."""
        return self.phase in ("solo", WARMUP)


def has_pulls(material: Material) -> bool:
    """True for a VAE with a discriminator."""
    return material.reconstructs and material.players.disc is not None


def pulls(
    material: Material, weights: Mapping[str, float], images: Tensor, sampled: bool = True
) -> Iterator[Pulls]:
    """The pulls on images (uint8 [N, C, H, W]), in batches no larger than in training.

    weights: of the terms to measure, whose weight is not 0; the PBP loss is measured in any case. sampled:
    True for reconstructions from a sample of the posterior, as in training; False for its mean.
    """
    trained, players = material.trained, material.players
    objective = build_objective(trained.config, players)
    names = [name for name in objective.terms["gen"] if weights.get(name) or name == PBP]
    noise = torch.zeros(len(images), players.latent_dim)
    if sampled:
        noise = material.noise(len(images), "gradients")
    prior = material.noise(len(images), "gradients, samples")
    # as even as possible: the logits of a D with batch norm depend on the batch
    portions = -(-len(images) // trained.portions.size)
    devices = [] if material.device.type == "cpu" else [material.device]
    for number, parts in enumerate(
        zip(*(each.chunk(portions) for each in (images, noise, prior)), strict=True)
    ):
        x, eps, latents = (each.to(material.device) for each in parts)
        with torch.random.fork_rng(devices, device_type=material.device.type), torch.enable_grad():
            seed_torch(seed_for(material.seed, "evaluation", "gradients", number), material.device)
            yield _pulls(objective, to_model_range(x, players.pixel_range), eps, latents, names)


def _pulls(objective: Objective, x: Tensor, noise: Tensor, prior: Tensor, names: Sequence[str]) -> Pulls:
    options = {} if objective.fakes == "reconstructions" else {"prior_noise": prior}
    views = objective.views(x, noise, **options)
    terms = objective.play("gen", views, dict.fromkeys(names, 1.0), cut=True)
    gradients = {name: len(x) * each for name, each in pixel_gradients(terms, views.ends).items()}
    logits = None if views.players.disc is None else (views.logits_real, views.logits_fake)
    judged = logits and tuple(each.detach() for each in logits)
    return Pulls(views.pixel_logits.detach(), views.x_hat.detach(), gradients, judged)


def learned_terms(names: Sequence[str]) -> list[str]:
    """Those of the terms of `gen` that depend on D."""
    return [name for name in names if "disc" in TERMS.find(f"gen/{name}")[0].needs]


def evaluate_gradients(
    material: Material, records: Sequence[Mapping[str, Any]], fresh: Callable[[], nn.Module | None]
) -> Section | None:
    """Shares, cosines and agreeing parts of the terms with the weights of the run's last epoch.

    records: of the epochs, as in metrics.jsonl; those after the checkpoint are ignored. fresh: gives a
    discriminator that was trained on the first half of the held-out images, if there is one. None for a run
    without a VAE or without a discriminator.
    """
    if not has_pulls(material):
        return None
    images = material.originals[len(material.originals) // 2 :][:MOST_IMAGES]
    last = LastWeights.of(records, material.trained.epochs)
    if last is None or len(images) < FEWEST:
        why = "There is no record of the epoch" if last is None else "There are too few held-out images"
        return Section("gradients", "Gradients", material.protocol(), {"auc": None}, [why])
    found = list(pulls(material, last.weights, images))
    figures = measured(found, last.weights)
    figures[f"{LEARNED}/step"] = step_before(fresh(), images, found, last.weights, material)
    names = [name for name in figures_by_term(figures) if name != LEARNED]
    protocol = material.protocol(
        images=f"{len(images):,} held-out ones, the first of the second half, in batches of "
        f"{len(found[0].x_hat)}",
        reconstructions="from a sample of each posterior, as in training",
        weights_of_terms={name: weight for name, weight in last.weights.items() if name in names},
        weights_from=f"the mean over epoch {last.epoch + 1}",
        discriminator="the checkpoint's, in evaluation mode, on clean images",
        fresh_discriminator="that of the section on detectability",
    )
    warnings = []
    if last.solo:
        warnings.append(
            "The run ended in its solo epochs: the VAE has not heard of the discriminator yet, so the "
            "learned loss has no share"
        )
    return Section("gradients", "Gradients", protocol, figures, warnings, own=_of_terms(names))


def figures_by_term(figures: Mapping[str, float | None]) -> dict[str, dict[str, float | None]]:
    """The figures "adv/share" under "adv" and "share"."""
    found: dict[str, dict[str, float | None]] = {}
    for key, value in figures.items():
        name, _, what = key.partition("/")
        if what:
            found.setdefault(name, {})[what] = value
    return found


def measured(found: Sequence[Pulls], weights: Mapping[str, float]) -> dict[str, float | None]:
    """The figures of all batches: "adv/share", "adv/cosine", ..., "auc".

    A cosine is None for a term without a gradient at reconstructions, where the PBP loss acts.
    """
    names = list(found[0].gradients)
    of_d = learned_terms(names)
    norms = {name: sum(_norms(each.gradients[name]).sum().item() for each in found) for name in names}
    weighted = {name: weights.get(name, 0.0) * norm for name, norm in norms.items()}
    total = sum(weighted.values()) or 1.0
    figures: dict[str, float | None] = {}
    for name in names:
        figures[f"{name}/share"] = weighted[name] / total
        if name != PBP:
            figures |= _direction(name, found, {name: 1.0})
    figures[f"{LEARNED}/share"] = sum(weighted[name] for name in of_d) / total
    figures |= _direction(LEARNED, found, {name: weights[name] for name in of_d})
    logits = [each.logits for each in found if each.logits is not None]
    if logits:
        real, fake = (torch.cat([image_logits(each[side]) for each in logits]) for side in (0, 1))
        figures["auc"] = auc(real, fake)
    return figures


def _direction(name: str, found: Sequence[Pulls], weights: Mapping[str, float]) -> dict[str, float | None]:
    """Cosine and agreeing part of a weighted sum of terms, means over images; None without a gradient."""
    cosine = agreeing = None
    sums = [summed(each, weights) for each in found]
    if any(each.any() for each in sums):
        rows = [
            F.cosine_similarity(here.flatten(1), each.gradients[PBP][: len(here)].flatten(1), eps=0)
            for here, each in zip(sums, found, strict=True)
        ]
        cosines = torch.cat(rows).nan_to_num(0).double()
        cosine, agreeing = cosines.mean().item(), cosines.clamp(min=0).mean().item()
    return {f"{name}/cosine": cosine, f"{name}/agreeing": agreeing}


def summed(each: Pulls, weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of terms' gradients at the pixel logits of reconstructions, [B, C, H, W]."""
    n = len(each.x_hat)
    zero = torch.zeros_like(each.gradients[PBP][:n])
    return sum((weight * each.gradients[name][:n] for name, weight in weights.items()), zero)


def _norms(gradient: Tensor) -> Tensor:
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1).double()


def step_before(
    fresh: nn.Module | None,
    originals: Tensor,
    found: Sequence[Pulls],
    weights: Mapping[str, float],
    material: Material,
) -> float | None:
    """The rise of a fresh D's logits by a step along the learned loss, over that by one to the originals.

    All steps change each reconstruction by as much. The rise by noise, which has detail, too, is taken off.
    originals: uint8 [N, C, H, W], in the order of `found`. None without a fresh D or without a learned
    gradient, and if a step to the originals does not raise the logits.
    """
    of_d = {name: weights[name] for name in learned_terms(list(found[0].gradients))}
    slopes = torch.cat([activation_slope(each.pixel_logits, material.players.pixel_range) for each in found])
    pull = -slopes * torch.cat([summed(each, of_d) for each in found])
    if fresh is None or not pull.any():
        return None
    x_hat = torch.cat([to_unit_range(each.x_hat, material.players.pixel_range) for each in found])
    error = to_model_range(originals.to(x_hat.device), "01") - x_hat
    size = STEP * _norms(error).float()

    def rise(direction: Tensor) -> float:
        length = size / _norms(direction).float().clamp(min=torch.finfo(torch.float32).tiny)
        moved = (x_hat + length.view(-1, 1, 1, 1) * direction).clamp(0, 1)
        return (logits_of(fresh, moved) - logits_of(fresh, x_hat)).double().mean().item()

    straight = rise(error)
    if straight <= 0:
        return None
    generator = generator_for(material.seed, "evaluation", "random steps")
    noise = slopes * torch.randn(x_hat.shape, generator=generator).to(x_hat.device)
    return (rise(pull) - (rise(noise) + rise(-noise)) / 2) / straight
