"""Feature matching: closed forms, whom its gradients reach, layers, the frozen networks."""

import pytest
import torch
from torch import nn

from vaegan.config.build import build_objective, build_players
from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionError
from vaegan.losses.feature_matching import feature_matching, matching, perceptual
from vaegan.nets.pretrained import frozen_network, has_efficientnet
from vaegan.objective.objective import weighted_sum
from vaegan.training.step import Step

HYBRID = {
    **{"vae": "conv", "base_channels": 4, "latent_dim": 3, "disc": "conv", "disc_base_channels": 4},
    **{"disc_weight": 0, "feature_matching": 2},
}


def played(weights, **options):
    """The views and terms of `gen` on one batch."""
    config = resolved(make_config({**HYBRID, **options}), 16)
    players = build_players(config, (3, 16, 16)).train()
    objective = build_objective(config, players)
    torch.manual_seed(0)
    views = objective.views(torch.rand(6, 3, 16, 16), torch.randn(6, 3))
    return views, objective.play("gen", views, weights)


def test_l2_is_the_squared_difference_over_the_variance_of_the_originals():
    real = [torch.tensor([[[0.0, 2.0]], [[4.0, 6.0]]])]  # two images, a channel, two places: variance 5
    fake = [real[0] + torch.tensor([[[1.0, -3.0]], [[1.0, 0.0]]])]
    assert matching(real, fake, [1], "l2", "", "").item() == pytest.approx((1 + 9 + 1 + 0) / 4 / 5)
    assert matching(real, fake, [1], "l1", "", "").item() == pytest.approx((1 + 3 + 1 + 0) / 4 / 5**0.5)


def test_the_scale_of_a_layer_does_not_count_and_layers_are_averaged():
    generator = torch.Generator().manual_seed(0)
    real, fake = ([torch.randn(4, 3, 2, 2, generator=generator) for _ in range(2)] for _ in range(2))
    each = [matching(real, fake, [layer], "l2", "", "").item() for layer in (1, 2)]
    assert matching(real, fake, [1, 2], "l2", "", "").item() == pytest.approx(sum(each) / 2)
    scaled = matching([100 * real[0]], [100 * fake[0]], [1], "l2", "", "").item()
    assert scaled == pytest.approx(each[0])


def test_originals_get_no_gradient_and_the_variance_none():
    real = torch.randn(4, 2, requires_grad=True)
    fake = torch.randn(4, 2, requires_grad=True)
    matching([real], [fake], [1], "l2", "", "").backward()
    assert real.grad is None
    variance = real.detach().var(0, correction=0).mean()
    torch.testing.assert_close(fake.grad, 2 * (fake - real).detach() / fake.numel() / variance)


def test_its_gradients_reach_encoder_and_decoder_and_nothing_else():
    """Larsen et al., algorithm 1: Dis_l is a loss of the encoder and of the decoder, not of D."""
    views, terms = played({"feature_matching": 2.0})
    weighted_sum(terms, {"feature_matching": 2.0}).backward(inputs=list(views.players.parameters_of("gen")))
    for network, reached in (("encoder", True), ("decoder", True), ("disc", False)):
        gradients = [p.grad for p in views.players.networks()[network].parameters()]
        assert all((gradient is not None and gradient.abs().max() > 0) == reached for gradient in gradients)


def test_score_and_features_come_from_one_pass_of_d():
    config = resolved(make_config({**HYBRID, "disc_weight": 1}), 16)
    players = build_players(config, (3, 16, 16))
    with_graph = []
    players.disc.stages[0].register_forward_hook(
        lambda module, inputs, output: with_graph.append(output.requires_grad)
    )
    objective = build_objective(config, players)
    views = objective.views(torch.rand(6, 3, 16, 16), torch.randn(6, 3))
    objective.play("gen", views, {"adv": 1.0})
    assert with_graph == [True]
    objective.play("gen", views, {"adv": 1.0, "feature_matching": 1.0})
    assert sorted(with_graph[1:]) == [False, True]  # that of the originals without a graph


def test_it_compares_the_features_that_d_gives():
    views, terms = played({"feature_matching": 1.0}, fm_layers=[1, 2], fm_distance="l1")
    with torch.no_grad():
        real, fake = (views.players.disc.with_features(x)[1] for x in (views.x, views.x_hat))
    expected = matching(real, fake, [1, 2], "l1", "", "")
    torch.testing.assert_close(terms["feature_matching"], expected)


def test_the_only_layer_of_a_d_is_matched_unless_another_is_named():
    for depth, layer in ((1, 1), (2, 2)):
        views, terms = played({"feature_matching": 1.0}, disc_depth=depth)
        with torch.no_grad():
            real, fake = (views.players.disc.with_features(x)[1] for x in (views.x, views.x_hat))
        torch.testing.assert_close(terms["feature_matching"], matching(real, fake, [layer], "l2", "", ""))
    with pytest.raises(OptionError, match="2: the discriminator has 1 layers"):
        played({"feature_matching": 1.0}, disc_depth=1, fm_layers=[2])


def test_a_layer_that_d_does_not_have_is_refused():
    with pytest.raises(OptionError, match=r"9: the discriminator has \d layers"):
        played({"feature_matching": 1.0}, fm_layers=[1, 9])


def test_a_d_without_features_is_refused(command, monkeypatch):
    class Plain(nn.Module):
        def __init__(self, image_shape):
            super().__init__()
            self.linear = nn.Linear(image_shape[0] * image_shape[1] ** 2, 1)

        def forward(self, x):
            return self.linear(x.flatten(1)).squeeze(1)

    from vaegan.nets.discriminators import DISCRIMINATORS

    monkeypatch.setattr(DISCRIMINATORS, "_entries", DISCRIMINATORS._entries | {"plain": Plain})
    status, _, errors = command("--disc plain --feature-matching 1 --dry-run")
    assert status == 2 and errors.startswith("--feature-matching 1: this discriminator does not hand out")


NETWORKS = [
    "random",
    pytest.param(
        "efficientnet",
        marks=pytest.mark.skipif(
            not has_efficientnet(), reason="the package with its weights is not installed"
        ),
    ),
]


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
@pytest.mark.parametrize("network", NETWORKS)
def test_a_frozen_network_compares_pixels_in_01_and_nothing_in_it_moves(network, pixel_range):
    pbp = "bce" if pixel_range == "01" else "mse"
    options = {"perceptual_weight": 1, "perceptual_network": network, "pixel_range": pixel_range, "pbp": pbp}
    views, terms = played({"perceptual": 1.0}, **options)
    frozen = frozen_network(network)
    before = [value.clone() for value in frozen.buffers()]
    with torch.no_grad():
        in_01 = [(x if pixel_range == "01" else (x + 1) / 2) for x in (views.x, views.x_hat)]
        real, fake = map(frozen.maps, in_01)
    torch.testing.assert_close(terms["perceptual"], matching(real, fake, [2], "l2", "", ""))
    terms["perceptual"].backward()
    assert all(p.grad is not None for p in views.players.parameters_of("gen"))
    assert all(p.grad is None for p in views.players.disc.parameters())
    assert all(a.equal(b) for a, b in zip(before, frozen.buffers(), strict=True))
    assert not list(frozen.parameters())


def test_of_an_image_and_itself_both_are_0():
    views, _ = played({"feature_matching": 1.0}, perceptual_weight=1)
    views.x = views.x_hat.detach()
    views.turn("gen", with_features=True)
    assert feature_matching(views).item() == 0
    assert perceptual(views, perceptual_network="random").item() == 0


@pytest.mark.parametrize("change", [{"diffaug": "translation,cutout,colour"}, {"instance_noise": 0.5}])
def test_originals_and_reconstructions_are_changed_alike(change):
    """An image and itself have the same features also where D's inputs are changed at random."""
    config = resolved(make_config({**HYBRID, **change}), 16)
    step = Step(config, build_players(config, (3, 16, 16)))
    views = step.objective.views(
        torch.rand(6, 3, 16, 16), torch.randn(6, 3), to_disc_input=step._to_disc_input(0.5)
    )
    views.x = views.x_hat.detach()
    for _ in range(2):
        views.turn("gen", with_features=True)
        assert feature_matching(views).item() < 1e-9
        first = views.disc_input_real
        assert not torch.equal(first, views.x)
    views.turn("gen", with_features=True)
    assert not torch.equal(first, views.disc_input_real)  # each turn draws anew


def test_features_without_any_spread_give_a_finite_distance():
    still = [torch.zeros(1, 4)]
    for distance in ("l2", "l1"):
        assert matching(still, still, [1], distance, "", "").item() == 0
        assert torch.isfinite(matching(still, [torch.ones(1, 4)], [1], distance, "", ""))
