"""The ledger: each figure against autograd on its term alone in float64; sampled steps."""

import pytest
import torch
from torch import nn

from vaegan.nets.players import Players
from vaegan.objective.balance import pixel_gradients
from vaegan.objective.views import Views
from vaegan.pixels import activation_slope, output_activation
from vaegan.training.ledger import Ledger, is_sampled, with_shares

pytestmark = pytest.mark.usefixtures("in_float64")

N = 5


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.both = nn.Linear(12, 4)

    def forward(self, x):
        return self.both(x.flatten(1)).chunk(2, 1)


class InDouble(Players):
    """Networks whose results stay in float64, where the real ones give float32."""

    def encode(self, x):
        return self.encoder(x)

    def decode(self, z):
        return self.decoder(z)


def views_of(pixel_range, cut):
    torch.manual_seed(3)
    decoder = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 12), nn.Unflatten(1, (3, 2, 2)))
    players = InDouble(Encoder(), decoder, nn.Identity(), latent_dim=2, pixel_range=pixel_range)
    views = Views(players, torch.rand(N, 3, 2, 2), torch.randn(N, 2))
    views.turn("gen", cut=cut)
    return views


def terms_of(x_hat, x):
    return {
        "pbp": (x_hat - x).abs().pow(3).sum() / len(x),
        "adv": torch.tanh(x_hat.flatten(1) @ torch.arange(12.0) / 33).mean(),
    }


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_every_figure_is_autograds_on_its_term_alone(pixel_range, cut):
    views = views_of(pixel_range, cut)
    terms = terms_of(views.x_hat, views.x)
    gradients = pixel_gradients(terms, views.ends)
    ledger = Ledger(views.players)
    found = ledger.of_part(views, gradients, {"pbp": 1.5, "adv": torch.tensor(7.0)}) | ledger.of_step()

    decoded = views.players.decoder(views.z)
    x_hat = output_activation(decoded, pixel_range)
    layer = views.players.decoder[2].weight
    alone = {}
    for name in terms:
        term = terms_of(x_hat, views.x)[name]
        at = torch.autograd.grad(term, [decoded, x_hat, layer], retain_graph=True)
        alone[name] = at[0].flatten(1)
        norms = [N * gradient.flatten(1).norm(dim=1).mean() for gradient in at[:2]]
        for ending, expected in zip(
            ("grad_logits", "grad_x_hat", "grad_last_layer"), [*norms, at[2].norm()], strict=True
        ):
            torch.testing.assert_close(found[f"{name}_{ending}"], expected, rtol=1e-9, atol=0)
    cosines = [a @ b / (a.norm() * b.norm()) for a, b in zip(alone["pbp"], alone["adv"], strict=True)]
    torch.testing.assert_close(found["adv_cosine"], torch.stack(cosines).mean())
    assert "pbp_cosine" not in found
    shares = with_shares({f"gen/{name}": value.item() for name, value in found.items()})
    pulls = {"pbp": 1.5 * found["pbp_grad_logits"], "adv": 7 * found["adv_grad_logits"]}
    assert shares["gen/adv_share"] == pytest.approx((pulls["adv"] / sum(pulls.values())).item())
    assert shares["gen/pbp_share"] + shares["gen/adv_share"] == pytest.approx(1)
    assert shares["gen/adv_grad_logits"] == found["adv_grad_logits"].item()


def test_one_term_has_nothing_to_share():
    views = views_of("01", False)
    gradients = pixel_gradients({"pbp": terms_of(views.x_hat, views.x)["pbp"]}, views.ends)
    ledger = Ledger(views.players)
    assert ledger.of_part(views, gradients, {"pbp": 1.0}) == ledger.of_step() == {}


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_the_slope_of_the_activation_does_not_cancel(pixel_range):
    logits = torch.linspace(-5, 5, 31, requires_grad=True)
    (expected,) = torch.autograd.grad(output_activation(logits, pixel_range).sum(), logits)
    torch.testing.assert_close(activation_slope(logits, pixel_range), expected)
    far = activation_slope(torch.tensor([-40.0, 40.0]), pixel_range)
    assert far[0] == far[1] > 0  # where 1 - x_hat is rounded to 0


@pytest.mark.parametrize(
    ("n_batches", "disc_steps", "expected"),
    [
        (1, 1, [0]),
        (31, 1, [15]),
        (64, 1, [16, 48]),
        (300, 1, [37, 112, 187, 262]),
        (300, 5, [39, 114, 189, 264]),  # the turn of `gen` after the place
    ],
)
def test_sampled_steps(n_batches, disc_steps, expected):
    turns = [batch for batch in range(n_batches) if (batch + 1) % disc_steps == 0]
    assert [batch for batch in turns if is_sampled(batch, n_batches, disc_steps)] == expected


def test_black_pixels_without_any_slope_leave_the_figures_finite():
    views = views_of("01", False)
    with torch.no_grad():
        views.players.decoder[2].bias.fill_(-800.0)  # in float64 what -90 is in float32
    gradients = pixel_gradients(terms_of(views.x_hat, views.x), views.ends)
    found = Ledger(views.players).of_part(views, gradients, {"pbp": 1.0, "adv": 1.0})
    assert all(torch.isfinite(value) for value in found.values())
