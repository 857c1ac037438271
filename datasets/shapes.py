"""Plane shapes as signed distances: how far each of some points lies outside, negative inside.

x, y: the points, seen from the shape's own origin; sizes are numbers or tensors that broadcast with them.
Source: Quilez, 2D distance functions (iquilezles.org/articles/distfunctions2d).
"""

import math

import torch
from torch import Tensor

Size = float | Tensor


def ellipse(x: Tensor, y: Tensor, rx: Size, ry: Size) -> Tensor:
    """About the distance from an ellipse about the origin, exact on its edge."""
    u, v = x / rx, y / ry
    reach = torch.hypot(u, v)
    return reach * (reach - 1) / torch.hypot(u / rx, v / ry).clamp(min=1e-6)


def box(x: Tensor, y: Tensor, half_width: Size, half_height: Size, radius: Size) -> Tensor:
    """A rectangle with round corners."""
    dx, dy = x.abs() - half_width + radius, y.abs() - half_height + radius
    return torch.hypot(dx.clamp(min=0), dy.clamp(min=0)) + torch.maximum(dx, dy).clamp(max=0) - radius


def stroke(x: Tensor, y: Tensor, ax: Size, ay: Size, bx: Size, by: Size, radius: Size) -> Tensor:
    """A line from a to b with round ends."""
    wx, wy = bx - ax, by - ay
    along = (((x - ax) * wx + (y - ay) * wy) / (wx * wx + wy * wy)).clamp(0, 1)
    return torch.hypot(x - ax - along * wx, y - ay - along * wy) - radius


def triangle(x: Tensor, y: Tensor, half_width: float, height: float) -> Tensor:
    """A triangle with its tip at the origin and its foot below; half_width and height set its slopes."""
    slopes = (x.abs() * height - y * half_width) / math.hypot(height, half_width)
    return torch.maximum(slopes, y - 0.6 * height)


def repeat(t: Tensor, period: float) -> Tensor:
    """t folded into [-period / 2, period / 2)."""
    return t - period * torch.floor(t / period + 0.5)


def zigzag(t: Tensor) -> Tensor:
    """A triangle wave of period 1 between -1 and 1."""
    return 4 * (t - torch.floor(t + 0.5)).abs() - 1
