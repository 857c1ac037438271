"""Slope penalties against slopes known in closed form and against finite differences, in float64."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from vaegan.losses.penalties import gradient, wgan_gp, zero_centred
from vaegan.nets.players import Players
from vaegan.objective.terms import TERMS, registered_terms
from vaegan.objective.views import Views

SHAPE = (5, 2, 2, 2)
N = 2 * 2 * 2


class Quadratic(nn.Module):
    """D(x) = a.x + x.Qx / 2 with a symmetric Q, whose slope is a + Qx. Keeps what it was called with."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.a = nn.Parameter(torch.randn(N, dtype=torch.float64, generator=generator))
        self.q = nn.Parameter(torch.randn(N, N, dtype=torch.float64, generator=generator))

    def forward(self, x):
        self.x = x.detach()
        x = x.flatten(1)
        return x @ self.a + (x * (x @ self.q)).sum(1) / 2

    def slopes(self, x):
        return self.a + x.flatten(1) @ (self.q + self.q.T) / 2


def batch(seed):
    return torch.randn(SHAPE, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def real():
    return batch(1)


@pytest.fixture
def fake():
    return batch(2)


def small_disc():
    """A nonlinear network with float64 weights that do not hang on torch's generator."""
    disc = nn.Sequential(nn.Flatten(), nn.Linear(N, 4), nn.Tanh(), nn.Linear(4, 1), nn.Flatten(0)).double()
    generator = torch.Generator().manual_seed(3)
    for parameter in disc.parameters():
        nn.init.normal_(parameter, generator=generator)
    return disc


def numerical_slopes(disc, x, step=1e-5):
    """Central differences of every pixel of every image, [B, N]."""
    moved = torch.eye(N, dtype=x.dtype).reshape(N, 1, *x.shape[1:]) * step
    return torch.stack([(disc(x + each) - disc(x - each)) / (2 * step) for each in moved], dim=1)


def two_sided(slopes):
    return (slopes.square().sum(1).sqrt() - 1).square().mean()


def half_square(slopes):
    return slopes.square().sum(1).mean() / 2


def somewhere_between(disc, real, fake):
    """The gradient penalty at a point of its own for each pair."""
    return wgan_gp(disc, real, fake, torch.rand(len(real), 1, 1, 1, dtype=real.dtype))


PENALTY_AND_FORMULA = pytest.mark.parametrize(
    ("penalty", "formula"),
    [
        (somewhere_between, two_sided),
        (lambda disc, real, fake: zero_centred(gradient(disc, real)), half_square),
        (lambda disc, real, fake: zero_centred(gradient(disc, fake)), half_square),
    ],
    ids=["gp", "r1", "r2"],
)


@PENALTY_AND_FORMULA
def test_value_and_gradient_are_those_of_a_slope_in_closed_form(penalty, formula, real, fake):
    disc = Quadratic()
    value = penalty(disc, real, fake)
    expected = formula(disc.slopes(disc.x))  # at the points that D was asked about; needs one derivative
    torch.testing.assert_close(value, expected)
    parameters = [disc.a, disc.q]
    torch.testing.assert_close(
        torch.autograd.grad(value, parameters), torch.autograd.grad(expected, parameters)
    )


@PENALTY_AND_FORMULA
def test_value_is_that_of_numerical_slopes(penalty, formula, real, fake):
    disc = small_disc()
    asked = []
    disc.register_forward_pre_hook(lambda module, inputs: asked.append(inputs[0].detach()))
    value = penalty(disc, real, fake)
    torch.testing.assert_close(value, formula(numerical_slopes(disc, asked[0])), rtol=1e-7, atol=1e-8)


@PENALTY_AND_FORMULA
def test_gradient_matches_finite_differences_in_the_parameters(penalty, formula, real, fake):
    disc = small_disc()
    names = [name for name, _ in disc.named_parameters()]

    def of_parameters(*values):
        torch.manual_seed(0)  # the same interpolation points every time
        parameters = dict(zip(names, values, strict=True))
        return penalty(lambda x: functional_call(disc, parameters, x), real, fake)

    assert torch.autograd.gradcheck(of_parameters, tuple(disc.parameters()))


def test_r1_looks_at_the_points_themselves(real):
    disc = Quadratic()
    zero_centred(gradient(disc, real))
    assert disc.x.equal(real)


@pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
def test_a_linear_d_has_one_slope_everywhere(scale, real, fake):
    disc = Quadratic()
    with torch.no_grad():
        disc.a.mul_(scale / disc.a.norm())
        disc.q.zero_()
    assert somewhere_between(disc, real, fake).item() == pytest.approx((scale - 1) ** 2)
    assert zero_centred(gradient(disc, real)).item() == pytest.approx(scale**2 / 2)


def test_points_lie_between_originals_and_fakes_each_image_with_its_own_share():
    n = 2000
    real, fake = (batch(seed)[:1].repeat(n, 1, 1, 1) for seed in (1, 2))
    disc = Quadratic()
    torch.manual_seed(0)
    views = Views(Players(None, nn.Identity(), None, disc, latent_dim=1), real, torch.randn(n, 1))
    wgan_gp(disc, real, fake, views.between)
    shares = ((disc.x - fake) / (real - fake)).flatten(1)
    torch.testing.assert_close(shares, shares[:, :1].expand_as(shares))  # one share for all pixels
    shares = shares[:, 0].sort().values
    assert shares.min() >= 0 and shares.max() <= 1 + 1e-12
    assert len(shares.unique()) == n
    # evenly spread: nowhere further from a straight line than 5 standard deviations of a bridge
    assert (shares - torch.linspace(0, 1, n, dtype=shares.dtype)).abs().max() < 5 * 0.5 / n**0.5


@pytest.mark.parametrize("zeroed", ["the last layer", "all"])
@PENALTY_AND_FORMULA
def test_a_zero_slope_has_finite_gradients(penalty, formula, zeroed, real, fake):
    disc = small_disc().float()
    for layer in disc if zeroed == "all" else disc[-2:]:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)
    value = penalty(disc, real.float(), fake.float())
    assert value.item() == (1 if formula is two_sided else 0)
    gradients = torch.autograd.grad(value, list(disc.parameters()), allow_unused=True, materialize_grads=True)
    assert all(gradient.isfinite().all() for gradient in gradients)


@PENALTY_AND_FORMULA
def test_without_gradients_the_value_is_the_same_and_no_graph_is_kept(penalty, formula, real, fake):
    disc = small_disc()
    torch.manual_seed(0)
    value = penalty(disc, real, fake)
    assert value.requires_grad
    with torch.no_grad():
        torch.manual_seed(0)
        bare = penalty(disc, real, fake)
        assert not torch.is_grad_enabled()
        assert not gradient(disc, real).requires_grad
    assert not bare.requires_grad and bare.grad_fn is None
    assert bare.equal(value)


@PENALTY_AND_FORMULA
def test_nothing_reaches_the_images(penalty, formula, real, fake):
    images = [real, fake.requires_grad_()]  # as on the generator's turn
    penalty(small_disc(), *images).backward()
    assert not real.requires_grad
    assert all(image.grad is None for image in images)


class Watched(nn.Module):
    """A small D that keeps the precision of what it is given and of what its layers compute."""

    def __init__(self):
        super().__init__()
        self.layers = small_disc().float()
        self.layers[1].register_forward_hook(lambda module, inputs, output: self.seen.append(output.dtype))

    def forward(self, x):
        self.seen = [x.dtype]
        return self.layers(x)


def views_of(precision):
    players = Players(None, nn.Unflatten(1, SHAPE[1:]), None, Watched(), latent_dim=N, precision=precision)
    torch.manual_seed(0)
    x = batch(1).float()
    views = Views(players, x, torch.randn(len(x), players.latent_dim))
    views.turn("disc")
    return views


PENALTIES = [term.key for term in registered_terms() if term.slope_penalty]


@pytest.mark.parametrize("key", PENALTIES)
def test_a_run_in_bf16_computes_its_penalties_in_float32(key):
    values = {}
    for precision in ("fp32", "bf16"):
        views = views_of(precision)
        fakes = views.disc_input_fake  # drawn before the interpolation points, in either precision
        torch.manual_seed(0)
        values[precision] = TERMS.find(key)[0].compute(views)
        assert fakes.dtype == values[precision].dtype == torch.float32
        assert views.players.disc.seen == [torch.float32, torch.float32]
    assert values["bf16"].equal(values["fp32"])
    _ = views.logits_real  # whereas the terms of the game are computed under autocast
    assert views.players.disc.seen == [torch.float32, torch.bfloat16]


@pytest.mark.parametrize(
    ("key", "penalty"),
    [
        ("disc/gp", lambda views: wgan_gp(views.players.disc, views.x + 1, views.fake + 1, views.between)),
        ("disc/r1", lambda views: zero_centred(gradient(views.players.disc, views.x + 1))),
        ("disc/r2", lambda views: zero_centred(gradient(views.players.disc, views.fake + 1))),
    ],
)
def test_penalties_look_at_what_d_sees(key, penalty):
    views = views_of("fp32")
    views.to_disc_input = lambda images: images + 1
    values = []
    for each in (TERMS.find(key)[0].compute, penalty):
        _ = views.disc_input_real, views.disc_input_fake
        torch.manual_seed(0)
        values.append(each(views))
    assert values[0].equal(values[1])


class Patches(nn.Module):
    """A D with a map of logits [B, h, w], smooth in its weights."""

    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(5)
        self.weight = nn.Parameter(torch.randn(1, 2, 2, 2, dtype=torch.float64, generator=generator))

    def forward(self, x):
        return torch.nn.functional.conv2d(x, self.weight, padding=1).tanh().squeeze(1)  # [B, 3, 3]


@PENALTY_AND_FORMULA
def test_of_a_map_the_slope_is_that_of_its_mean(penalty, formula, real, fake):
    patches = Patches()
    values = []
    for disc in (patches, lambda x: patches(x).mean((1, 2))):
        torch.manual_seed(0)
        value = penalty(disc, real, fake)
        values.append((value, torch.autograd.grad(value, patches.weight)[0]))
    torch.testing.assert_close(values[0], values[1])


def test_r1_does_not_grow_with_the_map(real):
    disc = Quadratic()
    expected = zero_centred(gradient(disc, real))
    for side in (1, 4):
        value = zero_centred(
            gradient(lambda x, side=side: disc(x)[:, None, None].expand(-1, side, side), real)
        )
        torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_a_network_that_allows_it_is_penalised_in_the_pass_of_its_loss(penalty, real, fake):
    def minimised(in_one_pass):
        """D's loss with the penalty, its gradient in each weight, and the number of D's passes."""
        disc, passes = small_disc(), []
        disc.slope_in_one_pass = in_one_pass
        disc.register_forward_hook(lambda *_: passes.append(1))
        players = Players(None, nn.Identity(), None, disc, latent_dim=N)
        views = Views(players, real, torch.zeros(len(real), N))
        views.x_hat = fake
        views.turn("disc")
        # logits of a run are float32; these stay float64
        players.discriminate = disc
        loss = views.logits_fake.exp().mean() + views.logits_real.square().mean()
        loss = loss + 0.3 * TERMS.find(f"disc/{penalty}")[0].compute(views)
        return loss, torch.autograd.grad(loss, list(disc.parameters())), len(passes)

    loss, gradients, passes = minimised(True)
    expected_loss, expected, more_passes = minimised(False)
    assert (passes, more_passes) == (2, 3)
    torch.testing.assert_close(loss, expected_loss)
    torch.testing.assert_close(gradients, expected)


@pytest.mark.parametrize("penalty", ["r1", "r2"])
def test_without_gradients_the_penalty_is_the_same(penalty, real, fake):
    disc = small_disc()
    disc.slope_in_one_pass = True
    views = Views(Players(None, nn.Identity(), None, disc, latent_dim=N), real, torch.zeros(len(real), N))
    views.x_hat = fake
    views.turn("disc")
    with torch.no_grad():
        value = TERMS.find(f"disc/{penalty}")[0].compute(views)
        torch.testing.assert_close(value, zero_centred(gradient(disc, real if penalty == "r1" else fake)))
