"""Shares, cosines and steps of terms on held-out images: closed forms, and each kind of run."""

import math

import pytest
import torch
import torch.nn.functional as F
from in_memory import material
from torch import nn

from vaegan import quantities
from vaegan.evals.gradients import LastWeights, Pulls, evaluate_gradients, measured, pulls, step_before
from vaegan.nets.players import image_logits
from vaegan.objective.terms import TERMS, WeightOption, register_term

DISC = {"disc": "dense", "disc_hidden_dim": 8, "hidden_dim": 16}


def images(n: int = 12, size: int = 16) -> torch.Tensor:
    return torch.randint(0, 256, (n, 1, size, size), generator=torch.Generator().manual_seed(1)).byte()


def record(phase: str = "combo", **weights: float) -> list[dict]:
    return [{"epoch": 0, "phase": phase, **{f"weight/gen/{name}": w for name, w in weights.items()}}]


def by_hand(pbp, adv, feature_matching) -> Pulls:
    """One image of a row of pixels per row of the tensors; D's logits are wrong in one pair of four."""
    gradients = {"pbp": pbp, "adv": adv, "feature_matching": feature_matching}
    gradients = {name: torch.tensor(rows)[:, None, None] for name, rows in gradients.items()}
    x_hat = torch.full_like(gradients["pbp"], 0.5)
    return Pulls(
        torch.zeros_like(x_hat), x_hat, gradients, (torch.tensor([0.0, 2.0]), torch.tensor([-1.0, 1.0]))
    )


def test_figures_follow_from_the_gradients_of_each_image():
    pull = by_hand([[2.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [-3.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
    found = measured([pull], {"pbp": 1.0, "adv": 2.0, "feature_matching": 0.0})
    norms = {"pbp": 4.0, "adv": 2 * 6.0}
    assert found["pbp/share"] == pytest.approx(4 / sum(norms.values()))
    assert found["learned/share"] == found["adv/share"] == pytest.approx(12 / 16)
    assert found["feature_matching/share"] == 0
    assert found["adv/cosine"] == pytest.approx((0 - 1) / 2) and found["adv/agreeing"] == 0
    assert found["feature_matching/agreeing"] == pytest.approx((math.sqrt(0.5) + 1) / 2)
    assert found["auc"] == 3 / 4


def test_the_learned_loss_is_the_weighted_sum_of_its_terms():
    pull = by_hand([[2.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 3.0]], [[1.0, 0.0], [1.0, 0.0]])
    found = measured([pull], {"pbp": 1.0, "adv": 1.0, "feature_matching": 4.0})
    assert found["learned/cosine"] == pytest.approx(4 / 5)
    assert found["learned/share"] == pytest.approx((6 + 8) / (4 + 6 + 8))


def test_a_term_without_a_gradient_at_reconstructions_has_no_cosine():
    nothing = torch.zeros(2, 2).tolist()
    found = measured(
        [by_hand([[1.0, 0.0]] * 2, nothing, [[1.0, 0.0]] * 2)],
        {"pbp": 1.0, "adv": 1.0, "feature_matching": 0.0},
    )
    assert found["adv/cosine"] is None and found["adv/agreeing"] is None


def pulls_of(given, **weights: float) -> Pulls:
    (found,) = pulls(given, weights, given.originals, sampled=False)
    return found


@pytest.mark.parametrize("ema", [None, 0.9])
def test_gradients_are_those_of_each_images_own_loss(ema):
    """BCE at the pixel logits has x_hat - x, and the score what autograd says for one image alone."""
    given = material(images(), ema=ema, **DISC)
    if ema:  # the averaged decoder is the one that is evaluated
        for weight in given.players.ema.module.parameters():
            weight.mul_(0.5)
    found = pulls_of(given, pbp=1.0, adv=3.0, kl=1.0)
    assert list(found.gradients) == ["pbp", "adv"]
    x_hat = given.players.reconstruct(given.originals / 255)
    assert torch.allclose(found.x_hat, x_hat, atol=1e-6)
    assert torch.allclose(found.gradients["pbp"], x_hat - given.originals / 255, atol=1e-5)
    logits = found.pixel_logits[3:4].clone().requires_grad_()
    with torch.enable_grad():
        loss = F.softplus(-given.players.discriminate(torch.sigmoid(logits))).mean()
        (alone,) = torch.autograd.grad(loss, logits)
    assert torch.allclose(found.gradients["adv"][3:4], alone, rtol=1e-3, atol=1e-7)
    assert torch.allclose(found.logits[1], given.players.discriminate(x_hat), atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"disc": "patch", "disc_base_channels": 4},
        {"fakes": "both"},
        {"diffaug": ["colour"], "instance_noise": 0.5, "r1": 1.0},
        {"adv": "rpgan"},
        {"precision": "bf16", "pixel_range": "pm1", "pbp": "mse", "disc_sees_8bit": True},
        {"batch_size": 5},
    ],
    ids=lambda options: "_".join(options),
)
def test_every_kind_of_game_has_its_figures(options):
    given = material(
        images(), **{**DISC, **options} if "disc" not in options else {"hidden_dim": 16, **options}
    )
    section = evaluate_gradients(given, record(pbp=1.0, kl=1.0, adv=10.0), lambda: None)
    values = section.values
    assert values["pbp/share"] + values["adv/share"] == pytest.approx(1) and values["adv/share"] > 0
    assert -1 <= values["adv/cosine"] <= values["adv/agreeing"] <= 1
    assert 0 <= values["auc"] <= 1 and values["learned/step"] is None
    assert values.keys() == section.meanings.keys()
    again = evaluate_gradients(given, record(pbp=1.0, kl=1.0, adv=10.0), lambda: None)
    assert again.values == values


def test_a_d_that_sees_samples_alone_has_a_share_and_no_cosine():
    given = material(images(), fakes="samples", **DISC)
    values = evaluate_gradients(given, record(pbp=1.0, adv=10.0), lambda: None).values
    assert values["adv/share"] > 0 and values["adv/cosine"] is None and values["learned/step"] is None


def test_weights_are_those_of_the_checkpoints_epoch():
    records = [{"epoch": 0, "phase": "solo", "weight/gen/pbp": 1.0}, {"epoch": 1, "weight/gen/pbp": 0.5}]
    assert LastWeights.of(records, 1) == LastWeights({"pbp": 1.0}, "solo", 0)
    assert LastWeights.of(records, 2).weights == {"pbp": 0.5}
    assert LastWeights.of(records, 0) is None


def test_a_run_that_ended_in_solo_epochs_says_so():
    section = evaluate_gradients(material(images(), **DISC), record("solo", pbp=1.0, adv=0.0), lambda: None)
    assert "ended in its solo epochs" in section.warnings[0]
    assert section.values["learned/share"] == 0 and section.values["learned/cosine"] is None


def test_runs_without_a_vae_or_without_a_d_have_none():
    assert evaluate_gradients(material(images()), record(pbp=1.0), lambda: None) is None
    gan = material(images(), vae=None, gan="dense", **DISC)
    assert evaluate_gradients(gan, record(adv=1.0), lambda: None) is None


def test_too_few_images_and_no_record_are_said():
    few = evaluate_gradients(material(images(2), **DISC), record(pbp=1.0, adv=1.0), lambda: None)
    assert few.values == {"auc": None} and "too few" in few.warnings[0]
    without = evaluate_gradients(material(images(), **DISC), [], lambda: None)
    assert without.values == {"auc": None} and "no record" in without.warnings[0]


def test_a_term_of_ones_own_is_measured(monkeypatch):
    monkeypatch.setattr(TERMS, "_entries", TERMS._entries.copy())
    monkeypatch.setattr(quantities, "_ENTRIES", quantities._ENTRIES.copy())

    @register_term("gen/bright", needs=("vae",), weight=WeightOption("bright_weight", "of brightness"))
    def bright(views):
        return views.pixel_logits.sum() / len(views.x)

    given = material(images(), **DISC)
    monkeypatch.setattr("vaegan.evals.gradients.build_objective", lambda config, players: objective(players))

    def objective(players):
        from vaegan.config.build import objective_of

        return objective_of(players, ["gen/pbp", "gen/bright"])

    section = evaluate_gradients(given, record(pbp=1.0, bright=1.0), lambda: None)
    assert section.values["bright/share"] > 0 and section.values["learned/share"] == 0
    assert section.meanings["bright/share"].title == "bright, share of the gradient"


class Brightness(nn.Module):
    """A D that takes bright images for originals."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return self.scale * x.flatten(1).sum(1)


@pytest.mark.parametrize(
    ("towards", "expected"),
    [((1.0, 1.0), math.sqrt(2)), ((1.0, 0.0), 1.0), ((1.0, -1.0), 0.0), ((-1.0, 0.0), -1.0)],
)
def test_a_step_is_as_convincing_as_its_part_along_a_fresh_ds_gradient(towards, expected):
    """Originals are brighter in the first of two pixels, so the straight step brightens that one alone."""
    x_hat = torch.full((1, 1, 1, 2), 0.5)
    gradient = -torch.tensor(towards).view(1, 1, 1, 2)
    found = Pulls(torch.zeros(1, 1, 1, 2), x_hat, {"pbp": x_hat - 1, "adv": gradient}, None)
    originals = torch.tensor([[[[255, 127.5]]]]) / 255
    given = material(images(), **DISC)
    step = step_before(Brightness(), originals, [found], {"adv": 2.0}, given)
    assert step == pytest.approx(expected, abs=1e-4)
    assert step_before(None, originals, [found], {"adv": 2.0}, given) is None
    assert step_before(Brightness(), 1 - originals, [found], {"adv": 2.0}, given) is None


def test_logits_of_a_map_count_by_image():
    given = material(images(), disc="patch", disc_base_channels=4, hidden_dim=16)
    found = pulls_of(given, pbp=1.0, adv=1.0)
    assert found.logits[0].dim() == 3 and image_logits(found.logits[0]).shape == (12,)
