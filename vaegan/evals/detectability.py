"""Trains a fresh discriminator to test whether a run's images can be told from originals."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.evals.material import Material
from vaegan.evals.section import Section
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.pixels import to_model_range
from vaegan.quantities import Quantity, add_all
from vaegan.run.trained import BATCH
from vaegan.seeds import generator_for, seed_for, seed_torch
from vaegan.training.portions import Portions

NETWORK = "conv"
STEPS = 300
PAIRS = 32  # in a batch: 32 originals and 32 fakes
LR = 1e-3
FEWEST = 2  # images in each half
FEW = 200  # originals to learn from

FIGURES = add_all(
    "detectability",
    {
        "accuracy": Quantity(
            "a fresh D is right",
            better="lower",
            headline=True,
            text="share of unseen images that a fresh D judges rightly; 0.5: it cannot tell",
        ),
        "accuracy_originals": Quantity("a fresh D is right on originals", text="the same of originals alone"),
        "accuracy_fakes": Quantity("a fresh D is right on fakes", text="the same of fakes alone"),
        "accuracy_error": Quantity(
            "standard error of a fresh D's accuracy", text="binomial standard error of the accuracy"
        ),
        "accuracy_trained_on": Quantity(
            "a fresh D is right on what it was trained on",
            text="its accuracy on the images that it was trained on",
        ),
    },
)


def evaluate_detectability(
    material: Material, fresh: Callable[[], nn.Module | None] | None = None
) -> Section:
    """A fresh discriminator's accuracy on the second half of the held-out images, trained on the first half.

    Fakes are the reconstructions of these images, or a GAN's samples. fresh: gives that discriminator; None
    for one that is trained here.
    """
    originals, fakes = material.originals, _fakes(material)
    half = len(originals) // 2
    protocol = material.protocol(
        fakes="reconstructions" if material.reconstructs else "samples from the prior",
        discriminator=f"{NETWORK}, group norm, {STEPS} steps of {PAIRS} originals and {PAIRS} fakes",
        trained_on=f"the first {half:,} originals and their fakes",
        tested_on=f"the other {len(originals) - half:,} originals and their fakes",
        pixels="8 bits each, of originals and fakes alike",
    )
    disc = fresh_discriminator(material) if fresh is None else fresh()
    if disc is None:
        values = dict.fromkeys(FIGURES)
        warning = f"{len(originals):,} held-out images are too few to train a discriminator"
        return Section("detectability", "Detectability", protocol, values, [warning])
    on_originals = (logits_of(disc, originals[half:]) > 0).double()
    on_fakes = (logits_of(disc, fakes[half:]) <= 0).double()
    accuracy = torch.cat([on_originals, on_fakes]).mean().item()
    seen = torch.cat([logits_of(disc, originals[:half]) > 0, logits_of(disc, fakes[:half]) <= 0])
    values = {
        "accuracy": accuracy,
        "accuracy_originals": on_originals.mean().item(),
        "accuracy_fakes": on_fakes.mean().item(),
        "accuracy_error": math.sqrt(accuracy * (1 - accuracy) / (len(on_originals) + len(on_fakes))),
        "accuracy_trained_on": seen.double().mean().item(),
    }
    warnings = []
    if half < FEW:
        warnings.append(
            f"The discriminator has learned from {half:,} originals only; more might tell it more"
        )
    return Section("detectability", "Detectability", protocol, values, warnings)


def fresh_discriminator(material: Material) -> nn.Module | None:
    """A discriminator trained on the first half of the held-out images; None if they are too few."""
    half = len(material.originals) // 2
    if half < FEWEST:
        return None
    fakes = _fakes(material)
    return train_discriminator(material.originals[:half], fakes[:half], material.seed, material.device)


def _fakes(material: Material) -> Tensor:
    return material.reconstructions if material.reconstructs else material.samples


def train_discriminator(originals: Tensor, fakes: Tensor, seed: int, device: torch.device) -> nn.Module:
    """A discriminator trained from scratch on uint8 images [N, C, H, W]: originals and fakes in pairs."""
    _, channels, size, _ = originals.shape
    padded = size + -size % 4
    with torch.random.fork_rng(devices=[]):
        seed_torch(seed_for(seed, "evaluation", "discriminator"), torch.device("cpu"))
        network, _ = DISCRIMINATORS.find(NETWORK)
        # the cost is the same at every image size
        disc = network((channels, padded, padded), base_channels=max(8, 512 // padded), norm="group")
    disc = disc.to(device, memory_format=torch.channels_last).train()
    optim = torch.optim.Adam(disc.parameters(), lr=LR)
    lr_schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optim, STEPS)
    generator = generator_for(seed, "evaluation", "discriminator's batches")
    order = torch.empty(0, dtype=torch.long)
    for _ in range(STEPS):
        while len(order) < PAIRS:
            order = torch.cat([order, torch.randperm(len(originals), generator=generator)])
        batch, order = order[:PAIRS], order[PAIRS:]
        logits_real, logits_fake = disc(_shown(torch.cat([originals[batch], fakes[batch]]), device)).chunk(2)
        loss = F.softplus(-logits_real).mean() + F.softplus(logits_fake).mean()
        optim.zero_grad()
        loss.backward()
        optim.step()
        lr_schedule.step()
    return disc.eval()


@torch.no_grad()
def logits_of(disc: nn.Module, images: Tensor) -> Tensor:
    """D's logits [N] of images, uint8 or in [0, 1], on the CPU; above 0 means "an original"."""
    device = next(disc.parameters()).device
    return torch.cat(list(Portions(BATCH).of(lambda batch: disc(_shown(batch, device)).cpu(), images)))


def _shown(images: Tensor, device: torch.device) -> Tensor:
    """Images [B, C, H, W] -> [-1, 1] on the device, padded if the size is not a multiple of 4.

    images: uint8, or in [0, 1].
    """
    x = to_model_range(images.to(device), "pm1")
    margin = -x.shape[-1] % 4
    return F.pad(x, (0, margin, 0, margin)) if margin else x
