"""The lattice figure: high for lattices, indifferent to blur and sharpness, 1 for the originals."""

import pytest
import torch
from in_memory import material
from sklearn.datasets import load_sample_images
from torch import nn
from torchvision.transforms.v2.functional import gaussian_blur

from vaegan.evals.lattice import lattice_figures, lattice_power, line_excess, line_levels
from vaegan.pixels import to_uint8

SIDE = 32


@pytest.fixture(scope="module")
def photographs() -> torch.Tensor:
    """Patches of scikit-learn's two photographs: float64 [N, 3, 32, 32] in [0, 1]."""
    tiles = [
        torch.tensor(image).permute(2, 0, 1).unfold(1, 64, 32).unfold(2, 64, 32).flatten(1, 2).transpose(0, 1)
        for image in load_sample_images().images
    ]
    return nn.functional.interpolate(torch.cat(tiles).double() / 255, (SIDE, SIDE), mode="area")


def excess(x: torch.Tensor, of: torch.Tensor) -> dict[int, float]:
    """By stride, the ratio of changed images over that of the originals."""
    changed, original = (line_excess(lattice_power(to_uint8(each))) for each in (x.clamp(0, 1), of))
    return {stride: changed[stride] / original[stride] for stride in original}


def grid(stride: int) -> torch.Tensor:
    """Every stride-th row and column brighter, as a strided decoder leaves it; without its mean."""
    on = (torch.arange(SIDE) % stride == 0).double()
    return on[:, None] + on - 2 * on.mean()


def test_it_is_one_for_the_originals(photographs):
    assert excess(photographs, photographs) == {2: 1.0, 4: 1.0, 8: 1.0}


def test_a_checkerboard_raises_it_the_more_the_stronger(photographs):
    board = 2 * ((torch.arange(SIDE)[:, None] + torch.arange(SIDE)) % 2) - 1
    weak, strong = (excess(photographs + amplitude * board, photographs) for amplitude in (0.01, 0.03))
    assert 1.2 < weak[2] < strong[2] / 2
    assert strong[4] == pytest.approx(1, abs=0.05) and strong[8] == pytest.approx(1, abs=0.05)


def test_the_lattice_of_each_stride_is_at_its_frequency_and_its_multiples(photographs):
    """A grid of period 4 has power at 1/4 and at 1/2."""
    assert excess(photographs + 0.1 * grid(2), photographs)[4] == pytest.approx(1, abs=0.1)
    found = excess(photographs + 0.1 * grid(4), photographs)
    assert found[2] > 2 and found[4] > 1.3 and found[8] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("sigma", [0.3, 0.5, 0.8])
def test_blur_does_not_raise_it(sigma, photographs):
    blurred = gaussian_blur(photographs, [9, 9], [sigma, sigma])
    assert all(value < 1.1 for value in excess(blurred, photographs).values())


@pytest.mark.parametrize("amount", [0.3, 1.0])
def test_sharpening_does_not_raise_it(amount, photographs):
    sharpened = photographs + amount * (photographs - gaussian_blur(photographs, [9, 9], [1.0, 1.0]))
    assert all(value < 1.2 for value in excess(sharpened, photographs).values())


def test_a_wave_has_its_power_at_its_frequency_alone():
    """Three bins of each direction: the Hann window's."""
    wave = to_uint8(0.5 + 0.25 * torch.cos(torch.pi / 2 * torch.arange(SIDE)).expand(4, 2, SIDE, SIDE))
    power = lattice_power(wave)
    columns = power.sum(0)
    assert set(columns.topk(6).indices.tolist()) == {7, 8, 9, 23, 24, 25}
    assert columns[[7, 8, 9, 23, 24, 25]].sum() / columns.sum() > 0.999


class Passing(nn.Module):
    """An encoder that passes images on as they are."""

    def forward(self, x):
        return x.flatten(1), x.flatten(1)


class Drawn(nn.Module):
    """A decoder that draws what `change` makes of the images passed on."""

    def __init__(self, change):
        super().__init__()
        self.change = change

    def forward(self, z):
        return self.change(z.unflatten(1, (3, SIDE, SIDE))).clamp(0.001, 0.999).logit()


def figures_of(photographs, change):
    looked_at = material(to_uint8(photographs), hidden_dim=4)
    looked_at.players.encoder, looked_at.players.decoder = Passing(), Drawn(change)
    return lattice_figures(looked_at)


def test_a_runs_lattice_is_that_of_its_images_and_of_flat_ones(photographs):
    figures = figures_of(photographs, lambda x: (x + 0.02 * grid(2)).float())
    expected = excess(photographs + 0.02 * grid(2), photographs)[2]
    assert figures["lattice"] == pytest.approx(expected, rel=0.05) and expected > 1.5
    assert figures["lattice_by_stride"].keys() == {"1/2", "1/4", "1/8"}
    assert figures["lattice_by_stride"]["1/2"] == figures["lattice"] < figures["lattice_flat"] / 5


def test_perfectly_flat_images_have_no_power_to_compare(photographs):
    figures = figures_of(photographs, torch.zeros_like)
    assert figures["lattice"] is None and figures["lattice_flat"] is None


@pytest.mark.parametrize(
    ("side", "strides"), [(28, [2, 4]), (8, [2]), (64, [2, 4, 8, 16]), (27, []), (4, [])]
)
def test_the_strides_follow_from_the_size(side, strides):
    assert list(line_excess(torch.ones(side, side))) == strides
    pixels = torch.randint(0, 256, (5, 1, side, side), dtype=torch.uint8)
    assert bool(lattice_figures(material(pixels, hidden_dim=4))) == bool(strides)


def test_the_amplitude_is_in_grey_levels():
    """Of stripes and of a checkerboard of 5 levels on grey, and of nothing."""

    def levels(change: torch.Tensor) -> float:
        images = (128 + change).round().byte().expand(4, 3, SIDE, SIDE)
        return line_levels(lattice_power(images), 12)

    stripes = 5.0 * (1 - 2 * (torch.arange(SIDE) % 2))
    assert levels(stripes) == pytest.approx(5 * (2 / 3) ** 0.5, rel=0.01)
    assert levels(stripes * stripes[:, None] / 5) == pytest.approx(5 * (4 / 3) ** 0.5, rel=0.01)
    assert levels(torch.zeros(SIDE)) == 0
