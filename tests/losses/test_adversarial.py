"""Every registered adversarial loss against its formula, written out again here, in float64."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from vaegan.losses.adversarial import ADVERSARIAL

Formula = Callable[[Tensor, Tensor, float], Tensor]


def log_d(logits: Tensor) -> Tensor:
    return torch.sigmoid(logits).log()


def log_not_d(logits: Tensor) -> Tensor:
    return (1 - torch.sigmoid(logits)).log()


def bce(logits: Tensor, label: float) -> Tensor:
    return -label * log_d(logits) - (1 - label) * log_not_d(logits)


@dataclass
class Reference:
    """The expected loss for each pair of logits (real, fake), given the originals' label."""

    gen: Formula
    disc: dict[str, tuple[float, Formula]]
    draw: dict[str, float]
    estimates: dict[str, Callable[[Tensor, Tensor], Tensor]] = field(default_factory=dict)

    def total(self, real: Tensor, fake: Tensor, label: float) -> Tensor:
        return sum(weight * formula(real, fake, label) for weight, formula in self.disc.values())


LOGISTIC = {
    "disc": {
        "real": (1.0, lambda real, fake, label: bce(real, label)),
        "fake": (1.0, lambda real, fake, label: bce(fake, 0.0)),
    },
    "draw": {"real": math.log(2), "fake": math.log(2), "adv": 1.3863},
    "estimates": {"jsd": lambda real, fake: math.log(2) + (log_d(real) + log_not_d(fake)).mean() / 2},
}
CRITIC = {
    "gen": lambda real, fake, label: -fake,
    "disc": {
        "real": (1.0, lambda real, fake, label: -real),
        "fake": (1.0, lambda real, fake, label: fake),
    },
    "draw": {"adv": 0.0},
    "estimates": {"w1": lambda real, fake: (real - fake).mean()},
}
REFERENCES = {
    "nonsaturating": Reference(gen=lambda real, fake, label: -log_d(fake), **LOGISTIC),
    "saturating": Reference(gen=lambda real, fake, label: log_not_d(fake), **LOGISTIC),
    "lsgan": Reference(
        gen=lambda real, fake, label: (fake - 1) ** 2,
        disc={
            "real": (0.5, lambda real, fake, label: (real - label) ** 2),
            "fake": (0.5, lambda real, fake, label: fake**2),
        },
        draw={"real": 0.25, "fake": 0.25, "adv": 0.25},
    ),
    "hinge": Reference(
        gen=lambda real, fake, label: -fake,
        disc={
            "real": (1.0, lambda real, fake, label: -torch.minimum(real - 1, 0 * real)),
            "fake": (1.0, lambda real, fake, label: -torch.minimum(-fake - 1, 0 * fake)),
        },
        draw={"real": 1.0, "fake": 1.0, "adv": 2.0},
    ),
    "wgan": Reference(**CRITIC),
    "wgan-gp": Reference(**CRITIC),
    "rpgan": Reference(
        gen=lambda real, fake, label: -log_d(fake - real),
        disc={"pairs": (1.0, lambda real, fake, label: -log_d(real - fake))},
        draw={"pairs": math.log(2), "adv": math.log(2)},
    ),
}

LOSSES = list(ADVERSARIAL.entries())
SMOOTHED = [
    (name, loss, smoothing)
    for name, loss in LOSSES
    for smoothing in ((0.0, 0.1, 0.3) if loss.takes_smoothing else (0.0,))
]
every_loss = pytest.mark.parametrize(("name", "loss"), LOSSES)
every_smoothed_loss = pytest.mark.parametrize(("name", "loss", "smoothing"), SMOOTHED)


def reference_of(name: str) -> Reference:
    if name not in REFERENCES:
        pytest.fail(f"adversarial loss {name!r} has no reference: write its formula out in REFERENCES")
    return REFERENCES[name]


@pytest.fixture
def logits():
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(2, 64, dtype=torch.float64, generator=generator)


def gen_term(loss, real, fake):
    """As the objective calls it: without the originals' logits where they are not asked for."""
    return loss.gen(real if loss.gen_sees_originals else None, fake)


def disc_terms(loss, real, fake):
    return {name: getattr(loss, name)(real, fake) for name in loss.disc_weights}


def disc_total(loss, real, fake):
    terms = disc_terms(loss, real, fake)
    return sum(weight * terms[name] for name, weight in loss.disc_weights.items())


def value_and_slopes(function, logits, dtype=torch.float64):
    """function(real, fake), its gradient with respect to real and that with respect to fake."""
    real, fake = (part.to(dtype).requires_grad_() for part in logits)
    value = function(real, fake)
    assert value.shape == () and value.dtype == dtype
    slopes = torch.autograd.grad(value, (real, fake), allow_unused=True, materialize_grads=True)
    return [part.detach().double() for part in (value, *slopes)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@every_smoothed_loss
def test_values_and_gradients_are_those_of_the_formula(name, loss, smoothing, dtype, tolerance, logits):
    reference, label = reference_of(name), 1 - smoothing
    loss = loss(label_smoothing=smoothing)
    assert loss.disc_weights == {term: weight for term, (weight, _) in reference.disc.items()}
    pairs = {
        "gen": (lambda real, fake: gen_term(loss, real, fake), reference.gen),
        "adv": (lambda real, fake: disc_total(loss, real, fake), reference.total),
    }
    for term, (_, formula) in reference.disc.items():
        pairs[term] = getattr(loss, term), formula
    for function, formula in pairs.values():
        actual = value_and_slopes(function, logits, dtype)
        expected = value_and_slopes(lambda *pair, f=formula: f(*pair, label).mean(), logits)
        torch.testing.assert_close(actual, expected, rtol=tolerance, atol=tolerance)


@every_smoothed_loss
def test_a_draw_is_the_best_total_that_one_answer_to_everything_can_reach(name, loss, smoothing):
    reference, label = reference_of(name), 1 - smoothing
    loss = loss(label_smoothing=smoothing)
    draws = loss.draws()
    distances = {f"disc/{key}": 0 for key in reference.estimates}
    assert distances == {key: draws.pop(key, None) for key in distances}
    terms = {"gen/adv": reference.gen} | {
        f"disc/{term}": formula for term, (_, formula) in reference.disc.items()
    }
    if "w1" in reference.estimates:  # a constant on all logits moves each term, and the sum not at all
        terms = {}
    assert set(draws) == {"disc/adv", *terms}
    answers = torch.linspace(-4, 4, 80_001, dtype=torch.float64)
    assert draws["disc/adv"] == pytest.approx(reference.total(answers, answers, label).min().item(), abs=1e-8)
    at = torch.tensor([loss.draw_logit], dtype=torch.float64)
    assert reference.total(at, at, label).item() == pytest.approx(draws["disc/adv"])
    for key, formula in terms.items():
        assert formula(at, at, label).item() == pytest.approx(draws[key])


@every_loss
def test_a_draw_has_its_known_value(name, loss):
    draws = loss().draws()
    for term, value in reference_of(name).draw.items():
        assert draws[f"disc/{term}"] == pytest.approx(value, abs=1e-4)


@every_smoothed_loss
def test_logits_of_100_either_way_keep_values_and_gradients_finite(name, loss, smoothing):
    loss = loss(label_smoothing=smoothing)
    corners = torch.tensor([[100.0, 100.0, -100.0, -100.0], [100.0, -100.0, 100.0, -100.0]])
    functions = [lambda *pair: gen_term(loss, *pair), lambda *pair: disc_total(loss, *pair)]
    for function in [*functions, *(getattr(loss, term) for term in loss.disc_weights)]:
        assert all(part.isfinite().all() for part in value_and_slopes(function, corners, torch.float32))


@pytest.mark.parametrize(
    ("name", "slope"),
    [("nonsaturating", -1), ("saturating", 0), ("hinge", -1), ("wgan", -1), ("wgan-gp", -1), ("rpgan", -1)],
)
def test_the_generators_gradient_when_it_is_seen_through(name, slope):
    loss = ADVERSARIAL.find(name)[0]()
    logits = torch.tensor([[0.0], [-40.0]])
    _, _, fake = value_and_slopes(lambda *pair: gen_term(loss, *pair), logits, torch.float32)
    assert fake.item() == pytest.approx(slope, abs=1e-6)


@every_smoothed_loss
def test_estimates_are_those_of_the_unsmoothed_loss(name, loss, smoothing, logits):
    expected = {key: estimate(*logits) for key, estimate in reference_of(name).estimates.items()}
    torch.testing.assert_close(loss(label_smoothing=smoothing).estimates(*logits), expected)


WITH_JSD = [case for case in SMOOTHED if case[0] in REFERENCES and "jsd" in REFERENCES[case[0]].estimates]


@pytest.mark.parametrize(("name", "loss", "smoothing"), WITH_JSD)
def test_the_jensen_shannon_estimate_is_log_2_less_half_of_the_loss_and_never_more(
    name, loss, smoothing, logits
):
    smoothed, plain = loss(label_smoothing=smoothing), loss()
    for scale in (0, 0.1, 1, 10, 100):
        real, fake = scale * logits.abs() * torch.tensor([[1], [-1]])  # told apart, without a mistake
        jsd = smoothed.estimates(real, fake)["jsd"]
        torch.testing.assert_close(jsd, math.log(2) - disc_total(plain, real, fake) / 2)
        assert jsd <= math.log(2)
    assert jsd > 0.69
    zeros = torch.zeros(4, dtype=torch.float64)
    assert smoothed.estimates(zeros, zeros)["jsd"].item() == pytest.approx(0, abs=1e-12)


def test_the_wasserstein_estimate_of_hand_made_logits():
    real, fake = torch.tensor([3.0, 1.0]), torch.tensor([-1.0, 0.0])
    for name in ("wgan", "wgan-gp"):
        assert ADVERSARIAL.find(name)[0]().estimates(real, fake)["w1"].item() == 2 + 0.5


REAL, FAKE = [6.0, 0.3, -0.3, 1.0], [-6.0, -0.3, 0.4, 0.6]


@pytest.mark.parametrize(
    ("name", "smoothing", "figures"),
    [
        # the boundary is 0, or log(0.8 / 1.2) = -0.405 for a label of 0.8; 6 is beyond log 99 = 4.6
        ("nonsaturating", 0.0, {"acc_real": 3 / 4, "acc_fake": 2 / 4, "saturated": 2 / 8}),
        ("saturating", 0.2, {"acc_real": 4 / 4, "acc_fake": 1 / 4, "saturated": 2 / 8}),
        # the boundary is half of the originals' label: 0.5, then 0.35
        ("lsgan", 0.0, {"acc_real": 2 / 4, "acc_fake": 3 / 4}),
        ("lsgan", 0.3, {"acc_real": 2 / 4, "acc_fake": 2 / 4}),
        # 6 and 1 for originals, -6 for a fake: no gradient at the margin or beyond
        ("hinge", 0.0, {"acc_real": 3 / 4, "acc_fake": 2 / 4, "saturated": 3 / 8}),
        # pairs: 6 against -6, 0.3 against -0.3, 1 against 0.6 are told; -0.3 against 0.4 is not
        ("wgan", 0.0, {"acc_pairs": 3 / 4}),
        ("wgan-gp", 0.0, {"acc_pairs": 3 / 4}),
        ("rpgan", 0.0, {"acc_pairs": 3 / 4, "saturated": 1 / 4}),
    ],
)
def test_accuracy_and_saturation_of_hand_made_logits(name, smoothing, figures):
    loss = ADVERSARIAL.find(name)[0](label_smoothing=smoothing)
    real, fake = torch.tensor(REAL), torch.tensor(FAKE)
    actual = loss.accuracy(real, fake) | loss.saturation(real, fake)
    assert {key: value.item() for key, value in actual.items()} == figures


@every_loss
def test_a_d_that_always_answers_the_draw_is_never_right_about_originals(name, loss):
    loss = loss()
    draw = torch.full((4,), loss.draw_logit)
    accuracy = {key: value.item() for key, value in loss.accuracy(draw, draw).items()}
    assert accuracy in ({"acc_real": 0, "acc_fake": 1}, {"acc_pairs": 0})
