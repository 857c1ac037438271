"""Pictures of runs as PNG files: images, errors, maps of latents; samples over epochs as a GIF."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from vaegan.files import write_whole
from vaegan.marks import save_figure, save_picture

SMALLEST_TILE = 96  # pixels a side; smaller images are enlarged by a whole factor
GAP = 2
SCALE_HEIGHT = 14  # pixels, for a colour scale and for the numbers below it
MOST_FRAMES = 60
LARGEST_ANIMATION = 5_000_000  # bytes
FRAME_MS = 300
LAST_FRAME_MS = 2000
LONGEST_CLASS = 14  # characters of a class's name, ten of which fit side by side
MOST_CLASSES = 20  # that colours and a legend can tell apart


def save_reconstructions(path: Path, pairs: Tensor) -> None:
    """A row of images above a row of their reconstructions; pairs: [2, N, C, H, W] in [0, 1]."""
    save_grid(path, pairs.flatten(0, 1), columns=pairs.shape[1])


def save_samples(path: Path, samples: Tensor) -> None:
    """A square of samples [N, C, H, W] in [0, 1]."""
    save_grid(path, samples, columns=math.isqrt(len(samples)))


def save_animation(path: Path, pictures: Sequence[Path]) -> None:
    """An endless animation of pictures of one size, in a file of at most 5 MB.

    Of very many pictures, evenly spaced ones are shown; large pictures are shrunk.
    """
    stride = -(-len(pictures) // MOST_FRAMES)
    shown = pictures[::-1][::stride][::-1]  # so that the last picture is included
    frames = [Image.open(picture).convert("RGB") for picture in shown]
    frames = _shrunk(frames, len(frames) * len(_animated(frames[-1:])))  # estimates the size of all from one
    while len(content := _animated(frames)) > LARGEST_ANIMATION:
        frames = _shrunk(frames, len(content))
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def _animated(frames: Sequence[Image.Image]) -> bytes:
    durations = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    content = io.BytesIO()
    options = {"append_images": frames[1:], "duration": durations, "loop": 0}
    frames[0].save(content, format="gif", save_all=True, **options)
    return content.getvalue()


def _shrunk(frames: list[Image.Image], size: int) -> list[Image.Image]:
    """Frames of `size` bytes in all, shrunk until they should take less than an animation may."""
    if size <= LARGEST_ANIMATION:
        return frames
    factor = math.sqrt(0.8 * LARGEST_ANIMATION / size)
    sides = [max(1, round(factor * side)) for side in frames[0].size]
    return [frame.resize(sides, Image.Resampling.BOX) for frame in frames]


def save_grid(
    path: Path, images: Tensor, columns: int, smallest: int = SMALLEST_TILE, largest: int | None = None
) -> None:
    """Images [N, C, H, W] in [0, 1] side by side, small ones enlarged with their pixels kept square.

    smallest, largest: pixels a side of an image, as `sized` has them.
    """
    picture = grid(sized(images.float().cpu(), smallest, largest), columns)
    save_picture(path, picture)


def sized(images: Tensor, smallest: int, largest: int | None = None) -> Tensor:
    """Images [N, C, H, W] resized for display.

    Images below `smallest` pixels a side are enlarged by a whole factor. Images above `largest` are shrunk to
    it, each pixel the mean of those that it replaces.
    """
    if largest is not None and images.shape[-1] > largest:
        return interpolate(images, (largest, largest), mode="area")
    scale = max(1, -(-smallest // images.shape[-1]))
    return images.repeat_interleave(scale, 2).repeat_interleave(scale, 3)


def grid(images: Tensor, columns: int) -> Image.Image:
    """Images [N, C, H, W] in [0, 1] side by side in one picture."""
    from torchvision.utils import make_grid

    pixels = make_grid(images, nrow=columns, padding=GAP, pad_value=1.0)
    return Image.fromarray(pixels.clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy())


def save_errors(path: Path, pairs: Tensor, top: float, largest: int) -> None:
    """Three rows: images, their reconstructions, and maps of the errors; below them the colour scale.

    The error of a pixel is |x_hat - x|, averaged over channels; colours run from dark at 0 to light at `top`.
    pairs: [2, N, C, H, W] in [0, 1]. top: the error with the lightest colour; larger errors have it too.
    largest: pixels a side of an image.
    """
    pairs = pairs.float().cpu()
    shown = sized(pairs.flatten(0, 1), SMALLEST_TILE, largest).expand(-1, 3, -1, -1)
    errors = sized((pairs[1] - pairs[0]).abs().mean(1, keepdim=True), SMALLEST_TILE, largest)[:, 0]
    images = grid(torch.cat([shown, _coloured(errors / top)]), pairs.shape[1])
    picture = Image.new("RGB", (images.width, images.height + 2 * SCALE_HEIGHT + 3 * GAP), "white")
    picture.paste(images)
    bar = _coloured(torch.linspace(0, 1, images.width - 2 * GAP).expand(1, SCALE_HEIGHT, -1))
    picture.paste(grid(bar, 1), (0, images.height))
    pen, font, y = ImageDraw.Draw(picture), ImageFont.load_default(SCALE_HEIGHT - 2), picture.height - 1
    pen.text((GAP, y), "error 0", fill="black", font=font, anchor="ld")
    pen.text((picture.width - GAP, y), f"{top:.2g}", fill="black", font=font, anchor="rd")
    save_picture(path, picture)


def _coloured(values: Tensor) -> Tensor:
    """Values [N, H, W] -> colours [N, 3, H, W], dark at 0, light from 1 on, readable for the colour-blind."""
    from matplotlib import colormaps

    return torch.from_numpy(colormaps["magma"](values.clamp(0, 1).numpy())[..., :3]).permute(0, 3, 1, 2)


def save_maps(
    path: Path, maps: Mapping[str, Tensor], labels: Tensor | None, names: Sequence[str] | None = None
) -> None:
    """Points in the plane, a panel for each of the maps, coloured by class, with a legend for up to 20.

    maps: [N, 2] by title. labels: [N], whole numbers; None for grey points. names: of the labels 0, 1, ...
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(maps), 4.4), layout="constrained")
    classes = [] if labels is None else labels.unique().tolist()
    palette = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    for place, (title, points) in enumerate(maps.items(), start=1):
        axes = figure.add_subplot(1, len(maps), place, title=title, xticks=[], yticks=[])
        axes.set_aspect("equal", adjustable="datalim")
        if not classes:
            axes.scatter(*points.T, s=6, color="grey")
        elif len(classes) > MOST_CLASSES:
            axes.scatter(*points.T, s=6, c=labels, cmap="viridis")
        else:
            for colour, each in enumerate(classes):
                axes.scatter(
                    *points[labels == each].T,
                    s=6,
                    color=palette(colour),
                    label=_shortened(names[each]) if names else str(each),
                )
    if 0 < len(classes) <= MOST_CLASSES:
        handles = figure.axes[0].get_legend_handles_labels()
        figure.legend(*handles, loc="outside lower center", ncols=10, markerscale=2, title="class")
    save_figure(path, figure)


def _shortened(name: str) -> str:
    """A class's name as a legend has room for it; no formula for matplotlib, and not left out for its "_"."""
    short = name if len(name) <= LONGEST_CLASS else f"{name[: LONGEST_CLASS - 1]}…"
    return re.sub(r"^_", "\u200b_", short.replace("$", r"\$"))
