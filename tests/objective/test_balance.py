"""Weights by gradients against autograd in float64: shares, encodec's check, VQGAN's rule."""

import pytest
import torch
from torch import nn

from vaegan.errors import UserError
from vaegan.objective.balance import CAP, Balance, last_layer, mean_norm, pixel_gradients
from vaegan.objective.memory import Memory
from vaegan.objective.weights import Relative, Time, Weight

pytestmark = pytest.mark.usefixtures("in_float64")

N = 6


def decoder(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 12), nn.Unflatten(1, (3, 2, 2)))


def terms_of(logits, x, scale=1.0):
    """A PBP loss, and two learned terms: one a mean over everything, one that sees single images."""
    x_hat = torch.sigmoid(logits)
    return {
        "pbp": (x_hat - x).square().sum() / len(x),
        "adv": scale * torch.tanh(x_hat.flatten(1) @ torch.arange(12.0) / 33).mean(),
        "fm": x_hat.mean((2, 3)).square().mean(),
    }


def step(network, balance, factors, x, z, scale=1.0):
    """One pass; returns terms, gradients at the pixel logits, and the weights, after what is remembered."""
    decoded = network(z)
    terms = terms_of(decoded, x, scale)
    gradients = pixel_gradients(terms, [decoded])
    weights = balance.weights(factors, gradients, decoded)
    balance.memory.commit()
    return decoded, terms, gradients, weights


def batch(seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(N, 3, 2, 2, generator=generator), torch.randn(N, 3, generator=generator)


def made(seed=0):
    network = decoder(seed)
    return network, Balance(Memory(), last_layer(network))


def test_a_gradient_at_the_pixel_logits_is_that_of_the_term_alone():
    network, _ = made()
    x, z = batch()
    logits = network(z).detach().requires_grad_()
    gradients = pixel_gradients(terms_of(logits, x), [logits])
    for name in gradients:
        (alone,) = torch.autograd.grad(terms_of(logits, x)[name], logits)
        torch.testing.assert_close(gradients[name], alone, rtol=1e-12, atol=0)
    norms = [(gradients["adv"][i] * N).norm() for i in range(N)]  # of each image by itself
    torch.testing.assert_close(mean_norm(gradients["adv"]), torch.stack(norms).mean())


def test_a_term_that_does_not_reach_the_pixels_has_no_gradient_there():
    network, _ = made()
    x, z = batch()
    decoded = network(z)
    terms = terms_of(decoded, x) | {"kl": next(network.parameters()).square().sum(), "none": torch.zeros(())}
    assert set(pixel_gradients(terms, [decoded])) == {"pbp", "adv", "fm"}


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_shares_are_held_whatever_the_scale_of_a_term(scale):
    network, balance = made()
    x, z = batch()
    factors = {"pbp": 2.0, "adv": Relative("share", 0.3), "fm": Relative("share", 0.1)}
    first = step(network, balance, factors, x, z, scale)[3]
    assert first["adv"] == 0 and first["fm"] == 0  # measured, not yet weighted
    _, _, gradients, weights = step(network, balance, factors, x, z, scale)
    pulls = {name: weights[name] * mean_norm(gradient) for name, gradient in gradients.items()}
    shares = {name: (pull / sum(pulls.values())).item() for name, pull in pulls.items()}
    assert shares == pytest.approx({"pbp": 0.6, "adv": 0.3, "fm": 0.1})
    assert weights["pbp"] == 2.0


def test_a_term_and_a_hundred_times_its_opposite_cancel_at_equal_shares():
    """The check in encodec/balancer.py."""
    network, balance = made()
    x, z = batch()
    factors = {"pbp": 1.0, "there": Relative("share", 0.2), "back": Relative("share", 0.2)}
    for _ in range(2):
        decoded = network(z)
        terms = terms_of(decoded, x)
        terms = {"pbp": terms["pbp"], "there": terms["adv"], "back": -100 * terms["adv"]}
        gradients = pixel_gradients(terms, [decoded])
        weights = balance.weights(factors, gradients, decoded)
        balance.memory.commit()
    learned = sum(weights[name] * gradients[name] for name in ("there", "back"))
    assert learned.abs().max() < 1e-12 * gradients["pbp"].abs().max()
    assert weights["there"] > 0


def test_plain_weights_of_other_learned_terms_count_as_given():
    network, balance = made()
    x, z = batch()
    factors = {"pbp": 1.0, "adv": Relative("share", 0.4), "fm": 7.0}
    for _ in range(2):
        _, _, gradients, weights = step(network, balance, factors, x, z)
    fixed = mean_norm(gradients["pbp"]) + 7 * mean_norm(gradients["fm"])
    assert weights["adv"].item() == pytest.approx((0.4 / 0.6 * fixed / mean_norm(gradients["adv"])).item())


def test_norms_are_smoothed_by_an_average_corrected_for_its_start():
    network, balance = made()
    factors = {"pbp": 1.0, "adv": Relative("share", 0.5)}
    norms = []
    for seed in range(4):
        _, _, gradients, weights = step(network, balance, factors, *batch(seed))
        norms.append({name: mean_norm(gradient).item() for name, gradient in gradients.items()})
    decays = [0.95**2, 0.95, 1]  # of the three steps before the last
    average = {
        name: sum(d * norm[name] for d, norm in zip(decays, norms, strict=False)) / sum(decays)
        for name in ("pbp", "adv")
    }
    assert weights["adv"].item() == pytest.approx(average["pbp"] / average["adv"])


def test_a_term_that_does_not_act_on_a_batch_has_weight_0_there():
    network, balance = made()
    x, z = batch()
    decoded = network(z)
    gradients = pixel_gradients({"pbp": terms_of(decoded, x)["pbp"]}, [decoded])
    weights = balance.weights({"pbp": 1.0, "adv": Relative("share", 0.5)}, gradients, decoded)
    assert isinstance(weights["adv"], torch.Tensor) and weights["adv"] == 0  # as meters take it


def test_a_term_without_a_gradient_gets_no_weight_and_a_nearly_dead_one_the_cap():
    network, balance = made()
    x, z = batch()
    factors = {"pbp": 1.0, "adv": Relative("share", 0.5)}
    for scale, expected in ((0.0, 0.0), (1e-9, CAP)):
        for _ in range(2):
            weights = step(network, balance, factors, x, z, scale)[3]
        assert weights["adv"].item() == expected


def test_adaptive_is_the_ratio_at_the_last_layer():
    network, balance = made()
    x, z = batch()
    weights = step(network, balance, {"pbp": 3.0, "adv": Relative("adaptive", 0.8), "fm": 0.0}, x, z)[3]
    layer = network[2].weight
    at = {}
    for name in ("pbp", "adv"):
        (at[name],) = torch.autograd.grad(terms_of(network(z), x)[name], layer)
    expected = 0.8 * 3 * at["pbp"].norm() / (at["adv"].norm() + 1e-4)
    torch.testing.assert_close(weights["adv"], expected, rtol=1e-10, atol=0)
    capped = step(network, balance, {"pbp": 1e9, "adv": Relative("adaptive", 0.8)}, x, z)[3]
    assert capped["adv"].item() == pytest.approx(0.8 * CAP)


def test_the_last_layer_is_the_one_that_draws_the_pixels():
    assert last_layer(decoder()).shape == (12, 8)
    assert last_layer(nn.PReLU()) is None


def test_adaptive_without_a_last_layer_is_refused():
    network, _ = made()
    with pytest.raises(UserError, match=r"use share\(\.\.\.\)"):
        step(network, Balance(Memory(), None), {"pbp": 1.0, "adv": Relative("adaptive", 1.0)}, *batch())


@pytest.mark.parametrize(
    ("typed", "at_step", "expected"),
    [
        ("share(0.3)", 0, Relative("share", 0.3)),
        (" share( 0.3 ) ", 0, Relative("share", 0.3)),
        ("share(linear(0, 0.4, 2))", 0, 0.0),  # no term at all
        ("share(linear(0, 0.4, 2))", 10, Relative("share", 0.2)),
        ("adaptive(0.8)", 3, Relative("adaptive", 0.8)),
        ("share(0)", 3, 0.0),
    ],
)
def test_what_is_typed(typed, at_step, expected):
    weight = Weight.parse(typed)
    assert Weight.parse(str(weight)) == weight == Weight.parse(weight.plain())
    factor = weight.at(Time(at_step // 10, at_step, 5, 0, 10))
    assert factor == expected


@pytest.mark.parametrize(
    "typed", ["share()", "share(0.1, 0.2)", "share(share(0.1))", "share(-1)", "share(x)"]
)
def test_what_is_no_weight(typed):
    with pytest.raises(ValueError):
        Weight.parse(typed)


def test_with_nothing_to_be_set_against_there_is_no_weight():
    network, balance = made()
    for rule in ("share", "adaptive"):
        for _ in range(2):
            weights = step(network, balance, {"pbp": 0.0, "adv": Relative(rule, 0.5)}, *batch())[3]
        assert weights["adv"].item() == 0
