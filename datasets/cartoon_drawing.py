"""Cartoon faces from their factors, at any size: every part a signed distance, painted back to front.

A face lives in a square of about -1 to 1, x to the right and y down. A shape is its signed distance from
every pixel (negative inside), so that edges are anti-aliased over one pixel at every size.
"""

import math

import torch
from torch import Tensor

from datasets.factors import Factors
from datasets.shapes import box, ellipse, repeat, stroke, triangle, zigzag
from vaegan.seeds import generator_for

SMALLEST_SIZE, LARGEST_SIZE = 16, 256
PIXELS_AT_ONCE = 2**17  # of the faces drawn together, so that they stay in the caches: 2.9 ms a face at 64 px

CONTINUOUS = {  # each drawn uniformly from its range
    "turn": (-1.0, 1.0),  # of the head, to the left or to the right
    "tilt": (-12.0, 12.0),  # degrees
    "face_width": (0.86, 1.1),
    "chin": (0.0, 1.0),  # from round to pointed
    "skin": (0.0, 1.0),  # from light to dark
    "hair_hue": (0.0, 1.0),  # from brown and red over yellow, green and blue to violet: no circle
    "hair_light": (0.0, 1.0),  # from dark to light
    "eye_size": (0.75, 1.25),
    "eye_distance": (0.82, 1.2),
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
    "hair": {"short": 1, "bob": 1, "long": 1, "spiky": 1, "buns": 1, "twin tails": 1, "curly": 1},
    "fringe": {"straight": 1, "parted": 1, "swept": 1},
    "glasses": {"none": 3, "round": 1, "square": 1, "dark": 1},
    "background": {"plain": 1, "gradient": 1, "stripes": 1, "dots": 1, "rays": 1},
    "cheeks": {"plain": 1, "blush": 1, "freckles": 1},
}

INK = (0.16, 0.09, 0.13)
FRECKLES = ((-0.09, 0.02), (0.0, -0.05), (0.09, 0.02), (0.0, 0.07))  # on a cheek
LINE = 0.036  # width of outlines
ZOOM = 0.94  # half of the side of the square that the picture shows


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
    """Some faces on the way to being drawn; every factor is an attribute [B, 1, 1]."""

    def __init__(self, factors: Factors, size: int):
        for name, values in zip(factors.continuous_names, factors.continuous.T, strict=True):
            setattr(self, name, values[:, None, None])
        self.kinds = dict(zip(factors.categories, factors.discrete.T, strict=True))
        self.categories = factors.categories
        centres = ((torch.arange(size) + 0.5) * (2 / size) - 1) * ZOOM
        self.page_y, self.page_x = torch.meshgrid(centres, centres, indexing="ij")
        angle = torch.deg2rad(self.tilt)
        x, y = self.page_x, self.page_y - 0.9  # turned about the neck
        self.x = x * torch.cos(angle) + y * torch.sin(angle)
        self.y = y * torch.cos(angle) - x * torch.sin(angle) + 0.9
        self.pixel = ZOOM * 2 / size
        self.image = torch.ones(len(factors), 3, size, size)
        self.shift = 0.13 * self.turn  # of the features on the head

    def draw(self) -> Tensor:
        self._colours()
        self._background()
        self._hair_behind()
        self._shoulders()
        self._ears()
        self._head()
        self._blush_and_freckles()
        self._nose()
        self._mouth()
        self._eyes()
        self._hair_in_front()
        self._eyebrows()
        self._spectacles()
        return self.image.mul_(255).round_().clamp_(0, 255).to(torch.uint8)

    # painting

    def _paint(self, distance: Tensor, colour, opacity=1.0) -> None:
        """Fill a shape; its edge is one pixel wide. opacity: a number or [B, 1, 1] or [B, S, S]."""
        cover = (0.5 - distance / self.pixel).clamp_(0, 1) * opacity
        self.image += cover[:, None] * (_colour(colour) - self.image)

    def _outlined(self, distance: Tensor, colour, width: float = LINE) -> None:
        """Fill a shape and draw the line around it."""
        self._paint(distance - width, INK)
        self._paint(distance, colour)

    def _soft(self, amount: Tensor, colour) -> None:
        """Blend a colour in; amount: [B, S, S] in [0, 1]."""
        self.image += amount[:, None] * (_colour(colour) - self.image)

    def _is_a(self, factor: str, *words: str) -> Tensor:
        """[B, 1, 1]: 1 where the face has one of these kinds, else 0."""
        names = self.categories[factor]
        chosen = [self.kinds[factor] == names.index(word) for word in words]
        return torch.stack(chosen).any(0)[:, None, None].float()

    def _where(self, factor: str, shapes: dict[str, Tensor]) -> Tensor:
        """The shape of each face's kind; kinds that are not named have none."""
        result = torch.full_like(self.x, 9.0)
        for word, distance in shapes.items():
            result = torch.where(self._is_a(factor, word) > 0, distance, result)
        return result

    # parts, back to front

    def _colours(self) -> None:
        light, dark = torch.tensor([1.0, 0.87, 0.76]), torch.tensor([0.5, 0.31, 0.2])
        skin = self.skin[:, None]
        self.skin_colour = light[:, None, None] * (1 - skin) + dark[:, None, None] * skin
        self.skin_shadow = self.skin_colour * torch.tensor([0.82, 0.7, 0.72])[:, None, None]
        self.hair_colour = _hsv(_hue(self.hair_hue), 0.62, 0.26 + 0.7 * self.hair_light)
        self.hair_dark = self.hair_colour * 0.68
        self.hair_bright = self.hair_colour + 0.45 * (1 - self.hair_colour)
        self.iris_colour = _hsv(_hue(self.eye_hue), 0.75, 0.75)
        self.shirt_colour = _hsv(_hue(self.shirt_hue), 0.55, 0.8)
        self.paper = _hsv(_hue(self.background_hue), 0.28, 0.95)
        self.pattern = _hsv(_hue(self.background_hue), 0.5, 0.8)

    def _background(self) -> None:
        x, y = self.page_x.expand_as(self.x), self.page_y.expand_as(self.x)
        self.image[:] = self.paper
        self._soft((y * 0.5 + 0.5) * self._is_a("background", "gradient"), self.pattern)
        wave = (x + y) / math.sqrt(2)
        stripes = (repeat(wave, 0.5)).abs() - 0.125
        dots = torch.hypot(repeat(x, 0.5), repeat(y, 0.5)) - 0.14
        angle = torch.atan2(y - 0.1, x)
        rays = (repeat(angle, math.pi / 6)).abs() - math.pi / 24
        rays = rays * torch.hypot(x, y - 0.1)
        self._paint(self._where("background", {"stripes": stripes, "dots": dots, "rays": rays}), self.pattern)

    def _hair_behind(self) -> None:
        x, y = self.x, self.y
        cropped = torch.maximum(self._skull(0.12), y - 0.3)
        buns = torch.hypot(x.abs() - 0.52 * self.face_width, y + 0.68) - 0.24
        angle = torch.atan2(x, -(y + 0.1))
        spikes = ellipse(x, y + 0.12, 0.7 * self.face_width, 0.72) * 0.8 - 0.2 * zigzag(angle * 11 / math.tau)
        spikes = torch.maximum(spikes, y - 0.35)
        curls = ellipse(x, y + 0.02, 0.76 * self.face_width, 0.8)
        curls = curls - 0.11 * torch.cos(angle * 7).abs()
        tails = ellipse(x.abs() - 0.86 * self.face_width, y - 0.25, 0.24, 0.62)
        ties = torch.hypot(x.abs() - 0.72 * self.face_width, y + 0.3) - 0.12
        shapes = {
            "short": cropped,
            "bob": box(x, y + 0.02, 0.74 * self.face_width, 0.72, 0.5),
            "long": box(x, y - 0.6, 0.78 * self.face_width, 1.36, 0.62),
            "spiky": spikes,
            "buns": torch.minimum(cropped, buns),
            "twin tails": torch.minimum(cropped, tails),
            "curly": curls,
        }
        behind = self._where("hair", shapes)
        self._outlined(behind, self.hair_colour)
        strands = (repeat(x + 0.06 * torch.sin(4 * y), 0.2)).abs() - 0.012
        inner = torch.maximum(strands, behind + 0.05)
        self._paint(inner, self.hair_dark, self._is_a("hair", "long", "bob", "twin tails"))
        self._paint(torch.maximum(behind, -(self._skull(0.02) - 0.16)), self.hair_dark, 0.35)
        self._outlined(ties + 9 * (1 - self._is_a("hair", "twin tails")), self.shirt_colour, 0.03)

    def _shoulders(self) -> None:
        x, y = self.x * 0.4 + self.page_x * 0.6, self.y * 0.4 + self.page_y * 0.6
        body = ellipse(x, y - 1.22, 0.9, 0.52)
        self._outlined(body, self.shirt_colour)
        unlit = torch.maximum(body, -ellipse(x + 0.25 * self.light, y - 1.2, 0.88, 0.5))
        self._paint(unlit, self.shirt_colour * 0.75)
        collar = ellipse(x, y - 0.8, 0.3, 0.16)
        self._outlined(torch.maximum(collar, body - 0.02), self.shirt_colour * 0.6, 0.025)
        neck = box(self.x, self.y - 0.72, 0.19, 0.26, 0.12)
        self._outlined(neck, self.skin_colour)
        self._paint(torch.maximum(neck, self._head_shape(0.0, dy=0.13)), self.skin_shadow)

    def _ears(self) -> None:
        x = self.x.abs() - 0.585 * self.face_width
        self._outlined(ellipse(x, self.y - 0.16, 0.1, 0.16), self.skin_colour)
        self._paint(ellipse(x, self.y - 0.17, 0.05, 0.1), self.skin_shadow)

    def _skull(self, grow) -> Tensor:
        """The upper half of the head, as hair sees it."""
        return ellipse(self.x, self.y + 0.06, 0.58 * self.face_width + grow, 0.66 + grow)

    def _head_shape(self, grow, dx=0.0, dy=0.0) -> Tensor:
        x, y = self.x - dx, self.y - dy
        below = (y - 0.05).clamp(min=0)
        taper = 1 + (0.05 + 1.15 * self.chin) * below.square()
        return ellipse(x * taper, y - 0.06, 0.58 * self.face_width, 0.7) - grow

    def _head(self) -> None:
        head = self._head_shape(0.0)
        self._outlined(head, self.skin_colour)
        lit = self._head_shape(0.0, dx=0.2 * self.light, dy=-0.04)
        self._paint(torch.maximum(head, -lit), self.skin_shadow)
        self.face = head

    def _blush_and_freckles(self) -> None:
        for side in (-1, 1):
            x, y = self.x - self.shift - side * 0.34 * self.face_width, self.y - 0.36
            glow = (1 - (x / 0.17).square() - (y / 0.1).square()).clamp(0, 1)
            self._soft(0.75 * glow * self._is_a("cheeks", "blush"), (0.95, 0.35, 0.38))
            spots = [torch.hypot(x - dx, y - dy) for dx, dy in FRECKLES]
            freckles = torch.maximum(torch.stack(spots).amin(0) - 0.03, self.face)
            self._paint(freckles, self.skin_colour * 0.5, self._is_a("cheeks", "freckles"))

    def _nose(self) -> None:
        x, y = self.x - 1.3 * self.shift, self.y - 0.3
        side = -torch.sign(self.light) * 0.05
        self._paint(triangle(x - side * 0.4, y, 0.05, 0.1), self.skin_shadow)
        self._paint(stroke(x, y, -0.035, 0.06, 0.035, 0.06, 0.014), self.skin_colour * 0.45)

    def _mouth(self) -> None:
        half = 0.2
        x, y = self.x - 1.15 * self.shift, self.y - 0.52
        t = (x / half).clamp(-1, 1)
        curve = 0.11 * self.smile * (0.5 - t.square())
        slope = torch.sqrt(1 + (0.22 * self.smile * t / half).square())
        lower = curve + 0.2 * self.mouth_opening * (1 - t.square())
        beyond = (x.abs() - half).clamp(min=0)
        inside = torch.maximum(curve - y, y - lower) / slope
        inside = torch.hypot(inside.clamp(min=0), beyond) + inside.clamp(max=0)
        self._paint(inside - 0.024, INK)
        self._paint(inside, (0.5, 0.1, 0.13), (self.mouth_opening * 8).clamp(max=1))
        self._paint(torch.maximum(inside, ellipse(x, y - 0.17, 0.13, 0.09)), (0.93, 0.45, 0.45))
        teeth = torch.maximum(inside, y - curve - 0.05)
        self._paint(teeth, (1.0, 1.0, 0.98), (self.mouth_opening * 4 - 1).clamp(0, 1))

    def _eye_centre(self, side: int) -> tuple[Tensor, Tensor]:
        """The pixels as seen from the centre of one eye; the eye that turns away comes nearer."""
        return self.x - self.shift - side * 0.27 * self.eye_distance * self.face_width, self.y - 0.12

    def _eyes(self) -> None:
        for side in (-1, 1):
            x, y = self._eye_centre(side)
            wide = 0.175 * self.eye_size * (1 - 0.12 * side * self.turn)
            high = 0.2 * self.eye_size * self.eye_opening
            white = torch.maximum(ellipse(x, y, wide, high), ellipse(x, y - 0.1 * high, wide * 1.1, high))
            self._outlined(white, (1.0, 1.0, 1.0), 0.016)
            ix, iy = x - 0.065 * self.gaze * self.eye_size, y
            ring, tall = 0.112 * self.eye_size, 0.15 * self.eye_size
            iris = torch.maximum(ellipse(ix, iy, ring, tall), white)
            self._paint(torch.maximum(iris - 0.012, white), INK)
            self._paint(iris, self.iris_colour)
            self._paint(torch.maximum(iris, iy + 0.01), self.iris_colour * 0.55)
            glow = ellipse(ix, iy - 0.05 * self.eye_size, ring * 0.62, tall * 0.4)
            self._paint(torch.maximum(glow, white), self.iris_colour + 0.4 * (1 - self.iris_colour))
            self._paint(torch.maximum(ellipse(ix, iy, ring * 0.5, tall * 0.5), white), INK)
            spark = torch.hypot(ix + 0.045, iy + 0.06 * self.eye_size) - 0.036 * self.eye_size
            self._paint(torch.maximum(spark, white), (1.0, 1.0, 1.0))
            shade = torch.maximum(white, y + high * 0.62)
            self._paint(shade, (0.62, 0.62, 0.72), 0.55)
            lid = torch.maximum((white - 0.018).abs() - 0.03, y + 0.3 * high)
            lash = stroke(x * side, y, wide * 0.9, -high * 0.55, wide * 1.22, -high * 0.75, 0.022)
            self._paint(torch.minimum(lid, lash), INK)

    def _hair_in_front(self) -> None:
        x, y = self.x, self.y
        cap = self._skull(0.13)
        curly, spiky = self._is_a("hair", "curly"), self._is_a("hair", "spiky")
        angle = torch.atan2(x, -(y + 0.1))
        cap = cap - curly * 0.05 * torch.cos(angle * 7).abs() - spiky * 0.04 * zigzag(angle * 11 / math.tau)
        lines = {
            "straight": -0.19 + 0.05 * zigzag(x / 0.3) + 0.35 * x.square(),
            "parted": -0.5 + 1.05 * (x - 0.06).abs().pow(1.3) + 0.03 * zigzag(x / 0.24),
            "swept": -0.26 + 0.42 * x + 0.9 * (x + 0.1).clamp(max=0).square() + 0.05 * zigzag(x / 0.32),
        }
        fringe = torch.maximum(cap, 0.75 * (y - self._where("fringe", lines)))
        low = torch.maximum(cap, 0.75 * (y - 0.07 - self._where("fringe", lines)))
        self._paint(torch.maximum(torch.maximum(low, self.face), -fringe), self.skin_shadow, 0.9)
        sides = stroke(x.abs(), y, 0.58 * self.face_width, -0.02, 0.61 * self.face_width, 0.46, 0.1)
        long_sides = stroke(x.abs(), y, 0.58 * self.face_width, -0.02, 0.64 * self.face_width, 1.2, 0.12)
        short_sides = stroke(x.abs(), y, 0.6 * self.face_width, -0.2, 0.58 * self.face_width, 0.05, 0.06)
        locks = dict.fromkeys(SHARES["hair"], short_sides)
        locks |= {"bob": sides, "long": long_sides, "twin tails": sides}
        front = torch.minimum(fringe, self._where("hair", locks))
        self._outlined(front, self.hair_colour)
        crown = torch.atan2(x - 0.05, -(y - 0.35))
        strand = (repeat(crown, 0.34)).abs() * torch.hypot(x - 0.05, y - 0.35) - 0.012
        self._paint(torch.maximum(strand, front + 0.045), self.hair_dark)
        band = (self._skull(0.13) + 0.2 + 0.03 * zigzag(crown / 0.2)).abs() - 0.035
        lit = (crown + 0.5 * self.light).abs() * 0.6 - 0.3
        self._paint(torch.maximum(torch.maximum(band, fringe + 0.05), lit), self.hair_bright)
        far = (x * torch.sign(self.light)) - 0.34
        self._paint(torch.maximum(front, -far), self.hair_dark, 0.45 * self.light.abs())

    def _eyebrows(self) -> None:
        for side in (-1, 1):
            x, y = self._eye_centre(side)
            raised = 0.29 * self.eye_size.clamp(min=0.9)
            slope = 0.085 * self.brows
            brow = stroke(x * side, y + raised, -0.14, slope, 0.15, -slope, 0.03)
            self._paint(brow - 0.008, INK, 0.35)
            self._paint(brow, self.hair_colour * 0.45)

    def _spectacles(self) -> None:
        worn = 1 - self._is_a("glasses", "none")
        far = 9 * (1 - worn)
        frame = (0.13, 0.13, 0.18)
        bridge = stroke(self.x - self.shift, self.y - 0.1, -0.07, 0.0, 0.07, 0.0, 0.022)
        self._paint(bridge + far, frame)
        for side in (-1, 1):
            x, y = self._eye_centre(side)
            lenses = {
                "round": torch.hypot(x, y) - 0.235,
                "square": box(x, y, 0.235, 0.19, 0.05),
                "dark": box(x, y, 0.25, 0.2, 0.14),
            }
            lens = self._where("glasses", lenses)
            dark = self._is_a("glasses", "dark")
            temple = stroke(x * side, y, 0.24, -0.04, 0.36, -0.06, 0.022)
            self._paint(temple + far, frame)
            self._paint(lens, (0.85, 0.93, 1.0), 0.16 * (1 - dark))
            self._paint(lens, (0.1, 0.1, 0.16), 0.93 * dark)
            glint = (repeat(x + 0.7 * y + 0.1, 9.0)).abs() - 0.035
            self._paint(torch.maximum(glint, lens + 0.05), (1.0, 1.0, 1.0), 0.25 + 0.3 * dark)
            self._paint(lens.abs() - 0.026, frame)


def _colour(colour) -> Tensor:
    """[B, 3, 1, 1], or [3, 1, 1] of a colour that is the same in all faces."""
    return colour if isinstance(colour, Tensor) else torch.tensor(colour)[:, None, None]


def _hue(t: Tensor) -> Tensor:
    """t in [0, 1] -> a hue in turns, red to violet, with less green than the circle has."""
    to_yellow, to_teal, to_violet = t / 0.3, (t - 0.3) / 0.25, (t - 0.55) / 0.45
    warm = torch.where(t < 0.3, 0.13 * to_yellow, 0.13 + 0.34 * to_teal)
    return torch.where(t < 0.55, warm, 0.47 + 0.32 * to_violet)


def _hsv(hue: Tensor, saturation: float, value) -> Tensor:
    """[B, 3, 1, 1] from a hue [B, 1, 1] in turns of the circle."""
    hue = hue[:, None]
    value = value[:, None] if isinstance(value, Tensor) else value
    offsets = torch.tensor([5.0, 3.0, 1.0])[:, None, None]
    k = (offsets + hue * 6) % 6
    return value - value * saturation * torch.minimum(k, 4 - k).clamp(0, 1)
