"""Pictures to paint shapes on. A shape is its signed distance from every pixel, negative inside.

Lengths are those of the plane that the pictures show, x to the right and y down; a number of a shape is a
float or a tensor [B, 1, 1], a value for each picture. Only operations that IEEE 754 rounds exactly are used
on pixels, so that no pixel depends on how many pictures are painted together or on how many threads.
Source: Quilez, 2D distance functions (iquilezles.org/articles/distfunctions2d).
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

Number = float | Tensor
Colour = Tensor | tuple[float, float, float]  # [B, 3, 1, 1], or one for all pictures


@dataclass(frozen=True)
class Canvas:
    """B pictures, or a window of them, in a frame that may be turned.

    pixels: float32 [B, 3, H, W] in [0, 1], painted in place. page_x, page_y: [1, 1, W] and [1, H, 1], the
    pixels' centres. cos, sin: [B, 1, 1], of the angle by which the frame is turned about (0, pivot).
    """

    pixels: Tensor
    page_x: Tensor
    page_y: Tensor
    pixel: float  # its side
    cos: Number = 1.0
    sin: Number = 0.0
    pivot: float = 0.0

    @staticmethod
    def blank(n: int, size: int, half: float, centre_y: float) -> "Canvas":
        """n pictures of a square about (0, centre_y), `half` to each side."""
        pixel = 2 * half / size
        centres = (torch.arange(size) + 0.5) * pixel - half
        return Canvas(
            torch.zeros(n, 3, size, size), centres[None, None], centres[None, :, None] + centre_y, pixel
        )

    def turned(self, half_tangent: Tensor, pivot: float) -> "Canvas":
        """The same pixels; shapes will be turned about (0, pivot). half_tangent: of the half angle."""
        square = half_tangent * half_tangent  # tan(a / 2) gives cos(a) and sin(a) without any cosine
        return replace(
            self, cos=(1 - square) / (1 + square), sin=2 * half_tangent / (1 + square), pivot=pivot
        )

    def window(self, left: float, top: float, right: float, bottom: float) -> "Canvas":
        """The part of the page between these lines, enlarged to whole pixels."""
        x, y = self.page_x.flatten(), self.page_y.flatten()
        columns = slice(int((x < left - self.pixel).sum()), int((x < right + self.pixel).sum()))
        rows = slice(int((y < top - self.pixel).sum()), int((y < bottom + self.pixel).sum()))
        return replace(
            self,
            pixels=self.pixels[:, :, rows, columns],
            page_x=self.page_x[:, :, columns],
            page_y=self.page_y[:, rows],
        )

    # where pixels lie

    def along(self, a: Number, b: Number, c: Number = 0.0) -> Tensor:
        """a x + b y + c at every pixel, [B, H, W]."""
        on_x, on_y = a * self.cos - b * self.sin, a * self.sin + b * self.cos
        return on_x * self.page_x + (on_y * (self.page_y - self.pivot) + (c + b * self.pivot))

    def x(self, origin: Number = 0.0) -> Tensor:
        return self.along(1.0, 0.0, -origin)

    def y(self, origin: Number = 0.0) -> Tensor:
        return self.along(0.0, 1.0, -origin)

    # shapes

    def ellipse(self, x: Number, y: Number, rx: Number, ry: Number) -> Tensor:
        """About the distance from an ellipse, exact on its edge."""
        u, v = self.along(1 / rx, 0.0, -x / rx), self.along(0.0, 1 / ry, -y / ry)
        reach = hypot(u, v)
        return reach * (reach - 1) / hypot(u / rx, v / ry).clamp_(min=1e-6)

    def circle(self, x: Number, y: Number, radius: Number) -> Tensor:
        return hypot(self.x(x), self.y(y)) - radius

    def box(self, x: Number, y: Number, half_width: Number, half_height: Number, radius: Number) -> Tensor:
        """A rectangle with round corners."""
        dx = self.x(x).abs_() - (half_width - radius)
        dy = self.y(y).abs_() - (half_height - radius)
        return hypot(dx.clamp(min=0), dy.clamp(min=0)) + torch.maximum(dx, dy).clamp_(max=0) - radius

    def stroke(self, points: Tensor, radius: Number) -> Tensor:
        """A line of the width 2 `radius` through points [B, V, 2], with round ends."""
        return root(self._square_distance(points[:, :-1], points[:, 1:])) - radius

    def polygon(self, points: Tensor) -> Tensor:
        """The polygon through points [B, V, 2]."""
        distance = root(self._square_distance(points, points.roll(-1, 1)))
        return distance * self._outside(points)

    def _square_distance(self, starts: Tensor, ends: Tensor) -> Tensor:
        """To the nearest of E segments, [B, E, 2] each."""
        ax, ay = self._on_page(starts)
        bx, by = self._on_page(ends)
        length = hypot(bx - ax, by - ay).clamp(min=1e-6)  # [B, E]
        ux, uy = (bx - ax) / length, (by - ay) / length
        ux = torch.where(ux * ux + uy * uy > 0.5, ux, torch.ones_like(ux))  # a point has some direction too
        mx, my = (ax + bx) / 2, (ay + by) / 2
        # seen from the segment's middle: a pixel's place along it and across it, each a row plus a column
        along_x, along_y = outer(ux, self.page_x), outer(uy, self.page_y) - (ux * mx + uy * my)[..., None]
        across_x, across_y = outer(uy, self.page_x), outer(-ux, self.page_y) - (uy * mx - ux * my)[..., None]
        nearest = None
        for i in range(length.shape[1]):
            beyond = along_x[:, i, None] + along_y[:, i, :, None]
            beyond = beyond.abs_().sub_(length[:, i, None, None] / 2).clamp_(min=0)
            across = across_x[:, i, None] + across_y[:, i, :, None]
            square = across.mul_(across).add_(beyond.mul_(beyond))
            nearest = square if nearest is None else torch.minimum(nearest, square, out=nearest)
        return nearest

    def _outside(self, points: Tensor) -> Tensor:
        """1 outside the polygon and -1 inside, [B, H, W]: edges to the left of a pixel, even or odd."""
        ax, ay = self._on_page(points)
        bx, by = ax.roll(-1, 1), ay.roll(-1, 1)
        y = self.page_y.flatten()
        crosses = (ay[:, None] <= y[:, None]) != (by[:, None] <= y[:, None])  # [B, H, V]
        rise = torch.where(ay == by, torch.ones_like(ay), by - ay)[:, None]
        at = ax[:, None] + (y[:, None] - ay[:, None]) * ((bx - ax)[:, None] / rise)
        n_columns = self.page_x.numel()
        column = ((at - self.page_x[0, 0, 0]) / self.pixel).ceil_().clamp_(0, n_columns)
        column = torch.where(crosses, column, torch.full_like(column, n_columns)).long()
        edges = torch.zeros(*column.shape[:2], n_columns + 1).scatter_add_(2, column, torch.ones_like(at))
        even = edges[..., :-1].cumsum(2).mul_(0.5)
        return 1 - 4 * (even - even.floor())

    def _on_page(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """x and y [B, V] on the page of points in the turned frame."""
        x, y = points[..., 0], points[..., 1] - self.pivot
        if not isinstance(self.cos, Tensor):
            return x, y + self.pivot
        cos, sin = self.cos[..., 0], self.sin[..., 0]
        return x * cos - y * sin, x * sin + y * cos + self.pivot

    # painting

    def paint(self, shape: Tensor, colour: Colour, opacity: Number = 1.0) -> None:
        """Fill a shape; its edge is one pixel wide. opacity: a number, or [B, 1, 1], or [B, H, W]."""
        self.blend(self._cover(shape) * opacity, colour)

    def paint_outlined(self, shape: Tensor, colour: Colour, width: Number, line: Colour) -> None:
        """Fill a shape and draw its outline, half of its width inside and half outside."""
        inner, outer = self._cover(shape + width / 2), self._cover(shape - width / 2)
        self.pixels.mul_((1 - outer)[:, None])
        self.pixels.add_((outer - inner)[:, None] * as_colour(line)).add_(inner[:, None] * as_colour(colour))

    def blend(self, amount: Tensor, colour: Colour) -> None:
        """amount: [B, H, W] in [0, 1]."""
        self.pixels.mul_((1 - amount)[:, None]).add_(amount[:, None] * as_colour(colour))

    def cut(self, whole: "Canvas", shape: Tensor) -> Tensor:
        """The part of a shape on the whole canvas that lies in this window."""
        top = int((whole.page_y < self.page_y[0, 0]).sum())
        left = int((whole.page_x < self.page_x[0, 0, 0]).sum())
        return shape[:, top : top + self.page_y.shape[1], left : left + self.page_x.shape[2]]

    def _cover(self, shape: Tensor) -> Tensor:
        """The share of every pixel that the shape covers."""
        return (0.5 - shape / self.pixel).clamp_(0, 1)


def intersection(*shapes: Tensor) -> Tensor:
    result = shapes[0]
    for shape in shapes[1:]:
        result = torch.maximum(result, shape)
    return result


def outer(factors: Tensor, centres: Tensor) -> Tensor:
    """[B, E] times all pixels of a row or a column, [B, E, S]."""
    return factors[..., None] * centres.flatten()


def root(t: Tensor) -> Tensor:
    """NumPy's root is exact to the last bit; torch's is not, and slower."""
    return torch.from_numpy(np.sqrt(t.numpy()))


def hypot(x: Tensor, y: Tensor) -> Tensor:
    return root(x * x + y * y)


def fraction(t: Tensor) -> Tensor:
    """t folded into [-0.5, 0.5)."""
    return t - torch.floor(t + 0.5)


def as_colour(colour: Colour) -> Tensor:
    return colour if isinstance(colour, Tensor) else torch.tensor(colour)[:, None, None]


def stack(points: list[tuple[Number, Number]]) -> Tensor:
    """[B, C, 2] from points whose coordinates are numbers or [B, 1, 1]."""
    flat = [torch.as_tensor(number).reshape(-1) for point in points for number in point]
    return torch.stack(torch.broadcast_tensors(*flat), 1).unflatten(1, (-1, 2))


def ramp(colours: list[tuple[float, float, float]], t: Tensor) -> Tensor:
    """The colour [B, 3, 1, 1] at t, [B, 1, 1] in [0, 1], between the first and the last."""
    stops = torch.tensor(colours)
    place = t.flatten() * (len(colours) - 1)
    before = place.floor().clamp(0, len(colours) - 2)
    share, index = (place - before)[:, None], before.long()
    return (stops[index] * (1 - share) + stops[index + 1] * share)[..., None, None]


def tint(red: float, green: float, blue: float) -> Tensor:
    return torch.tensor([red, green, blue])[:, None, None]
