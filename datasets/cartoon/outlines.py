"""The outlines of faces and hair, as control points of splines: (x, y, sharpness) at a face_width of 1."""

import torch
from torch import Tensor

from vaegan.datasets.cartoon.canvas import Number

# the right half of the face, from the top down
ROUND_CHIN = "0 -.62 0, .34 -.56 0, .54 -.30 0, .585 .02 0, .57 .28 0, .50 .54 0, .30 .75 0, 0 .80 0"
POINTED_CHIN = "0 -.62 0, .34 -.56 0, .54 -.30 0, .585 .02 0, .55 .28 0, .42 .54 0, .16 .78 0, 0 .83 0"

# about the middle of an eye, in units of its half width and half height; the inner corner first
EYE = "-1 .2 .7, -.62 -.72 0, .08 -1 0, .72 -.68 0, 1 -.05 .7, .78 .66 0, .1 .95 0, -.62 .74 0"
# a right brow, from its inner end
BROW = "-.15 .02 .5, -.05 -.03 0, .06 -.035 0, .18 .0 1, .06 .02 0, -.06 .035 0"
# the light on the hair
SHINE = (
    "-.40 .10 1, -.30 -.05 1, -.26 .0 1, -.14 -.10 1, -.08 -.05 1, .04 -.12 1, .10 -.06 1, .22 -.10 1, "
    ".26 -.01 1, .36 .06 1, .24 .04 1, .18 .10 1, .08 .0 1, .0 .07 1, -.10 .01 1, -.18 .08 1, "
    "-.26 .04 1"
)

# hair around the head and behind it: the right half, from the top down to the middle of the neck
BACK = {
    "short": (
        "0 -.86 0, .22 -.85 0, .42 -.77 0, .58 -.62 0, .68 -.44 0, .73 -.22 0, .73 .02 0, .70 .2 0, "
        ".66 .36 1, .58 .32 0, .4 .36 0, 0 .36 0"
    ),
    "bob": (
        "0 -.88 0, .22 -.87 0, .43 -.79 0, .60 -.64 0, .71 -.44 0, .78 -.2 0, .82 .06 0, .86 .32 0, "
        ".86 .54 0, .74 .76 1, .4 .66 0, 0 .66 0"
    ),
    "long": (
        "0 -.88 0, .22 -.87 0, .43 -.79 0, .60 -.64 0, .70 -.44 0, .76 -.2 0, .78 .1 0, .80 .4 0, "
        ".86 .7 0, .94 1.2 0, .5 1.3 0, 0 1.3 0"
    ),
    "spiky": (
        "0 -.82 1, .30 -1.04 1, .42 -.80 1, .80 -.84 1, .70 -.50 1, 1.02 -.36 1, .78 -.12 1, 1.0 .10 1, "
        ".72 .18 1, .76 .46 1, .55 .34 1, 0 .35 0"
    ),
    "buns": (
        "0 -.84 0, .22 -.83 0, .42 -.75 0, .57 -.60 0, .66 -.42 0, .70 -.22 0, .68 0 0, .62 .16 0, "
        ".54 .26 0, .4 .3 0, .2 .3 0, 0 .3 0"
    ),
    "twin tails": (
        "0 -.86 0, .22 -.85 0, .42 -.77 0, .58 -.62 0, .67 -.44 0, .71 -.22 0, .69 0 0, .62 .16 0, "
        ".54 .26 0, .4 .3 0, .2 .3 0, 0 .3 0"
    ),
    "curly": (
        "0 -.86 1, .20 -.97 -.7, .38 -.80 1, .62 -.80 -.7, .68 -.56 1, .90 -.44 -.7, .84 -.18 1, "
        "1.0 .02 -.7, .86 .22 1, .96 .46 -.7, .68 .58 1, 0 .5 0"
    ),
}

# a tail or a bun on the right side of the head
TAILS = {
    "twin tails": (
        ".60 -.40 0, .74 -.58 0, .94 -.54 0, 1.06 -.2 0, 1.04 .25 0, .92 .72 1, .84 .40 0, .72 -.02 0"
    ),
    "buns": (
        ".68 -.82 0, .61 -.65 0, .44 -.58 0, .27 -.65 0, .20 -.82 0, .27 -.99 0, .44 -1.06 0, .61 -.99 0"
    ),
}

NO_TAIL = ", ".join(["0 0 0"] * 8)

# the lower edge of the hair beside the face, from the right border inwards
LOCKS = {
    "short": "1.3 .16 1, .62 -.06 1, .56 .24 1, .50 .0 0",
    "bob": "1.3 .9 1, .8 .9 1, .56 .86 1, .46 .2 0",
    "long": "1.3 1.5 1, .9 1.5 1, .62 1.4 1, .45 .2 0",
    "spiky": "1.3 .12 1, .63 -.04 1, .58 .30 1, .50 .0 0",
    "buns": "1.3 .12 1, .60 -.10 1, .57 .20 0, .53 .52 1",
    "twin tails": "1.3 .12 1, .61 -.10 1, .60 .30 0, .53 .70 1",
    "curly": "1.3 .28 1, .8 .28 1, .56 .42 0, .48 .1 0",
}

# the lower edge of the hair on the forehead, from right to left
FRINGES = {
    "straight": (
        ".45 -.02 1, .37 -.08 0, .29 -.10 1, .25 -.25 1, .21 -.11 1, .05 -.11 1, .01 -.27 1, -.03 -.11 1, "
        "-.20 -.11 1, -.24 -.25 1, -.28 -.10 1, -.45 -.02 1"
    ),
    "parted": (
        ".46 .12 1, .43 -.02 0, .37 -.14 0, .29 -.26 0, .20 -.37 0, .11 -.49 0, .04 -.62 1, -.05 -.49 0, "
        "-.17 -.37 0, -.30 -.24 0, -.41 -.08 0, -.46 .12 1"
    ),
    "swept": (
        ".46 .08 1, .41 -.22 0, .35 -.55 1, .27 -.42 0, .14 -.25 0, -.01 -.09 1, -.05 -.24 1, -.14 -.12 0, "
        "-.26 .0 1, -.29 -.17 1, -.37 -.06 0, -.46 .10 1"
    ),
    "jagged": (
        ".46 .10 1, .38 -.24 1, .30 -.06 1, .21 -.30 1, .14 -.10 1, .07 -.30 1, -.02 .02 1, -.13 -.30 1, "
        "-.20 -.08 1, -.29 -.28 1, -.36 -.04 1, -.46 .10 1"
    ),
}


def control_points(text: str) -> Tensor:
    """[C, 3]."""
    return torch.tensor([[float(number) for number in point.split()] for point in text.split(",")])


def table(shapes: dict[str, str], names: tuple[str, ...], absent: str = "") -> Tensor:
    """[K, C, 3], in the order of K names; those without a shape have `absent`."""
    return torch.stack([control_points(shapes.get(name, absent)) for name in names])


def mirrored(points: Tensor) -> Tensor:
    return points * torch.tensor([-1.0, 1.0, 1.0])


def symmetric(half: Tensor) -> Tensor:
    """[B, 2 C - 2, 3]: the whole outline from its right half [B, C, 3], from the top to the bottom middle."""
    return torch.cat([half, mirrored(half[:, 1:-1]).flip(1)], 1)


def placed(
    points: Tensor, x: Number = 0.0, y: Number = 0.0, wide: Number = 1.0, high: Number = 1.0
) -> Tensor:
    """Control points [B, C, 3], enlarged and moved; numbers, or [B, 1, 1], or [B, C, 1]."""
    moved = (points[..., :1] * wide + x, points[..., 1:2] * high + y, points[..., 2:])
    return torch.cat(torch.broadcast_tensors(*moved), 2)


def spline(points: Tensor, n_pieces: int) -> Tensor:
    """[B, C * n_pieces, 2]: a closed curve through points [B, C, 3] of x, y and sharpness.

    Cubic pieces; at a sharpness of 0 the curve is smooth, at 1 it has a corner.
    """
    place, sharp = points[..., :2], points[..., 2:]
    slope = (place.roll(-1, 1) - place.roll(1, 1)) * 0.5 * (1 - sharp)
    after, slope_after = place.roll(-1, 1), slope.roll(-1, 1)
    pieces = []
    for i in range(n_pieces):
        t = i / n_pieces
        pieces.append(
            place * ((1 + 2 * t) * (1 - t) ** 2)
            + slope * (t * (1 - t) ** 2)
            + after * (t * t * (3 - 2 * t))
            + slope_after * (t * t * (t - 1))
        )
    return torch.stack(pieces, 2).flatten(1, 2)
