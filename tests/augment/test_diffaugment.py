"""DiffAugment: the effect of each policy on images, exact gradients, and repeatability by seed."""

import pytest
import torch
import torch.nn.functional as F

from vaegan.augment.diffaugment import DIFFAUGMENTS, build_diffaugment

NAMES = DIFFAUGMENTS.names()


def noise(n=64, channels=3, size=16, dtype=torch.float32):
    """Images [N, C, size, size] in [-1, 1], in which no pixel is 0."""
    x = torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return x * 2 - 1


def changed(names: str, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return build_diffaugment(names.split(","))(x)


def spread(values: torch.Tensor) -> float:
    """The mean distance from the mean, of which a uniform draw of that width has a quarter."""
    return (values - values.mean()).abs().mean().item()


def test_the_papers_three_policies_are_registered():
    assert NAMES == ["colour", "cutout", "translation"]


@pytest.mark.parametrize("size", [16, 28, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_each_image_is_changed_in_a_way_of_its_own(name, channels, size):
    x = noise(1, channels, size).repeat(32, 1, 1, 1)
    before = x.clone()
    y = changed(name, x)
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert torch.equal(x, before)
    assert len(torch.unique(y, dim=0)) > 12  # there are 25 shifts of 16 x 16 pixels
    assert (y != x).flatten(1).any(1).sum() > 24


@pytest.mark.parametrize("name", [*NAMES, "colour,translation,cutout"])
def test_the_change_follows_the_global_generator(name):
    x = noise()
    assert torch.equal(changed(name, x), changed(name, x))
    assert not torch.equal(changed(name, x), changed(name, x, seed=1))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [*NAMES, "colour,translation,cutout"])
def test_gradients_and_their_gradients_are_exact(name, channels):
    x = noise(2, channels, 4, torch.float64)
    x[0] = 0.25  # flat and grey, where hue and saturation are undefined
    x[1] *= 5  # far out of the range, where clipping would stop gradients
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: changed(name, x), x)
    assert torch.autograd.gradgradcheck(lambda x: changed(name, x).pow(3), x, fast_mode=True)


@pytest.mark.parametrize("name", NAMES)
def test_memory_format_and_autocast_change_nothing(name):
    x = noise()
    y = changed(name, x)
    torch.testing.assert_close(changed(name, x.to(memory_format=torch.channels_last)), y)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(changed(name, x), y)


@pytest.mark.parametrize("channels", [1, 3])
def test_brightness_shifts_flat_grey_images_by_up_to_half_a_unit_without_clipping(channels):
    y = changed("colour", torch.full((400, channels, 16, 16), 0.9))
    shift = y[:, 0, 0, 0] - 0.9
    assert (y - y[:, :1, :1, :1]).abs().max() < 1e-6  # still flat and grey
    assert -0.5 <= shift.min() < -0.48
    assert 0.48 < shift.max() <= 0.5
    assert spread(shift) == pytest.approx(0.25, abs=0.02)


def test_contrast_scales_the_distance_from_the_mean_of_each_image():
    x = noise(400, 1)
    y = changed("colour", x)
    away, was = (images - images.mean((1, 2, 3), keepdim=True) for images in (y, x))
    factor = (away * was).sum((1, 2, 3)) / was.square().sum((1, 2, 3))
    torch.testing.assert_close(away, was * factor[:, None, None, None])
    assert 0.5 <= factor.min() < 0.52
    assert 1.48 < factor.max() <= 1.5
    assert spread(factor) == pytest.approx(0.25, abs=0.02)


def test_saturation_scales_the_distance_from_grey_and_leaves_the_greys_to_contrast():
    x = noise(400, 3)
    y = changed("colour", x)
    grey, grey_was = (images.mean(1, keepdim=True) for images in (y, x))
    away, was = (g - g.mean((1, 2, 3), keepdim=True) for g in (grey, grey_was))
    contrast = ((away * was).sum((1, 2, 3)) / was.square().sum((1, 2, 3)))[:, None, None, None]
    torch.testing.assert_close(away, was * contrast)
    colour, colour_was = y - grey, (x - grey_was) * contrast
    factor = (colour * colour_was).sum((1, 2, 3)) / colour_was.square().sum((1, 2, 3))
    torch.testing.assert_close(colour, colour_was * factor[:, None, None, None])
    assert 0 <= factor.min() < 0.05
    assert 1.95 < factor.max() <= 2
    assert spread(factor) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(("size", "most"), [((16, 16), 2), ((28, 28), 4), ((64, 64), 8), ((16, 24), (2, 3))])
def test_translation_moves_whole_pixels_and_fills_with_zero(size, most):
    """Each image is found among all shifts of its original that may be; over many, each shift is."""
    rows, columns = most if isinstance(most, tuple) else (most, most)
    x = noise(1, 3, 64)[:, :, : size[0], : size[1]]
    y = changed("translation", x.repeat(300, 1, 1, 1))
    padded = F.pad(x, (columns, columns, rows, rows))
    found = torch.stack(
        [
            (y == padded[:, :, top : top + size[0], left : left + size[1]]).flatten(1).all(1)
            for top in range(2 * rows + 1)
            for left in range(2 * columns + 1)
        ]
    )
    assert (found.sum(0) == 1).all()
    assert found.any(1).float().mean() > 0.5
    along = found.view(2 * rows + 1, 2 * columns + 1, -1)
    assert along.any(1).any(1).all()
    assert along.any(0).any(1).all()


@pytest.mark.parametrize("size", [16, 17, 28, 30, 64])
def test_cutout_zeroes_a_square_of_half_the_side_that_may_lie_partly_outside(size):
    x = noise(600, 3, size)
    y = changed("cutout", x)
    cut = (y == 0).all(1)  # [B, H, W]
    assert torch.equal(y, x * ~cut[:, None])
    assert (cut.flatten(1).sum(1) <= size * size / 4).all()
    rows, columns = cut.any(2), cut.any(1)
    assert torch.equal(cut, rows[:, :, None] & columns[:, None])
    for line in (rows, columns):
        assert ((line[:, 1:] & ~line[:, :-1]).sum(1) + line[:, 0] == 1).all()  # in one piece
        assert line.sum(1).max() == size // 2
        # the middle may be any of the pixels, and is a corner's at the extremes
        assert size // 4 <= line.sum(1).min() <= size // 4 + 1
        assert line[:, 0].any() and line[:, -1].any()
    whole = (rows.sum(1) == size // 2) & (columns.sum(1) == size // 2)
    assert 0.15 < whole.float().mean() < 0.45  # about half of the places along either axis


def test_policies_are_applied_one_after_the_other_as_named():
    x = noise()
    torch.manual_seed(0)
    steps = [build_diffaugment([name]) for name in ("cutout", "colour", "translation")]
    one_by_one = steps[2](steps[1](steps[0](x)))
    assert torch.equal(changed("cutout,colour,translation", x), one_by_one)


def test_none_leaves_images_as_they_are():
    x = noise()
    assert build_diffaugment([])(x) is x


def test_policies_hold_no_state():
    policies = build_diffaugment(NAMES)
    policies(noise())
    assert not policies.state_dict()
    assert not list(policies.parameters())
    assert len(list(policies.modules())) == 1 + len(NAMES)


@pytest.mark.parametrize("name", ["color", "colour:0.5", ""])
def test_an_unknown_policy_is_refused_with_what_is_known(name):
    known = "colour, cutout, translation"
    with pytest.raises(ValueError, match=rf"unknown DiffAugment policy;.* Known: {known}\."):
        build_diffaugment(["cutout", name])
