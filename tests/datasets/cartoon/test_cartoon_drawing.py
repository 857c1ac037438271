"""The drawing of cartoon faces: the same for the same seed, and every factor is visible."""

from dataclasses import replace

import pytest
import torch

from vaegan.datasets.cartoon import drawing
from vaegan.datasets.cartoon.drawing import CONTINUOUS, SHARES, draw, sample_factors
from vaegan.datasets.factors import Factors


def same(a: Factors, b: Factors) -> bool:
    return torch.equal(a.continuous, b.continuous) and torch.equal(a.discrete, b.discrete)


@pytest.fixture(scope="module")
def faces():
    """24 faces and their pictures at 64 x 64."""
    factors = sample_factors(24, 0)
    return factors, draw(factors, 64)


def test_a_face_follows_from_the_seed_and_its_number_alone():
    many, few, other = sample_factors(500, 3), sample_factors(20, 3), sample_factors(20, 4)
    assert same(many[:20], few)
    assert not same(few, other)


def test_the_same_factors_give_the_same_picture_in_whatever_company(faces, monkeypatch):
    factors, pictures = faces
    order = torch.randperm(24, generator=torch.Generator().manual_seed(0))
    assert torch.equal(draw(factors[order], 64), pictures[order])
    monkeypatch.setattr(drawing, "PIXELS_AT_ONCE", 5 * 64**2)
    assert torch.equal(draw(factors, 64), pictures)


def test_the_picture_does_not_depend_on_the_number_of_threads(faces):
    factors, pictures = faces
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        assert torch.equal(draw(factors[:12], 64), pictures[:12])
    finally:
        torch.set_num_threads(threads)


def test_drawing_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    draw(sample_factors(2, 0), 16)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", [16, 28, 64, 131, 256])
def test_sizes(size):
    pictures = draw(sample_factors(3, 0), size)
    assert pictures.shape == (3, 3, size, size)
    assert pictures.dtype == torch.uint8
    assert len(pictures.unique(dim=0)) == 3


@pytest.mark.parametrize("size", [0, 15, 257])
def test_other_sizes_are_refused(size):
    with pytest.raises(ValueError, match="from 16 to 256"):
        draw(sample_factors(1, 0), size)


def test_the_same_face_at_every_size(faces):
    """A picture of 256 averaged down to 64 is the picture of 64, but for its finest lines."""
    factors, pictures = faces
    large = draw(factors[:6], 256).float()
    small = torch.nn.functional.avg_pool2d(large, 4)
    assert (small - pictures[:6]).abs().mean() < 4
    strangers = (small - pictures[6:12]).abs().mean()
    assert strangers > 30


def test_edges_are_anti_aliased():
    """Between the outline and the plain background lie values that are neither."""
    factors = sample_factors(1, 0)
    factors.discrete[0, list(SHARES).index("background")] = 0
    row = draw(factors, 256)[0, :, 20].float()
    paper = row[:, :1]
    ink = torch.tensor(drawing.INK)[:, None] * 255
    share = ((row - paper) * (ink - paper)).sum(0) / (ink - paper).square().sum()
    between = (share > 0.1) & (share < 0.9)
    assert (share > 0.95).any() and (share < 0.01).any()
    edge = between.nonzero()[0].item()
    assert share[edge - 1] < 0.1 and share[edge : edge + 3].max() > 0.9


@pytest.mark.parametrize("name", [*CONTINUOUS, *SHARES])
def test_each_factor_is_seen(faces, name):
    """From one end to the other it changes many pixels of a face by much, whatever else the face is like."""
    factors, _ = faces
    factors = factors[:12]
    ends = []
    for end in (0, -1):
        continuous, discrete = factors.continuous.clone(), factors.discrete.clone()
        if name in CONTINUOUS:
            continuous[:, factors.continuous_names.index(name)] = CONTINUOUS[name][end]
        else:
            discrete[:, list(SHARES).index(name)] = range(len(SHARES[name]))[end]
        ends.append(draw(replace(factors, continuous=continuous, discrete=discrete), 64).float())
    changed = (ends[0] - ends[1]).abs().amax(1) > 25
    seen = changed.flatten(1).sum(1)
    assert seen.min() >= 12, seen
    assert seen.float().mean() > 20


@pytest.mark.parametrize("name", SHARES)
def test_each_kind_is_a_picture_of_its_own(faces, name):
    factors = faces[0][:1]
    kinds = range(len(SHARES[name]))
    discrete = factors.discrete.repeat(len(kinds), 1)
    discrete[:, list(SHARES).index(name)] = torch.tensor(kinds)
    pictures = draw(
        replace(factors, continuous=factors.continuous.repeat(len(kinds), 1), discrete=discrete), 64
    )
    for i in kinds:
        for j in range(i):
            assert ((pictures[i].float() - pictures[j].float()).abs().amax(0) > 25).sum() >= 12


def test_factors_fill_their_ranges_and_kinds_have_their_shares():
    factors = sample_factors(6000, 0)
    assert factors.continuous_names == tuple(CONTINUOUS)
    for values, (low, high) in zip(factors.continuous.T, CONTINUOUS.values(), strict=True):
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
    for values, (name, shares) in zip(factors.discrete.T, SHARES.items(), strict=True):
        assert factors.categories[name] == tuple(shares)
        found = values.bincount(minlength=len(shares)) / 6000
        expected = torch.tensor(list(shares.values())) / sum(shares.values())
        assert (found - expected).abs().max() < 0.025


def test_factors_are_independent():
    factors = sample_factors(4000, 0)
    together = torch.cat([factors.continuous, factors.discrete.float()], 1)
    correlations = torch.corrcoef(together.T) - torch.eye(together.shape[1])
    assert correlations.abs().max() < 0.07  # four standard deviations
