"""The discriminators made for a learned loss: their sizes, the pixels that they see, their slopes."""

import pytest
import torch
from torch import nn

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.losses.penalties import gradient
from vaegan.nets.blocks import is_norm, parameter_count
from vaegan.nets.discriminators.conv import ConvDiscriminator
from vaegan.nets.discriminators.small_conv import SmallConvDiscriminator
from vaegan.nets.signed_pixels import SignedPixels

SHAPE = (3, 32, 32)
RECIPE = {"base_channels": 16, "depth": 3, "kernel_size": 4, "norm": "none"}


def disc_of(**options) -> nn.Module:
    config = resolved(make_config({"vae": "dense", "pbp": "mse", "adv": "hinge", **options}), SHAPE[1])
    return build_players(config, SHAPE).disc


def test_small_conv_is_conv_with_these_knobs_on_pixels_in_minus_1_to_1():
    small, conv = SmallConvDiscriminator(SHAPE), ConvDiscriminator(SHAPE, **RECIPE)
    assert parameter_count(small) == parameter_count(conv) == 42_865
    conv.load_state_dict(dict(zip(conv.state_dict(), small.state_dict().values(), strict=True)))
    x = torch.rand(5, *SHAPE)
    torch.testing.assert_close(small(x), conv(2 * x - 1))
    # the pixels of the run are the slope's variable
    torch.testing.assert_close(gradient(small, x), 2 * gradient(conv, 2 * x - 1))


@pytest.mark.parametrize(
    ("size", "sides"),
    [(16, [8, 4]), (28, [14, 7]), (32, [16, 8, 4]), (64, [32, 16, 8, 4]), (128, [64, 32, 16, 8, 4])],
)
def test_small_conv_halves_down_to_maps_of_4_pixels(size, sides):
    _, features = SmallConvDiscriminator((1, size, size)).with_features(torch.rand(2, 1, size, size))
    assert [feature.shape[-1] for feature in features] == sides


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_a_run_sets_the_range_that_the_pixels_come_from(pixel_range):
    disc = disc_of(disc="small_conv", pixel_range=pixel_range)
    kept = []
    disc.get_submodule("stages.0.1").register_forward_pre_hook(lambda _, given: kept.append(given[0]))
    x = torch.rand(2, *SHAPE)
    disc(x if pixel_range == "01" else 2 * x - 1)
    torch.testing.assert_close(kept[0], 2 * x - 1)
    assert any(isinstance(module, SignedPixels) for module in disc.modules())


@pytest.mark.parametrize(
    ("disc", "normalised"), [("small_conv", False), ("conv", True)], ids=lambda value: str(value)
)
def test_a_penalty_leaves_a_network_without_normalisation_without_it(disc, normalised):
    modules = list(disc_of(disc=disc, r1=1).modules())
    assert any(map(is_norm, modules)) == normalised
