"""The discriminators made for a learned loss: their sizes, the pixels that they see, their slopes."""

import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionError, OptionErrors
from vaegan.losses.penalties import gradient
from vaegan.nets.blocks import conv, is_norm, parameter_count
from vaegan.nets.discriminators.conv import ConvDiscriminator
from vaegan.nets.discriminators.patch import HALVINGS, PatchDiscriminator
from vaegan.nets.discriminators.projected import LOGITS, SCALES, ProjectedDiscriminator
from vaegan.nets.discriminators.resnet import ResNetDiscriminator
from vaegan.nets.discriminators.small_conv import SmallConvDiscriminator
from vaegan.nets.discriminators.smooth_conv import BlurredConv, SmoothConvDiscriminator
from vaegan.nets.pretrained import frozen_network, has_efficientnet
from vaegan.nets.residual import ResidualBlock
from vaegan.nets.signed_pixels import SignedPixels
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step

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


@pytest.mark.parametrize(("side", "count"), [(16, 136_513), (34, 663_361), (70, 2_765_633)])
def test_patch_has_the_parameters_of_patchgan(side, count):
    # 4 x 4 kernels of 64, 128, ... channels, batch norm from the second on; the last two without a stride
    widths = [64, 128, 256, 512][: HALVINGS[side] + 1]
    inner = sum(16 * before * after + 2 * after for before, after in pairwise(widths))
    assert 16 * 3 * 64 + 64 + inner + 16 * widths[-1] + 1 == count
    assert parameter_count(PatchDiscriminator((3, 128, 128), receptive_field=side)) == count


@pytest.mark.parametrize("side", HALVINGS)
def test_a_logit_of_patch_depends_on_pixels_of_its_patch_alone(side):
    disc = PatchDiscriminator((1, 160, 160), receptive_field=side, base_channels=2, norm="none")
    x = torch.rand(1, 1, 160, 160, requires_grad=True)
    logits = disc(x)
    middle = logits.shape[-1] // 2
    slope = torch.autograd.grad(logits[0, middle, middle], x)[0]
    rows, columns = (slope[0, 0].abs().sum(dim) > 0 for dim in (1, 0))
    assert rows.sum() == columns.sum() == side


@pytest.mark.parametrize(("size", "side"), [(16, 16), (28, 16), (34, 16), (64, 34), (96, 70), (128, 70)])
def test_patches_are_smaller_than_the_image_where_they_can_be(size, side):
    default = PatchDiscriminator((1, size, size))
    assert parameter_count(default) == parameter_count(
        PatchDiscriminator((1, size, size), receptive_field=side)
    )


def test_patches_that_do_not_fit_are_refused():
    with pytest.raises(OptionError, match=r"^--disc-receptive-field: patches of 70 .* accepted: 16$"):
        disc_of(disc="patch", disc_receptive_field=70)
    with pytest.raises(OptionErrors, match=r"^--disc-receptive-field: known patches: 16, 34, 70"):
        make_config({"disc": "patch", "disc_receptive_field": 20})
    with pytest.raises(OptionError, match=r"--image-size: 8 pixels; the smallest patches have 16"):
        PatchDiscriminator((1, 8, 8))


def test_patch_has_batch_norm_and_under_a_penalty_group_norm():
    kinds = [
        {type(module) for module in disc_of(disc="patch", **penalty).modules() if is_norm(module)}
        for penalty in ({}, {"r1": 1})
    ]
    assert kinds == [{nn.BatchNorm2d}, {nn.GroupNorm}]


NETWORKS = [
    "random",
    pytest.param("efficientnet", marks=pytest.mark.skipif(not has_efficientnet(), reason="no weights")),
]
PROJECTED = {"disc": "projected", "disc_network": "random", "disc_base_channels": 4}


def frozen_state(disc) -> dict[str, torch.Tensor]:
    """All tensors of D that must never change, by name."""
    (network,) = disc._frozen
    mixing = {name: value for name, value in disc.named_buffers() if name.startswith("across")}
    return {name: value.clone() for name, value in [*network.named_buffers(), *mixing.items()]}


@pytest.mark.parametrize("network", NETWORKS)
def test_projected_judges_the_mixed_maps_of_the_frozen_network(network):
    disc = ProjectedDiscriminator(SHAPE, network=network, base_channels=4)
    x = torch.rand(2, *SHAPE)
    maps = frozen_network(network, 32 if network == "random" else 64).maps(x)[-SCALES:]
    mixed = None
    for index in (3, 2, 1, 0):  # from the smallest map up
        y = torch.einsum("oc,bchw->bohw", disc.across_channels[index].weight[:, :, 0, 0], maps[index])
        if mixed is not None:
            y = y + nn.functional.interpolate(mixed, scale_factor=2, mode="bilinear")
        mixed = nn.functional.conv2d(y, disc.across_scales[index].weight, padding=1)
        torch.testing.assert_close(disc.projections(x)[index], mixed, rtol=1e-4, atol=1e-4)
    logits, features = disc.with_features(x)
    assert logits.shape == (2, SCALES * LOGITS, LOGITS)
    assert len(features) == SCALES


def test_projected_trains_heads_alone():
    disc = ProjectedDiscriminator(SHAPE, network="random")
    assert {name.split(".")[0] for name, _ in disc.named_parameters()} == {"stages", "heads"}
    # 3 x 3 from 32 to 32 on each map; 4 x 4 to 64 on the two above 4 pixels, to 128 on the one above 8
    stages = 4 * (9 * 32 * 32 + 32) + 2 * (16 * 32 * 64 + 64) + 16 * 64 * 128 + 128
    assert parameter_count(disc) == stages + 9 * (128 + 64 + 32 + 32) + 4 == 236_164
    # the state has the mixing weights, which are this run's own, and not the network, always the same
    assert {name.split(".")[0] for name in disc.state_dict()} == {
        *("across_channels", "across_scales", "stages", "heads")
    }


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_the_frozen_network_gets_pixels_in_0_to_1_and_its_gradients_reach_them(pixel_range):
    disc = disc_of(**PROJECTED, pixel_range=pixel_range)
    kept = []
    (network,) = disc._frozen
    network.maps = lambda x: (kept.append(x), type(network).maps(network, x))[1]
    x = torch.rand(2, *SHAPE, requires_grad=True)
    disc(x if pixel_range == "01" else 2 * x - 1).sum().backward()
    torch.testing.assert_close(kept[0], x)
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize("options", [{}, {"init": "dcgan", "spectral_norm": True, "r1": 1}], ids=str)
def test_nothing_frozen_is_initialised_normalised_or_trained(options):
    config = resolved(
        make_config({"vae": "dense", "pbp": "mse", "hidden_dim": 4, **PROJECTED, **options}), 32
    )
    players = build_players(config, SHAPE)
    disc = players.disc
    before = frozen_state(disc)
    fresh = frozen_network("random", 32).state_dict() | dict(frozen_network("random", 32).named_buffers())
    assert all(before[name].equal(value) for name, value in fresh.items())
    step = Step(config, players.train())
    images = torch.randint(256, (4, *SHAPE), dtype=torch.uint8)
    weights = [parameter.detach().clone() for parameter in disc.parameters()]
    step(images, 4, build_schedule(config).at(config.epochs - 1), 0, Meter(), FiniteCheck())
    after = frozen_state(disc)
    assert before.keys() == after.keys() and all(before[name].equal(after[name]) for name in before)
    moved = [not old.equal(new) for old, new in zip(weights, disc.parameters(), strict=True)]
    assert all(moved)
    assert not any(buffer.requires_grad for buffer in disc._frozen[0].buffers())


def test_projected_computes_the_same_from_its_state_whatever_its_own_seed():
    torch.manual_seed(0)
    trained = ProjectedDiscriminator(SHAPE, network="random", base_channels=4)
    torch.manual_seed(1)
    loaded = ProjectedDiscriminator(SHAPE, network="random", base_channels=4)
    x = torch.rand(2, *SHAPE)
    assert not loaded(x).equal(trained(x))
    loaded.load_state_dict(trained.state_dict())
    assert loaded(x).equal(trained(x))
    assert copy.deepcopy(trained)(x).equal(trained(x))


def test_the_frozen_network_goes_where_its_d_goes():
    disc = ProjectedDiscriminator(SHAPE, network="random", base_channels=4).double()
    assert disc(torch.rand(2, *SHAPE, dtype=torch.float64)).dtype == torch.float64


def test_networks_that_cannot_be_had_are_refused():
    with pytest.raises(OptionError, match=r"^--disc-network: no such network: resnet"):
        disc_of(disc="projected", disc_network="resnet")


def test_resnet_without_norm_begins_as_its_shortcuts_and_all_branches_learn():
    disc = ResNetDiscriminator(SHAPE, norm="none")
    blocks = [block for block in disc.modules() if isinstance(block, ResidualBlock)]
    assert len(blocks) == 8
    seen = []
    for block in blocks:
        block.register_forward_hook(lambda block, given, out: seen.append((block, given[0], out)))
    disc(torch.rand(4, *SHAPE)).sum().backward()
    for block, given, out in seen:
        torch.testing.assert_close(out, torch.relu(block.shortcut(given)))
        assert block.residual[3].weight.grad.abs().max() > 0
    firsts = torch.stack(
        [
            block.residual[0].weight.std() * (block.residual[0].weight[0].numel() / 2) ** 0.5
            for block in blocks
        ]
    )
    torch.testing.assert_close(firsts, torch.full((8,), 8**-0.5), rtol=0.1, atol=0)


def test_resnet_with_norm_keeps_pytorchs_initial_weights():
    torch.manual_seed(0)
    disc = ResNetDiscriminator(SHAPE)
    torch.manual_seed(0)
    first = conv(3, 16, 7, stride=2, bias=False)
    torch.testing.assert_close(disc.stages[0][0].weight, first.weight)
    assert all(
        block.residual[3].weight.abs().min() > 0
        for block in disc.modules()
        if isinstance(block, ResidualBlock)
    )


def test_a_smooth_discriminator_gives_hardly_any_gradient_at_the_finest_grid():
    """The window takes the border out, where the last pixels are repeated."""
    x = torch.rand(1, *SHAPE)
    columns = (-1.0) ** torch.arange(SHAPE[2]) * torch.hann_window(SHAPE[2], periodic=False)
    strength = {}
    for network in (SmallConvDiscriminator, SmoothConvDiscriminator):
        torch.manual_seed(0)
        slope = gradient(network(SHAPE), x)
        finest = (slope * columns).sum(-1).abs().mean()
        strength[network] = finest / slope.abs().sum(-1).mean()
    assert strength[SmoothConvDiscriminator] < 0.25 * strength[SmallConvDiscriminator]


def test_smooth_conv_blurs_before_its_first_halving_alone():
    convolutions = [
        layer for layer in SmoothConvDiscriminator(SHAPE).modules() if isinstance(layer, nn.Conv2d)
    ]
    assert [isinstance(layer, BlurredConv) for layer in convolutions] == [True, False, False]


@pytest.mark.parametrize("kernel_size", [3, 4, 5])
def test_a_blurred_convolution_sees_means_of_2_x_2_pixels(kernel_size):
    layer = BlurredConv(3, 4, kernel_size, stride=2)
    x = torch.rand(2, 3, 16, 16)
    means = torch.nn.functional.avg_pool2d(x, 2, 1)
    expected = torch.nn.functional.conv2d(means, layer.weight, layer.bias, stride=2)
    found = layer(x)
    assert found.shape[2:] == (8, 8)
    margin = kernel_size // 2  # of the padding
    inside = layer(torch.nn.functional.pad(x, (margin, margin, margin, margin)))[
        ..., margin:-margin, margin:-margin
    ]
    torch.testing.assert_close(inside[..., : expected.shape[2], : expected.shape[3]], expected)
