"""Weights by gradients that cannot be: a line that says why, before anything is written."""

import pytest

from vaegan import quantities
from vaegan.ablation.controls import CONTROLS
from vaegan.config import schema
from vaegan.errors import UserError
from vaegan.objective.terms import TERMS, WeightOption, register_term
from vaegan.training.alarms import alarms

STEERED = "--vae conv --disc small_conv --image-size 16 --base-channels 2 --disc-base-channels 2 --epochs 4"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            "--disc-weight share(0.7) --feature-matching share(0.4)",
            "--disc-weight share(0.7): a share of 1.1, with",
        ),
        ("--disc-weight share(linear(0,1,50%))", "--disc-weight share(linear(0,1,50%)): a share of 1, which"),
        (
            "--disc-weight share(piecewise(0:0.2,4st:0.9)) --feature-matching share(0.2)",
            "--disc-weight share(piecewise(0:0.2,4st:0.9)): a share of 1.1, with --feature-matching",
        ),
        ("--beta share(0.1)", "--beta share(0.1): share(...) is for learned terms of the VAE"),
        ("--r1 share(0.1)", "--r1 share(0.1): share(...) is for learned terms of the VAE"),
        (
            "--disc-weight adaptive(0.8) --pbp-weight 0",
            "--pbp-weight 0: --disc-weight adaptive(0.8) is set against",
        ),
        ("--feature-matching 1 --fm-layers 1,9", "--fm-layers 1,9: 9: the discriminator has 2 layers"),
        ("--fm-layers 1", "--fm-layers 1: there is no such term; add --feature-matching"),
        (
            "--disc-weight share(0.2) --keep-best test/gen/total",
            "--keep-best test/gen/total: a weight by gradients, as share(0.2), is another one",
        ),
    ],
)
def test_what_cannot_be_is_refused(flags, said, command, tmp_path):
    status, _, errors = command(f"{STEERED} {flags}")
    assert status == 2 and errors.startswith(said), errors
    assert not list((tmp_path / "runs").glob("*"))


def test_a_course_in_steps_just_below_1_is_taken(command):
    weight = "--disc-weight share(piecewise(0:0.2,4st:0.75)) --feature-matching share(0.2)"
    status, _, errors = command(f"{STEERED} {weight} --dry-run")
    assert status == 0, errors


def test_a_gan_has_nothing_to_set_a_share_against(command):
    status, _, errors = command("--gan dense --disc dense --feature-matching share(0.2)")
    assert status == 2 and "--feature-matching share(0.2)" in errors


@pytest.fixture
def own_terms(monkeypatch):
    monkeypatch.setattr(TERMS, "_entries", TERMS._entries.copy())
    monkeypatch.setattr(quantities, "_ENTRIES", quantities._ENTRIES.copy())


def test_a_term_that_does_not_reach_the_pixels_is_refused(command, own_terms):
    @register_term("gen/own_z", needs=("vae",), weight=WeightOption("own_z_weight", "of latents"))
    def own_z(views):
        return views.z.square().mean()

    status, _, errors = command(f"{STEERED} --own-z-weight share(0.4) --dry-run")
    assert status == 2 and "does not act through the decoder's pixels; give a number" in errors
    assert command(f"{STEERED} --own-z-weight 0.4 --dry-run")[0] == 0


@pytest.mark.parametrize("knob", ["beta", "lr", "depth", "disc_depth"])
def test_a_terms_knob_with_the_name_of_an_option_is_refused(own_terms, knob):
    names = {"views": None}
    exec(f"def own_knob(views, *, {knob}: int = 1): return views.x.mean()", names)
    register_term("gen/own_knob", needs=("vae",), weight=WeightOption("own_knob_weight", "w"))(
        names["own_knob"]
    )
    with pytest.raises(UserError, match=f"its knob `{knob}` has the name of another option"):
        schema.config_type()


def test_with_weight_0_the_vae_hears_of_no_term_of_d():
    options = CONTROLS["zero_weight"].options(
        {"vae": "conv", "disc": "conv", "feature_matching": "share(0.2)", "perceptual_weight": 1}
    )
    assert options["disc_weight"] == 0 and options["feature_matching"] == 0
    assert options["perceptual_weight"] == 1


def record(pairs, auc):
    return {"phase": "combo", "test/disc/adv": 0.1, "test/disc/acc_pairs": pairs, "test/disc/auc": auc}


def test_of_pairs_the_alarm_reads_the_auc():
    """An original beside its own reconstruction is nearly always preferred."""
    assert alarms([record(0.99, 0.7)] * 3)["alarm/disc_wins"] == 0
    assert alarms([record(0.99, 0.99)] * 3)["alarm/disc_wins"] == 1
