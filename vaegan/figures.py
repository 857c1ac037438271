"""Pictures of a run: reconstructions, samples, curves as PNG files, and samples over the epochs as a GIF."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from vaegan.files import write_whole

SMALLEST_TILE = 96  # pixels a side; smaller images are enlarged by a whole factor
GAP = 2
MOST_FRAMES = 60
FRAME_MS = 300
LAST_FRAME_MS = 2000


def save_reconstructions(path: Path, pairs: Tensor) -> None:
    """Images in a row over their reconstructions; pairs: [2, N, C, H, W] in [0, 1]."""
    save_grid(path, pairs.flatten(0, 1), columns=pairs.shape[1])


def save_samples(path: Path, samples: Tensor) -> None:
    """A square of samples [N, C, H, W] in [0, 1]."""
    save_grid(path, samples, columns=math.isqrt(len(samples)))


def save_animation(path: Path, pictures: Sequence[Path]) -> None:
    """Pictures of one size, one after the other without an end; of very many, some evenly spaced ones."""
    stride = -(-len(pictures) // MOST_FRAMES)
    shown = pictures[::-1][::stride][::-1]  # so that the last is among them
    frames = [Image.open(picture).convert("RGB") for picture in shown]
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    options = {"append_images": frames[1:], "duration": durations, "loop": 0}
    write_whole(path, lambda temporary: frames[0].save(temporary, format="gif", save_all=True, **options))


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


@dataclass(frozen=True)
class Panel:
    """One drawing of curves. keys: of a record, behind the split."""

    title: str
    unit: str
    keys: tuple[str, ...]


PANELS = (
    Panel("{gen}: total", "loss an image", ("gen/total",)),
    Panel("{gen}: PBP", "loss an image", ("gen/pbp",)),
    Panel("{gen}: KL", "nats an image", ("gen/kl",)),
    Panel("{gen}: adversarial, unweighted", "", ("gen/adv",)),
    Panel("Discriminator: loss, without penalties", "", ("disc/adv",)),
    Panel("Discriminator: terms", "", ("disc/real", "disc/fake", "disc/pairs")),
    Panel("Discriminator: penalties, unweighted", "", ("disc/gp", "disc/r1", "disc/r2")),
    Panel("Jensen-Shannon divergence, at least", "nats", ("disc/jsd",)),
    Panel("Wasserstein-1 estimate", "distance in the model's range", ("disc/w1",)),
    Panel("Wasserstein-1, up to an unknown scale", "critic's gap", ("disc/w1_up_to_scale",)),
    Panel("Discriminator: accuracy", "share right", ("disc/acc_real", "disc/acc_fake", "disc/acc_pairs")),
    Panel("Discriminator: saturated logits", "share", ("disc/saturated",)),
    Panel("Samples: distance over originals'", "ratio", ("gen/diversity",)),
)
PANEL_COLUMNS = 3
LABELS = {
    "disc/acc_real": "originals",
    "disc/acc_fake": "fakes",
    "disc/acc_pairs": "pairs",
    "disc/real": "originals",
    "disc/fake": "fakes",
    "disc/pairs": "pairs",
    "disc/gp": "gp",
    "disc/r1": "R1",
    "disc/r2": "R2",
}


def save_curves(path: Path, records: list[dict[str, Any]], draws: Mapping[str, float]) -> None:
    """The losses over the epochs, train and test, read from the records of metrics.jsonl.

    draws: what a term ("disc/real") is worth when D cannot tell; a grey line stands there. A dotted line
    stands where combo epochs begin.
    """
    seen = {key for record in records for key in record}
    panels = [panel for panel in PANELS if any(f"test/{key}" in seen for key in panel.keys)]
    gen = "Generator" if records[0]["phase"] == "gan" else "VAE"
    if gen == "Generator":  # its total is its one term
        panels = [panel for panel in panels if panel.keys != ("gen/total",)]
    columns = min(len(panels), PANEL_COLUMNS)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    first_combo = next((record["epoch"] for record in records if record["phase"] == "combo"), 0)
    for place, panel in enumerate(panels, start=1):
        axes = figure.add_subplot(rows, columns, place)
        for colour, key in enumerate(key for key in panel.keys if f"test/{key}" in seen):
            for split, style in (("train", "-"), ("test", "--")):
                points = [(r["epoch"] + 1, r[f"{split}/{key}"]) for r in records if f"{split}/{key}" in r]
                if not points:  # a term that weighs nothing is not computed in training
                    continue
                label = f"{split} {LABELS.get(key, '')}".strip()
                axes.plot(*zip(*points, strict=True), style, color=f"C{colour}", label=label, marker=".")
        for draw in sorted({draws[key] for key in panel.keys if key in draws and f"test/{key}" in seen}):
            axes.axhline(draw, color="grey", linewidth=1)
            axes.annotate("draw", (0.01, draw), xycoords=("axes fraction", "data"), va="bottom", color="grey")
        if first_combo and "disc" not in panel.keys[0]:
            axes.axvline(first_combo + 0.5, color="grey", linestyle=":", linewidth=1)
        axes.set_title(panel.title.format(gen=gen))
        axes.set_xlabel("epoch")
        axes.set_ylabel(panel.unit)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.legend()
    write_whole(path, lambda temporary: figure.savefig(temporary, format="png", dpi=110))
