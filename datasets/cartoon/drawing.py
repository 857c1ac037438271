"""Cartoon faces from their factors, at any size: parts painted back to front.

A face lives in a square of about -1 to 1, x to the right and y down.
"""

import math

import torch
from torch import Tensor

from vaegan.datasets.cartoon.canvas import Canvas, fraction, hypot, intersection, ramp, stack, tint
from vaegan.datasets.cartoon.outlines import (
    BACK,
    BROW,
    EYE,
    FRINGES,
    LOCKS,
    NO_TAIL,
    POINTED_CHIN,
    ROUND_CHIN,
    SHINE,
    TAILS,
    control_points,
    mirrored,
    placed,
    spline,
    symmetric,
    table,
)
from vaegan.datasets.factors import Factors
from vaegan.seeds import generator_for

SMALLEST_SIZE, LARGEST_SIZE = 16, 256
PIXELS_AT_ONCE = 2**18  # of the faces that are drawn together; what they need then stays in the caches

CONTINUOUS = {  # each drawn uniformly from its range
    "turn": (-1.0, 1.0),  # of the head, to the left or to the right
    "tilt": (-12.0, 12.0),  # degrees
    "face_width": (0.88, 1.08),
    "chin": (0.0, 1.0),  # from round to pointed
    "skin": (0.0, 1.0),  # from light to dark
    "hair_hue": (0.0, 1.0),  # from red over yellow, green and blue to violet: no circle
    "hair_light": (0.0, 1.0),  # from dark to light
    "eye_size": (0.75, 1.2),
    "eye_distance": (0.88, 1.15),
    "eye_opening": (0.4, 1.0),
    "eye_hue": (0.0, 1.0),
    "gaze": (-1.0, 1.0),
    "brows": (-1.0, 1.0),  # from worried to angry
    "smile": (-1.0, 1.0),
    "mouth_opening": (0.0, 1.0),
    "light": (-1.0, 1.0),  # where it comes from: left or right
    "shirt_hue": (0.0, 1.0),
    "background_hue": (0.0, 1.0),
}
SHARES = {  # of each kind of a discrete factor
    "hair": dict.fromkeys(BACK, 1),
    "fringe": dict.fromkeys(FRINGES, 1),
    "glasses": {"none": 3, "round": 1, "square": 1, "dark": 1},
    "background": {"plain": 1, "gradient": 1, "stripes": 1, "dots": 1, "rays": 1},
    "cheeks": {"plain": 1, "blush": 1, "freckles": 1},
}

INK = (0.16, 0.09, 0.13)
WHITE = (1.0, 1.0, 1.0)
LINE = 0.042  # width of outlines
VIEW, VIEW_Y = 0.96, 0.03  # half the side and the middle of the square that the picture shows
NECK = 0.9  # y of the point about which the head tilts
EYE_Y, MOUTH_Y = 0.16, 0.55

SKINS = [(1.0, 0.89, 0.80), (0.96, 0.78, 0.64), (0.80, 0.58, 0.43), (0.55, 0.36, 0.26)]
HUES = [(0.86, 0.24, 0.26), (0.93, 0.52, 0.20), (0.95, 0.80, 0.30), (0.42, 0.72, 0.36), (0.20, 0.66, 0.68)]
HUES += [(0.26, 0.45, 0.85), (0.52, 0.34, 0.80)]
FRECKLES = ((-0.1, 0.0), (0.0, -0.035), (0.1, 0.0), (-0.05, 0.055), (0.05, 0.055))  # on a cheek
LENSES = {"none": (0.1, 0.1, 0.1), "round": (0.235, 0.235, 0.235)}  # half width, half height, radius
LENSES |= {"square": (0.24, 0.19, 0.05), "dark": (0.25, 0.205, 0.13)}

# from the crown, and beside the face: shares across, lengths down
STRAND = ((0.52, 0.08), (0.72, 0.18), (0.86, 0.30), (0.95, 0.43), (1.0, 0.56))
SIDE_STRAND = ((0.61, 0.0), (0.635, 0.3), (0.67, 0.6), (0.71, 0.85))
RAYS = [(math.cos(k * math.pi / 8), math.sin(k * math.pi / 8)) for k in range(8)]


def sample_factors(n: int, seed: int) -> Factors:
    """The factors of n faces, all independent. Face i follows from the seed and i alone."""
    draws = torch.rand(n, len(CONTINUOUS) + len(SHARES), generator=generator_for(seed, "cartoon"))
    low, high = torch.tensor(list(CONTINUOUS.values())).T
    numbers, kinds = draws.split([len(CONTINUOUS), len(SHARES)], 1)
    discrete = []
    for draw, shares in zip(kinds.T, SHARES.values(), strict=True):
        ends = torch.tensor(list(shares.values())).cumsum(0)
        discrete.append(torch.bucketize(draw * ends[-1], ends[:-1].float(), right=True))
    categories = {name: tuple(shares) for name, shares in SHARES.items()}
    return Factors(tuple(CONTINUOUS), low + (high - low) * numbers, categories, torch.stack(discrete, 1))


def draw(factors: Factors, size: int) -> Tensor:
    """uint8 [N, 3, size, size].

    Raises: ValueError for a size out of range: smaller faces have no features, larger ones no more detail.
    """
    if not SMALLEST_SIZE <= size <= LARGEST_SIZE:
        raise ValueError(f"faces have from {SMALLEST_SIZE} to {LARGEST_SIZE} pixels a side, not {size}")
    faces = torch.empty(len(factors), 3, size, size, dtype=torch.uint8)
    at_once = max(1, PIXELS_AT_ONCE // size**2)
    for start in range(0, len(factors), at_once):
        part = slice(start, start + at_once)
        faces[part] = _Face(factors[part], size).draw()
    return faces


class _Face:
    """B faces on the way to being drawn; every continuous factor is an attribute [B, 1, 1]."""

    def __init__(self, factors: Factors, size: int):
        for name, values in zip(factors.continuous_names, factors.continuous.T, strict=True):
            setattr(self, name, values[:, None, None])
        self.kinds = dict(zip(factors.categories, factors.discrete.T, strict=True))
        self.categories = factors.categories
        self.page = Canvas.blank(len(factors), size, VIEW, VIEW_Y)
        angle = self.tilt * (math.pi / 180)
        self.head = self.page.turned(angle / 2 * (1 + angle * angle / 12), NECK)  # tan of the half angle
        self.shift = 0.13 * self.turn  # of the features on the head
        self.eye_x = [self.shift + side * 0.27 * self.eye_distance * self.face_width for side in (-1, 1)]
        self._mix_colours()
        self._shape_head_and_hair()

    def draw(self) -> Tensor:
        self._background()
        self._hair_behind()
        self._neck_and_shirt()
        self._ears()
        self._face()
        self._cheeks()
        self._nose()
        self._mouth()
        for side, x in zip((-1, 1), self.eye_x, strict=True):
            self._eye(side, x)
        self._glasses()
        self._hair_in_front()
        self._eyebrows()
        return self.page.pixels.mul_(255).round_().clamp_(0, 255).to(torch.uint8)

    def _is_a(self, factor: str, *words: str) -> Tensor:
        """[B, 1, 1]: 1 where the face has one of these kinds, else 0."""
        numbers = torch.tensor([self.categories[factor].index(word) for word in words])
        return torch.isin(self.kinds[factor], numbers)[:, None, None].float()

    def _half(self, side: int, top: float, bottom: float, overlap: float = 0.35) -> Canvas:
        """The part of the picture on one side of the head and `overlap` beyond its middle."""
        left, right = (-1, overlap) if side < 0 else (-overlap, 1)
        return self.head.window(left, top, right, bottom)

    def _of_kind(self, factor: str, shapes: dict[str, str], absent: str = "") -> Tensor:
        """Control points [B, C, 3]: of each face's kind, as wide as its head."""
        points = table(shapes, self.categories[factor], absent)[self.kinds[factor]]
        return placed(points, wide=self.face_width)

    def _mix_colours(self) -> None:
        self.skin_colour = ramp(SKINS, self.skin)
        self.skin_shadow = self.skin_colour * tint(0.84, 0.70, 0.72)
        self.skin_line = self.skin_colour * tint(0.50, 0.34, 0.36)
        hue, light = ramp(HUES, self.hair_hue), self.hair_light[:, None]
        dark, pale = hue * tint(0.38, 0.36, 0.42), hue + (1 - hue) * 0.24
        self.hair_colour = dark + (pale - dark) * light
        self.hair_shadow = self.hair_colour * tint(0.68, 0.62, 0.74)
        self.hair_shine = self.hair_colour + (1 - self.hair_colour) * (0.28 + 0.3 * light)
        self.hair_line = self.hair_colour * tint(0.42, 0.36, 0.46)
        self.iris_colour = ramp(HUES, self.eye_hue)
        self.shirt_colour = ramp(HUES, self.shirt_hue) * 0.95
        paper = ramp(HUES, self.background_hue)
        self.paper = paper + (1 - paper) * 0.62
        self.pattern = paper + (1 - paper) * 0.30

    def _shape_head_and_hair(self) -> None:
        """The distances that several parts need."""
        half = control_points(ROUND_CHIN) * (1 - self.chin) + control_points(POINTED_CHIN) * self.chin
        outline = symmetric(placed(half, wide=self.face_width))
        lower = (outline[..., 1:2] + 0.1).clamp(min=0)  # the chin turns more than the rest
        self.face = self.head.polygon(spline(placed(outline, self.shift * 0.5 * lower), 3))
        self.hair = self.head.polygon(spline(symmetric(self._of_kind("hair", BACK)), 3))
        locks = self._of_kind("hair", LOCKS)
        edge = torch.cat(
            [
                placed(locks, self.shift * 0.2),
                placed(self._of_kind("fringe", FRINGES), self.shift * 0.5),
                placed(mirrored(locks).flip(1), self.shift * 0.2),
                control_points("-1.3 -1.4 1, 1.3 -1.4 1").expand(len(locks), -1, -1),
            ],
            1,
        )
        self.hair_front = intersection(self.hair, self.head.polygon(spline(edge, 2)))

    # parts, back to front

    def _background(self) -> None:
        page, pattern = self.page, self.pattern
        page.pixels[:] = self.paper
        page.blend((page.y(VIEW_Y) / (2 * VIEW) + 0.5) * self._is_a("background", "gradient"), pattern)
        stripes = fraction(page.along(1.6, 1.6)).abs() - 0.25
        page.paint(stripes / (1.6 * 2**0.5), pattern, self._is_a("background", "stripes"))
        dots = hypot(fraction(page.along(2.2, 0.0, 0.5)), fraction(page.along(0.0, 2.2, 0.2))) - 0.28
        page.paint(dots / 2.2, pattern, self._is_a("background", "dots"))
        page.paint(self._rays(), pattern, self._is_a("background", "rays"))

    def _rays(self) -> Tensor:
        """Every other one of the sectors between eight lines."""
        nearest, sign = None, 1.0
        for a, b in RAYS:
            line = self.page.along(a, b)
            sign = sign * line.sign()
            nearest = line.abs() if nearest is None else torch.minimum(nearest, line.abs())
        return nearest * sign

    def _hair_behind(self) -> None:
        tails = self._of_kind("hair", TAILS, NO_TAIL)
        for side in (-1, 1):
            canvas = self._half(side, -1, 1, overlap=0.0)
            tail = canvas.polygon(spline(tails if side > 0 else mirrored(tails), 3))
            canvas.paint_outlined(tail, self.hair_colour, LINE, INK)
            far = canvas.along(-side, 0.25, 0.88 * self.face_width)  # the inner half, in the head's shadow
            canvas.paint(intersection(tail + LINE / 2, -far), self.hair_shadow, 0.8)
            tie = canvas.ellipse(side * 0.68 * self.face_width, -0.46, 0.085, 0.10)
            worn = self._is_a("hair", "twin tails")
            canvas.paint(tie - LINE / 2, INK, worn)
            canvas.paint(tie + LINE / 2, self.shirt_colour, worn)
        self.head.paint_outlined(self.hair, self.hair_shadow, LINE, INK)

    def _neck_and_shirt(self) -> None:
        canvas = self.page.window(-1, 0.5, 1, 1)
        neck = self.head.window(-1, 0.5, 1, 1)
        neck.paint_outlined(neck.box(0.0, 0.8, 0.17, 0.3, 0.05), self.skin_colour, LINE, INK)
        neck.paint(
            intersection(
                neck.box(0.0, 0.8, 0.17, 0.3, 0.05) + LINE / 2, neck.ellipse(self.shift, 0.62, 0.42, 0.30)
            ),
            self.skin_shadow,
        )
        body = intersection(canvas.ellipse(0.0, 1.41, 1.0, 0.62), -canvas.ellipse(0.0, 0.82, 0.16, 0.14))
        canvas.paint_outlined(body, self.shirt_colour, LINE, INK)
        unlit = canvas.along(self.light, 0.0, 0.25)
        canvas.paint(intersection(body + LINE / 2, unlit), self.shirt_colour * 0.78)
        for side in (-1, 1):
            flap = torch.tensor(
                [[[side * 0.15, 0.82], [side * 0.34, 0.90], [side * 0.24, 1.04], [0.0, 0.96]]]
            )
            canvas.paint_outlined(canvas.polygon(flap), WHITE, LINE * 0.8, INK)

    def _ears(self) -> None:
        for side in (-1, 1):
            canvas = self._half(side, -0.3, 0.6, overlap=0.0)
            x = side * 0.585 * self.face_width
            canvas.paint_outlined(canvas.ellipse(x, 0.16, 0.10, 0.15), self.skin_colour, LINE, INK)
            canvas.paint(canvas.ellipse(x + side * 0.01, 0.17, 0.05, 0.085), self.skin_shadow)

    def _face(self) -> None:
        head = self.head
        head.paint_outlined(self.face, self.skin_colour, LINE, INK)
        inside = self.face + LINE / 2
        lit = head.ellipse(0.17 * self.light, 0.05, 0.60 * self.face_width, 0.84)
        head.paint(intersection(inside, -lit), self.skin_shadow, 0.8)
        head.paint(intersection(inside, self.hair_front - 0.065), self.skin_shadow)

    def _cheeks(self) -> None:
        canvas = self.head.window(-0.9, 0.1, 0.9, 0.7)
        on_face = (-20 * canvas.cut(self.head, self.face)).clamp_(0, 1)  # fades towards the outline
        for side in (-1, 1):
            x = self.shift + side * 0.34 * self.face_width
            u, v = canvas.along(1 / 0.16, 0.0, -x / 0.16), canvas.along(0.0, 1 / 0.1, -4.0)
            glow = (1 - u * u - v * v).clamp_(min=0) * on_face
            canvas.blend(glow * (0.65 * self._is_a("cheeks", "blush")), (0.96, 0.36, 0.40))
            spots = [canvas.circle(x + dx * 0.9, 0.39 + dy, 0.025) for dx, dy in FRECKLES]
            freckles = torch.stack(spots).amin(0)
            canvas.paint(freckles, self.skin_line, 0.85 * self._is_a("cheeks", "freckles"))

    def _nose(self) -> None:
        canvas = self.head.window(-0.4, 0.2, 0.4, 0.55)
        x = 1.3 * self.shift
        away = -0.05 * self.light
        shadow = stack([(x, 0.28), (x + away, 0.385), (x - 0.4 * away, 0.39)])
        canvas.paint(canvas.polygon(shadow) - 0.008, self.skin_shadow)
        line = stack([(x - 0.03, 0.385), (x, 0.40), (x + 0.03, 0.385)])
        canvas.paint(canvas.stroke(line, 0.011), self.skin_line)

    def _mouth(self) -> None:
        canvas = self.head.window(-0.5, 0.35, 0.5, 0.9)
        x, half, steps = 1.15 * self.shift, 0.175, [i / 4 for i in range(-4, 5)]
        upper = [(x + half * t, self._lip(t)) for t in steps]
        depth = 0.19 * self.mouth_opening
        lower = [(x + half * t, self._lip(t) + depth * (1 - t**4)) for t in steps[-2:0:-1]]
        inside = canvas.polygon(stack(upper + lower))
        canvas.paint(inside - LINE / 2, INK)
        canvas.paint(inside, (0.52, 0.12, 0.16))
        tongue = canvas.ellipse(x, MOUTH_Y + depth + 0.03, 0.11, 0.075)
        canvas.paint(intersection(inside, tongue), (0.93, 0.45, 0.47))
        u = canvas.x(x) / half
        teeth = canvas.y(MOUTH_Y) - 0.12 * self.smile * (0.45 - u * u) - 0.045
        canvas.paint(intersection(inside, teeth), (1.0, 1.0, 0.98), (self.mouth_opening * 4 - 1).clamp(0, 1))
        chin = stack([(x * 0.9 - 0.05, MOUTH_Y + 0.06 + depth), (x * 0.9 + 0.05, MOUTH_Y + 0.06 + depth)])
        canvas.paint(canvas.stroke(chin, 0.010), self.skin_shadow)

    def _lip(self, t: float) -> Tensor:
        """y of the upper lip at t, from -1 to 1."""
        return MOUTH_Y + 0.12 * self.smile * (0.45 - t * t)

    def _eye(self, side: int, x: Tensor) -> None:
        canvas = self._half(side, -0.35, 0.6)
        wide = 0.168 * self.eye_size * (1 - 0.12 * side * self.turn)
        tall = 0.20 * self.eye_size
        open_ = tall * self.eye_opening
        y = EYE_Y + 0.35 * (tall - open_)
        outline = control_points(EYE)[None]
        white = canvas.polygon(spline(placed(outline, x, y, side * wide, open_), 3))
        v = canvas.y(y) / open_
        canvas.paint(white - (0.010 + 0.042 * (0.25 - v).clamp_(0, 1)), INK)  # lashes: thick above
        lash = [(x + side * wide * 0.85, y - open_ * 0.30), (x + side * wide * 1.22, y - open_ * 0.62)]
        canvas.paint(canvas.stroke(stack(lash), 0.020), INK)
        canvas.paint(white, WHITE)
        ix = x + 0.062 * self.gaze * self.eye_size
        rx, ry = 0.112 * self.eye_size, 0.155 * self.eye_size
        iy = y - 0.02 * self.eye_size
        iris = canvas.ellipse(ix, iy, rx, ry)
        canvas.paint(intersection(iris, white), INK)
        inner = intersection(iris + 0.016, white)
        canvas.paint(inner, self.iris_colour * 0.62)
        canvas.paint(
            intersection(inner, canvas.ellipse(ix, iy + 0.75 * ry, rx * 1.0, ry * 0.85)), self.iris_colour
        )
        pale = self.iris_colour + (1 - self.iris_colour) * 0.5
        canvas.paint(intersection(inner, canvas.ellipse(ix, iy + 0.78 * ry, rx * 0.6, ry * 0.32)), pale)
        canvas.paint(intersection(white, canvas.ellipse(ix, iy - 0.02, rx * 0.46, ry * 0.48)), INK)
        shade = intersection(white, v * open_ + 0.62 * open_)
        canvas.paint(shade, (0.30, 0.26, 0.42), 0.45)
        spark = canvas.ellipse(ix - 0.40 * rx, iy - 0.36 * ry, 0.36 * rx, 0.28 * ry)
        canvas.paint(intersection(spark, white), WHITE)
        canvas.paint(intersection(white, canvas.circle(ix + 0.45 * rx, iy + 0.45 * ry, 0.17 * rx)), WHITE)

    def _hair_in_front(self) -> None:
        head, front = self.head, self.hair_front
        head.paint_outlined(front, self.hair_colour, LINE, INK)
        inside = front + LINE / 2
        unlit = (head.along(-0.9 * self.light, 0.25, 0.0) + 0.15).clamp_(0, 1) * self.light.abs()
        head.paint(inside, self.hair_shadow, unlit.clamp_(max=0.85))
        top = head.window(-1, -1, 1, 0.1)
        on_top = top.cut(head, inside)
        x = 0.4 * self.shift
        shine = placed(control_points(SHINE)[None], x - 0.20 * self.light, -0.52, 1.05 * self.face_width)
        top.paint(intersection(on_top, top.polygon(shine[..., :2])), self.hair_shine, 0.9)
        for reach in (-0.52, -0.30, -0.08, 0.16, 0.36, 0.54):
            strand = [(x + reach * a * self.face_width, -0.84 + b) for a, b in STRAND]
            top.paint(intersection(on_top, top.stroke(stack(strand), 0.010)), self.hair_line, 0.8)
        for side in (-1, 1):
            beside = self._half(side, -0.1, 1)
            strand = [(side * a * self.face_width, b + 0 * x) for a, b in SIDE_STRAND]
            shape = intersection(beside.cut(head, inside + 0.02), beside.stroke(stack(strand), 0.010))
            beside.paint(shape, self.hair_line, 0.8)

    def _eyebrows(self) -> None:
        for side, x in zip((-1, 1), self.eye_x, strict=True):
            canvas = self._half(side, -0.4, 0.2)
            y = EYE_Y - 0.285 * self.eye_size.clamp(min=0.9)
            outline = placed(control_points(BROW)[None], x, y, side, 1.0)
            rise = (outline[..., :1] - x) * (side * -0.55 * self.brows)
            brow = canvas.polygon(spline(placed(outline, 0.0, rise), 2))
            canvas.paint(brow - 0.014, self.hair_line)

    def _glasses(self) -> None:
        worn, dark = 1 - self._is_a("glasses", "none"), self._is_a("glasses", "dark")
        sizes = torch.tensor([LENSES[name] for name in self.categories["glasses"]])[self.kinds["glasses"]]
        wide, high, radius = sizes[:, :, None, None].unbind(1)
        frame = (0.15, 0.14, 0.20)
        canvas = self.head.window(-0.95, -0.3, 0.95, 0.6)
        y = EYE_Y - 0.01
        inner = [x - side * (wide - 0.02) for side, x in zip((-1, 1), self.eye_x, strict=True)]
        canvas.paint(canvas.stroke(stack([(inner[0], y - 0.05), (inner[1], y - 0.05)]), 0.02), frame, worn)
        for side, x in zip((-1, 1), self.eye_x, strict=True):
            canvas = self._half(side, -0.3, 0.6)
            lens = canvas.box(x, y, wide, high, radius)
            arm = stack([(x + side * wide, y - 0.05), (side * 0.60 * self.face_width + 0 * x, y - 0.02)])
            canvas.paint(canvas.stroke(arm, 0.02), frame, worn)
            canvas.paint(lens, (0.80, 0.92, 1.0), 0.15 * (worn - dark))
            canvas.paint(lens, (0.10, 0.09, 0.20), 0.62 * dark)
            slant = canvas.along(0.8, 0.6, -0.8 * x - 0.6 * y)
            glints = torch.minimum((slant + 0.10).abs() - 0.028, (slant + 0.03).abs() - 0.012)
            canvas.paint(intersection(glints, lens + 0.05), WHITE, worn * 0.45)
            canvas.paint(lens.abs() - 0.021, frame, worn)
