"""Paths between two latents: straight lines and arcs."""

import torch
from torch import Tensor

LEAST_SINE = 1e-6  # below it the latents are parallel or opposite, and the arc between them is not unique


def linear_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points on the straight line, both ends included: [..., steps, latent_dim].

    start, end: [..., latent_dim]. steps: at least 2.
    """
    t = _times(start, steps)
    return torch.lerp(start.unsqueeze(-2), end.unsqueeze(-2), t)


def spherical_path(start: Tensor, end: Tensor, steps: int) -> Tensor:
    """Points on the arc, both ends included, evenly in angle and in length: [..., steps, latent_dim].

    In many dimensions a normal prior lies close to a sphere; the straight line leaves it, the arc does not.
    If there is no unique arc (latents that are parallel, opposite, or 0), it is the straight line.
    start, end: [..., latent_dim]. steps: at least 2.
    Source: Shoemake, Animating Rotation with Quaternion Curves (SIGGRAPH 1985), for the directions. Its
    weights are not used for the lengths: for ends of different lengths they leave the arc, and by far if the
    ends are almost opposite.
    """
    ends = [each.double().unsqueeze(-2) for each in (start, end)]
    lengths = [each.norm(dim=-1, keepdim=True) for each in ends]
    angle = _angle(start.double(), end.double())[..., None, None]
    t = _times(start, steps).double()
    sine = angle.sin()
    bent = sine > LEAST_SINE
    divisor = torch.where(bent, sine, 1.0)
    weights = ((1 - t) * angle).sin() / divisor, (t * angle).sin() / divisor
    directions = [each / length.clamp(min=LEAST_SINE) for each, length in zip(ends, lengths, strict=True)]
    arc = torch.lerp(*lengths, t) * (weights[0] * directions[0] + weights[1] * directions[1])
    return torch.where(bent, arc, torch.lerp(*ends, t)).to(start.dtype)


PATHS = {"linear": linear_path, "spherical": spherical_path}


def _times(like: Tensor, steps: int) -> Tensor:
    """Values from 0 to 1, [steps, 1]."""
    return torch.linspace(0, 1, steps, dtype=like.dtype, device=like.device)[:, None]


def _angle(a: Tensor, b: Tensor) -> Tensor:
    """The angle between two vectors [..., latent_dim], in radians; 0 if one of them is 0.

    It is computed from the diagonals of a rhombus: near 0 and pi, arccos would lose half the digits.
    """
    a_length, b_length = (each.norm(dim=-1, keepdim=True) for each in (a, b))
    a, b = a * b_length, b * a_length
    return 2 * torch.atan2((a - b).norm(dim=-1), (a + b).norm(dim=-1))
