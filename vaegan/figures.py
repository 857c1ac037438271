"""Pictures of a run as PNG files: reconstructions, samples, curves."""

import math
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from vaegan.files import write_whole
from vaegan.losses.adversarial import DRAW
from vaegan.nets.players import Players
from vaegan.pixels import to_model_range, to_unit_range
from vaegan.seeds import generator_for

SMALLEST_TILE = 96  # pixels a side; smaller images are enlarged by a whole factor
GAP = 2
N_SAMPLES = 64
SAMPLE_SEED = 0  # the same noise in every run, so that runs with as many latents compare


@torch.no_grad()
def save_reconstructions(path: Path, players: Players, images: Tensor) -> None:
    """Images (uint8 [N, C, H, W]) in a row over their reconstructions from the posterior's mean."""
    players.eval()
    x = to_model_range(images, players.pixel_range)
    pair = torch.stack([x, players.reconstruct(x)]).flatten(0, 1)
    players.train()
    save_grid(path, to_unit_range(pair, players.pixel_range), columns=len(images))


@torch.no_grad()
def save_samples(path: Path, players: Players) -> None:
    """A square of images decoded from draws of the prior, the same draws each time."""
    players.eval()
    noise = torch.randn(N_SAMPLES, players.latent_dim, generator=generator_for(SAMPLE_SEED, "samples"))
    device = next(players.parameters()).device
    samples = players.pixels(players.decode(noise.to(device)))
    players.train()
    save_grid(path, to_unit_range(samples, players.pixel_range), columns=math.isqrt(N_SAMPLES))


def save_grid(path: Path, images: Tensor, columns: int) -> None:
    """Images [N, C, H, W] in [0, 1] side by side, small ones enlarged with their pixels kept square."""
    scale = max(1, -(-SMALLEST_TILE // images.shape[-1]))
    enlarged = images.float().cpu().repeat_interleave(scale, 2).repeat_interleave(scale, 3)
    picture = grid(enlarged, columns)
    write_whole(path, lambda temporary: picture.save(temporary, format="png"))


def grid(images: Tensor, columns: int) -> Image.Image:
    """Images [N, C, H, W] in [0, 1] side by side as one picture."""
    pixels = make_grid(images, nrow=columns, padding=GAP, pad_value=1.0)
    return Image.fromarray(pixels.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


PANELS = [
    # title, unit, keys of a record behind the split
    ("VAE: total", "loss an image", ["gen/total"]),
    ("VAE: PBP", "loss an image", ["gen/pbp"]),
    ("VAE: KL", "nats an image", ["gen/kl"]),
    ("Discriminator: total", "nats", ["disc/total"]),
    ("Discriminator: accuracy", "share right", ["disc/acc_real", "disc/acc_fake"]),
]
PANEL_COLUMNS = 3
LABELS = {"disc/acc_real": "originals", "disc/acc_fake": "reconstructions"}


def save_curves(path: Path, records: list[dict[str, Any]]) -> None:
    """The losses over the epochs, train and test, read from the records of metrics.jsonl.

    The discriminator's panel has a line at its draw; a dotted line stands where combo epochs begin.
    """
    panels = [panel for panel in PANELS if any(f"test/{panel[2][0]}" in record for record in records)]
    columns = min(len(panels), PANEL_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    first_combo = next((record["epoch"] for record in records if record["phase"] == "combo"), 0)
    for place, (title, unit, keys) in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for colour, key in enumerate(keys):
            for split, style in (("train", "-"), ("test", "--")):
                points = [(r["epoch"] + 1, r[f"{split}/{key}"]) for r in records if f"{split}/{key}" in r]
                if not points:  # a term that weighs nothing is not computed in training
                    continue
                label = f"{split} {LABELS.get(key, '')}".strip()
                axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", label=label, marker=".")
        if keys == ["disc/total"]:
            axes.axhline(DRAW, color="grey", linewidth=1)
            axes.annotate("draw", (0.01, DRAW), xycoords=("axes fraction", "data"), va="bottom", color="grey")
        elif first_combo and "disc" not in keys[0]:
            axes.axvline(first_combo + 0.5, color="grey", linestyle=":", linewidth=1)
        axes.set_title(title)
        axes.set_xlabel("epoch")
        axes.set_ylabel(unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    write_whole(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))
