"""Paths between latents, against scipy's paths and against the properties of an arc."""

import numpy as np
import pytest
import torch
from scipy.spatial import geometric_slerp

from vaegan.evals.latent_paths import linear_path, spherical_path


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("path", [linear_path, spherical_path])
def test_both_ends_are_the_latents_themselves(path):
    a, b = draw(5, 64), draw(5, 64, seed=1)
    points = path(a, b, 10)
    assert points.shape == (5, 10, 64)
    torch.testing.assert_close(points[:, 0], a)
    torch.testing.assert_close(points[:, -1], b)


def test_a_linear_path_is_numpys():
    a, b = draw(7), draw(7, seed=1)
    np.testing.assert_allclose(linear_path(a, b, 6), np.linspace(a.numpy(), b.numpy(), 6), atol=1e-12)


@pytest.mark.parametrize("latent_dim", [2, 3, 64])
def test_on_the_unit_sphere_a_spherical_path_is_scipys(latent_dim):
    a, b = (draw(latent_dim, seed=seed) for seed in (0, 1))
    a, b = a / a.norm(), b / b.norm()
    expected = geometric_slerp(a.numpy(), b.numpy(), np.linspace(0, 1, 10))
    np.testing.assert_allclose(spherical_path(a, b, 10), expected, atol=1e-12)


@pytest.mark.parametrize("degrees", [30, 90, 178])
def test_between_other_lengths_angles_and_lengths_go_evenly(degrees):
    end = np.deg2rad(degrees)
    a, b = torch.tensor([2.0, 0.0]).double(), 5 * torch.tensor([np.cos(end), np.sin(end)])
    angles, lengths = np.linspace(0, end, 7), np.linspace(2, 5, 7)
    expected = np.stack([lengths * np.cos(angles), lengths * np.sin(angles)], axis=1)
    np.testing.assert_allclose(spherical_path(a, b, 7), expected, atol=1e-12)


def test_a_spherical_path_keeps_the_length_that_a_linear_one_loses():
    a, b = draw(256), draw(256, seed=1)
    b = b / b.norm() * a.norm()
    assert (spherical_path(a, b, 9).norm(dim=1) / a.norm()).sub(1).abs().max() < 1e-12
    assert linear_path(a, b, 9)[4].norm() < 0.8 * a.norm()


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0], [2.0, 4.0]),
        ([1.0, 2.0], [-1.0, -2.0]),
        ([0.0, 0.0], [1.0, 1.0]),
        ([3.0, 1.0], [3.0, 1.0]),
    ],
    ids=["same direction", "opposite", "from 0", "equal"],
)
def test_without_a_single_arc_the_path_is_straight(a, b):
    a, b = torch.tensor(a), torch.tensor(b)
    torch.testing.assert_close(spherical_path(a, b, 5), linear_path(a, b, 5))


def test_almost_the_same_direction_stays_between_the_two_in_single_precision():
    a = draw(20).float()
    b = a + 1e-4 * draw(20, seed=1).float()
    torch.testing.assert_close(spherical_path(a, b, 5), linear_path(a, b, 5), rtol=0, atol=1e-6)


def test_each_pair_of_a_batch_has_its_own_angle():
    a, b = draw(4, 3), draw(4, 3, seed=1)
    apart = torch.stack([spherical_path(x, y, 6) for x, y in zip(a, b, strict=True)])
    torch.testing.assert_close(spherical_path(a, b, 6), apart)
