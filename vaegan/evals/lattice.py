"""The lattice that strided decoders leave in images: power at the frequencies of their strides.

Sharpness and high frequencies reward it; this figure does not reward sharpness.
"""

from typing import Any

import torch
from torch import Tensor

from vaegan.evals.material import Material
from vaegan.pixels import from_uint8
from vaegan.quantities import Quantity, add_all

APART = 2  # bins: a Hann window spreads a frequency over the next bin on both sides
SMALLEST_BIN = 4  # of a stride's frequency: the bin two below is then not one of the lowest
LEVELS = 16  # flat images, from black to white
BATCH = 256

add_all(
    "reconstruction",
    {
        "lattice": Quantity(
            "lattice, 1 as originals",
            better="lower",
            headline=True,
            text="power at the highest frequency, 1/2 cycle per pixel, over that two bins below it, divided "
            "by the same ratio of originals: about 1 without a lattice, above 1 with one, such as a "
            "checkerboard; sharpness does not raise it",
        ),
        "lattice_levels": Quantity(
            "lattice in grey levels",
            "of 255",
            better="lower",
            text="amplitude, about, of what reconstructions have at the highest frequency beyond that two "
            "bins below it: stripes or a checkerboard; from 1 on the eye finds it",
        ),
        "lattice_flat": Quantity(
            "lattice of flat images",
            better="lower",
            text=f"lattice in reconstructions of {LEVELS} flat grey images, where nothing hides a "
            "lattice, over that of held-out originals",
        ),
        "lattice_by_stride": Quantity(
            "lattice by stride",
            better="lower",
            text="lattice at the frequency of each stride of a decoder, in cycles per pixel",
        ),
    },
)


def lattice_figures(material: Material) -> dict[str, Any]:
    """The lattice in reconstructions; None where the originals or the flat images have no such power.

    Empty for images whose sides cannot be halved.
    """
    of_originals = line_excess(lattice_power(material.originals))
    if not of_originals:
        return {}
    levels = torch.linspace(0, 255, LEVELS).round().byte()
    flat = levels[:, None, None, None].expand(-1, *material.originals.shape[1:])
    power = lattice_power(material.reconstructions)
    found = line_excess(power)
    of_flat = line_excess(lattice_power(material.decode(material.encode(flat)[0])))

    def ratio(excess: dict[int, float | None], stride: int) -> float | None:
        above, below = excess[stride], of_originals[stride]
        return above / below if above is not None and below else None

    return {
        "lattice": ratio(found, 2),
        "lattice_levels": line_levels(power, material.reconstructions.shape[:2].numel()),
        "lattice_flat": ratio(of_flat, 2),
        "lattice_by_stride": {f"1/{stride}": ratio(found, stride) for stride in found},
    }


def lattice_power(images: Tensor) -> Tensor:
    """The power of uint8 images [N, C, H, W] at each frequency [H, W], summed over images and channels.

    Each channel's mean is taken off, and a Hann window removes the jumps at the borders.
    """
    height, width = images.shape[-2:]
    windows = [torch.hann_window(side, dtype=torch.float64) for side in (height, width)]
    window = windows[0][:, None] * windows[1]
    power = torch.zeros(height, width, dtype=torch.float64)
    for batch in images.split(BATCH):
        x = from_uint8(batch).double()
        mean = (x * window).sum((2, 3), keepdim=True) / window.sum()
        power += torch.fft.fft2((x - mean) * window).abs().square().sum((0, 1))
    return power


def line_levels(power: Tensor, n_channels: int) -> float:
    """The power at the highest frequency beyond that beside it, as a root mean square in grey levels of 255.

    power: [H, W], as of `lattice_power`. n_channels: images times channels in it. 0 if there is less than
    beside it. Stripes of +a and -a have 0.8 a, a checkerboard, which is in both directions, 1.15 a.
    """
    side = len(power)
    of_lines, line = power.sum(0) + power.sum(1), side // 2
    beside = (of_lines[line - APART] * of_lines[(line + APART) % side]).sqrt()
    of_window = torch.hann_window(side, dtype=torch.float64).square().sum() ** 2
    mean_square = (of_lines[line] - beside) / (n_channels * of_window * side**2)
    return 255 * mean_square.clamp(min=0).sqrt().item()


def line_excess(power: Tensor) -> dict[int, float | None]:
    """By stride s, the power at fx = 1/s and fy = 1/s over that of the lines two bins beside these.

    power: [H, W] of square images. The power of the two neighbours is averaged geometrically, so that a
    spectrum that falls or rises evenly gives about 1. None where they have no power.
    """
    side = len(power)
    of_lines = power.sum(0) + power.sum(1)  # by bin, in both directions
    found = {}
    for stride in (2**n for n in range(1, side.bit_length())):
        if side % stride == 0 and side // stride >= SMALLEST_BIN:
            line = side // stride
            beside = (of_lines[line - APART] * of_lines[(line + APART) % side]).sqrt().item()
            found[stride] = of_lines[line].item() / beside if beside > 0 else None
    return found
