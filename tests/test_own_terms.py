"""Terms, maps of logits and weights from outside the package: one file each, trained by their own flags."""

import json
import re

import pytest
import torch
import yaml
from torch import nn

import vaegan.config.schema
from vaegan import quantities
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.objective.terms import TERMS, WeightOption, register_term
from vaegan.quantities import Quantity

TINY = "--image-size 8 --latent-dim 2 --hidden-dim 4 --train-images 256 --batch-size 64 --epochs 2 "
HYBRID = f"{TINY} --vae dense --disc dense --disc-hidden-dim 4 --solo-epochs 1 --run-name a "

A_FILE = """
from vaegan.objective.terms import WeightOption, register_term
from vaegan.quantities import Quantity

@register_term(
    "gen/tv",
    needs=("vae",),
    weight=WeightOption("tv_weight", "weight of the total variation"),
    quantity=Quantity("total variation", "an image", short="tv", headline=True, curve=True),
)
def total_variation(views):
    return (views.x_hat.diff(dim=2).abs().sum() + views.x_hat.diff(dim=3).abs().sum()) / len(views.x)

@register_term(
    "gen/matching", needs=("vae", "disc"), weight=WeightOption("matching_weight", "of logits")
)
def matching(views):
    return (views.logits_fake.mean() - views.logits_real.mean()) ** 2
"""


@pytest.fixture
def own_terms(monkeypatch):
    """Two terms as a file of a user's would register them."""
    monkeypatch.setattr(TERMS, "_entries", TERMS._entries.copy())
    monkeypatch.setattr(quantities, "_ENTRIES", quantities._ENTRIES.copy())
    exec(compile(A_FILE, "tv.py", "exec"), {})


def records(tmp_path):
    folder = tmp_path / "runs" / "a"
    return folder, [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_term_from_outside_is_trained_and_reported(command, own_terms, tmp_path):
    status, output, errors = command(f"{HYBRID} --tv-weight 0.5 --matching-weight 2")
    assert status == 0, errors
    folder, (solo, combo) = records(tmp_path)
    for record in (solo, combo):
        assert record["weight/gen/tv"] == 0.5
        for split in ("train", "test"):
            assert record[f"{split}/gen/tv_weighted"] == pytest.approx(0.5 * record[f"{split}/gen/tv"])
    # what D teaches begins in combo epochs
    assert "train/gen/matching" not in solo and solo["weight/gen/matching"] == 0
    assert combo["weight/gen/matching"] == 2 and combo["test/gen/matching"] >= 0
    terms = ("pbp", "kl", "adv", "tv", "matching")
    assert combo["train/gen/total"] == pytest.approx(sum(combo[f"train/gen/{t}_weighted"] for t in terms))
    assert yaml.safe_load((folder / "config.yaml").read_text())["tv_weight"] == 0.5
    assert "  tv " in output and "otal variation" in output  # in the epochs' lines and in the summary
    assert "Total variation" in dict(quantities_of_curves(solo, combo)).values()


def quantities_of_curves(*records):
    seen = {key for record in records for key in record if key.startswith("test/")}
    return ((key, quantity.heading) for key, quantity in quantities.curves(seen))


def test_a_term_from_outside_is_in_help_under_its_heading(command, own_terms, capsys):
    with pytest.raises(SystemExit):
        command("--help")
    help_text = capsys.readouterr().out
    losses = help_text.partition("Losses and their weights")[2].partition("Keeping the two players")[0]
    assert "--tv-weight NUMBER" in losses and "weight of the total variation (default: none)" in losses
    assert "--beta NUMBER" in losses and "--r1" not in losses


def test_a_terms_option_is_refused_without_the_parts_that_it_needs(command, own_terms):
    gan = f"{TINY} --gan dense --disc dense"
    assert command(f"{gan} --tv-weight 1")[2].startswith("--tv-weight 1: a GAN has no encoder")
    assert command(f"{TINY} --vae dense --matching-weight 1")[2].startswith(
        "--matching-weight 1: needs a discriminator"
    )


def test_a_run_has_a_term_from_outside_only_if_its_option_is_given(command, own_terms, tmp_path):
    assert command(HYBRID)[0] == 0
    _, (_, combo) = records(tmp_path)
    assert not [key for key in combo if "tv" in key or "matching" in key]
    with pytest.raises(ValueError, match=r"'gen/eager': a default weight; one from outside"):
        register_term("gen/eager", weight=WeightOption("eager_weight", "x", default=1.0))(lambda views: None)


def test_a_term_of_d_needs_d(command, own_terms):
    weight = WeightOption("own_weight", "of nothing")
    register_term("disc/own", weight=weight)(lambda views: views.x.mean())
    assert command(f"{TINY} --vae dense")[0] == 0
    assert command(f"{TINY} --vae dense --own-weight 1")[2].startswith(
        "--own-weight 1: needs a discriminator"
    )


@pytest.mark.parametrize(
    ("compute", "problem"),
    [
        (lambda views: views.x.flatten(1).mean(1), r"the term gen/own gives \[5\]; a term is called with"),
        (lambda views: views.nothing, "the term gen/own fails: AttributeError: .*nothing"),
    ],
)
def test_a_term_that_is_no_scalar_is_refused_before_anything_is_written(
    command, own_terms, tmp_path, compute, problem
):
    register_term("gen/own", needs=("vae",), weight=WeightOption("own_weight", "of nothing"))(compute)
    status, _, errors = command(f"{TINY} --vae dense --own-weight 1")
    assert status == 2 and re.match(f"--own-weight 1: {problem}", errors), errors
    assert not (tmp_path / "runs").exists()


def test_a_term_that_counts_from_combo_epochs_on_is_left_out_of_solo_epochs(command, own_terms, tmp_path):
    weight = WeightOption("own_weight", "of the mean", from_combo=True)
    register_term("gen/own", needs=("vae",), weight=weight)(lambda views: views.x_hat.mean())
    assert command(f"{HYBRID} --own-weight 3")[0] == 0
    _, (solo, combo) = records(tmp_path)
    assert solo["weight/gen/own"] == 0 and combo["weight/gen/own"] == 3


def test_what_cannot_be_a_term(own_terms):
    weight = WeightOption("other_weight", "of nothing")
    for key, needs, problem in (
        ("pbp", (), "expected gen/NAME or disc/NAME"),
        ("gen/other", ("decoder",), "parts are vae and disc"),
        ("gen/tv", (), "registered twice"),
    ):
        with pytest.raises(ValueError, match=problem):
            register_term(key, needs=needs, weight=weight, quantity=Quantity("x"))(lambda views: None)
    register_term("gen/clash", weight=WeightOption("lr", "taken"))(lambda views: None)
    with pytest.raises(vaegan.config.schema.UserError, match="gen/clash: there is another option --lr"):
        vaegan.config.schema.config_type()


class Patches(nn.Module):
    """Logits [B, h, w] of overlapping patches."""

    def __init__(self, image_shape, *, width: int = 4):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(image_shape[0], width, 3, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 1, 3),
        )

    def forward(self, x):
        return self.layers(x).squeeze(1)


@pytest.mark.parametrize("adv", ["nonsaturating", "wgan-gp", "rpgan"])
def test_a_discriminator_with_a_map_trains(command, tmp_path, monkeypatch, adv):
    monkeypatch.setattr(DISCRIMINATORS, "_entries", DISCRIMINATORS._entries | {"patches": Patches})
    assert Patches((1, 8, 8))(torch.zeros(2, 1, 8, 8)).shape == (2, 2, 2)
    flags = f"{TINY} --vae dense --disc patches --disc-width 3 --solo-epochs 0 --run-name a"
    status, _, errors = command(f"{flags} --adv {adv} --r1 1 --r2 1 --accumulate 2")
    assert status == 0, errors
    _, (first, last) = records(tmp_path)
    for key, value in last.items():
        if key.startswith(("train/disc/acc", "test/disc/acc")):
            assert 0 <= value <= 1
    assert last["test/disc/r1"] > 0 and last["test/disc/r2"] > 0
    assert last["train/gen/adv"] != first["train/gen/adv"]
