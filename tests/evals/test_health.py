"""The rules of the verdict: at their borders, and on real runs that set them off and that do not."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from in_memory import material
from tiny_runs import DENSE, GAN
from torch import nn

from vaegan.commands.inputs.run_data import images_of
from vaegan.evals import detectability
from vaegan.evals.detectability import evaluate_detectability, fresh_discriminator
from vaegan.evals.gan_figures import evaluate_gan_figures
from vaegan.evals.gradients import evaluate_gradients
from vaegan.evals.health import FIGURES, RULES, Finding, evaluate_health, facts_of, verdict_of
from vaegan.evals.latents import evaluate_latents
from vaegan.evals.likelihood import evaluate_likelihood
from vaegan.evals.material import Material
from vaegan.evals.reconstruction import evaluate_reconstruction
from vaegan.report.verdict import reasons, verdict_lines
from vaegan.run.trained import open_run

RULE = {rule.key: rule for rule in RULES}
HYBRID = (
    "--image-size 16 --latent-dim 3 --batch-size 64 --lr 0.01 --vae dense --hidden-dim 32 --beta 0.01 "
    "--disc conv --disc-base-channels 4 --epochs 2 --solo-epochs 1"
)
STEERED = f"{HYBRID} --disc-weight share(0.2) --feature-matching share(0.2) --r1 0.3"
UNTRAINED_D = f"{HYBRID} --disc-weight share(0.1) --disc-lr 1e-9"


@pytest.mark.parametrize(
    ("rule", "border", "beyond"),
    [
        ("posterior_collapse", (0.1, 1), (0.099, 1)),
        ("posterior_collapse", (0.1, 1), (5.0, 0)),
        ("sample_collapse", (0.2,), (0.199,)),
        ("disc_never_learned", (0.6, 0.75), (0.599, 0.75)),
        ("disc_never_learned", (0.599, 0.749), (0.599, 0.75)),
        ("learned_silent", (0.01,), (0.0099,)),
        ("learned_drowning", (0.55,), (0.551,)),
        ("disc_has_won", (0.979, 0.0, 0.0), (0.98, 0.0, 0.0)),
        ("disc_has_won", (1.0, 0.05, 0.0), (1.0, 0.049, 0.0)),
        ("disc_has_won", (1.0, 0.0, 0.3), (1.0, 0.0, 0.299)),
        ("tint", (7.99,), (8.0,)),
        ("lattice", (2.0, 1.0), (2.01, 1.0)),
        ("lattice", (5.0, 0.99), (5.0, 1.0)),
    ],
)
def test_each_rule_at_its_border(rule, border, beyond):
    judge = RULE[rule].judge
    clear, held = (judge(dict(zip(RULE[rule].figures, each, strict=True))) for each in (border, beyond))
    assert (clear.state, held.state) == ("no", "yes")
    assert "; try " in held.said and "; try " not in clear.said


def test_flags_that_the_run_has_are_not_named_to_be_tried():
    won = {"auc": 1.0, "agreeing": 0.0, "step": 0.0}
    assert "; try --diffaug translation, or --r1 0.1 with --disc-norm none, or " in (
        RULE["disc_has_won"].judge(won).said
    )
    steered = ["--diffaug", "--r1", "--disc-norm", "--feature-matching"]
    assert (
        RULE["disc_has_won"]
        .judge(won, steered)
        .said.endswith("; try --disc-sees-8bit true, or a lower --disc-lr")
    )
    silent = hybrid(disc_weight=1e-6)  # its weight can be another one
    section = evaluate_health(silent, {"gradients": {"learned/share": 0.0}}, [])
    assert section.values["learned_silent"].endswith("; try --disc-weight 'share(0.2)'")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_a_run_with_every_flag_is_left_something_to_try(rule):
    assert any(each.split()[0] in ("--disc-weight", "a", "lower", "with") for each in rule.remedies)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.key)
def test_a_rule_without_one_of_its_figures_is_not_judged(rule):
    for missing in rule.figures:
        facts = dict.fromkeys(rule.figures, 0.0)
        assert rule.judge(facts | {missing: None}) == Finding(
            rule.key, rule.name, "not judged", f"there is no figure of {FIGURES[missing]}"
        )
        assert rule.judge(facts | {missing: "the reason"}).said == "the reason"


def finding(state: str, name: str) -> Finding:
    return Finding(name, name, state, "")


def test_a_verdict_names_what_holds_and_what_was_not_judged():
    assert verdict_of([finding("no", "a"), finding("no", "b")]) == "all well"
    assert verdict_of([finding("yes", "a"), finding("no", "b"), finding("yes", "c")]) == "a; c"
    assert (
        verdict_of([finding("no", "a"), finding("not judged", "b")]) == "nothing wrong found (not judged: b)"
    )
    assert verdict_of([finding("yes", "a"), finding("not judged", "b")]) == "a (not judged: b)"
    assert verdict_of([finding("not judged", "a")]) == "not judged"


@pytest.fixture
def judged(monkeypatch):
    """Gives the health section of a run's folder. change: to its networks and records."""
    monkeypatch.setattr(detectability, "STEPS", 40)

    def judge(folder: Path, change=lambda players, records: None):
        trained = open_run(folder, "cpu")
        _, splits = images_of(trained, "", dataset=None, data_dir=None)
        given, records = Material(trained, splits.train, splits.test, most=160), trained.records()
        change(trained.players, records)
        fresh = cache(partial(fresh_discriminator, given))
        sections = [
            evaluate_reconstruction(given),
            evaluate_likelihood(given),
            evaluate_latents(given),
            evaluate_gan_figures(given, records, None),
            evaluate_detectability(given, fresh),
            evaluate_gradients(given, records, fresh),
        ]
        return evaluate_health(given, {each.name: each.values for each in sections if each}, records)

    return judge


@pytest.mark.parametrize(
    ("flags", "verdict"),
    [
        (DENSE, "all well"),
        (STEERED, "all well"),
        (GAN, "all well"),
        (f"{DENSE} --beta 1000", "posterior collapse; sample collapse"),
        (f"{GAN} --lr 1", "sample collapse"),
        (f"{GAN} --lr 1e-9", "D never learned"),
        (UNTRAINED_D, "D never learned"),
        (f"{HYBRID} --disc-weight 1e-6", "learned loss silent"),
        (f"{HYBRID} --disc-weight 1e4", "learned loss drowning the PBP loss"),
    ],
)
def test_real_runs_get_their_verdict(judged, shared_run, flags, verdict):
    section = judged(shared_run(flags))
    assert set(verdict.split("; ")) <= set(section.values["verdict"].split("; "))  # more may hold
    needs = {part for part, flag in (("vae", "--vae"), ("disc", "--disc ")) if flag in flags}
    assert [key for key in section.values if key != "verdict"] == [
        rule.key for rule in RULES if set(rule.needs) <= needs | {"pbp"}
    ]


def test_a_pbp_loss_without_weight_cannot_drown():
    def rules(**options) -> set[str]:
        return set(evaluate_health(hybrid(**options), {}, []).values)

    assert rules() - rules(pbp_weight=0, feature_matching=1) == {"learned_drowning"}


class SeesLevels(nn.Module):
    """A D that knows originals by their whole grey levels: always right, and its gradient is noise."""

    def forward(self, x):
        return 1e-3 * torch.cos(2 * torch.pi * 255 * x).flatten(1).sum(1)


def test_a_d_that_is_sure_for_a_reason_of_no_use_has_won(judged, shared_run):
    def change(players, records):
        players.disc = SeesLevels()
        records[-1]["weight/gen/adv"] = 0.5

    values = judged(shared_run(UNTRAINED_D), change).values
    assert values["verdict"] == "D has won"
    assert values["disc_has_won"].startswith("yes: D's AUC 1.000, agreeing part 0.0")


class WithBoard(nn.Module):
    """A decoder that leaves a checkerboard."""

    def __init__(self, decoder: nn.Module):
        super().__init__()
        self.decoder = decoder

    def forward(self, z):
        logits = self.decoder(z)
        rows, columns = (torch.arange(side) for side in logits.shape[-2:])
        return logits + 0.3 * (1 - 2 * ((rows[:, None] + columns) % 2))


def test_reconstructions_of_another_mean_colour_have_a_tint(judged, shared_run):
    def darken(players, records):
        players.decoder.register_forward_hook(lambda decoder, inputs, logits: logits - 1)

    assert "tint" in judged(shared_run(STEERED), darken).values["verdict"].split("; ")
    assert "tint" not in judged(shared_run(DENSE), darken).values  # no D to blame


def test_a_decoder_that_leaves_a_checkerboard_has_a_lattice(judged, shared_run):
    def change(players, records):
        players.decoder = WithBoard(players.decoder)

    assert judged(shared_run(DENSE), change).values["verdict"] == "lattice"


GRADIENTS = {"pbp/share": 0.7, "learned/share": 0.3, "learned/agreeing": 0.2, "learned/step": 2.0, "auc": 1.0}


def hybrid(**options) -> Material:
    pixels = torch.randint(0, 256, (30, 1, 16, 16)).byte()
    return material(pixels, hidden_dim=8, disc="dense", disc_hidden_dim=4, **options)


def test_figures_that_mean_something_else_are_reasons():
    sections = {"gradients": GRADIENTS, "detectability": {"accuracy": 0.9}}
    record = {"epoch": 0, "phase": "combo", "weight/gen/pbp": 1.0}
    facts = facts_of(hybrid(), sections, [record])
    assert (facts["auc"], facts["learned_share"], facts["fresh"]) == (1.0, 0.3, 0.9)
    assert facts["other_share"] == pytest.approx(0.3) and facts["kl"] is None
    solo = facts_of(hybrid(), sections, [{**record, "phase": "warmup"}])
    assert {solo[key] for key in ("auc", "learned_share", "other_share")} == {
        "the run ended in its solo epochs, without the learned loss"
    }
    assert "no weight" in facts_of(hybrid(), sections, [{**record, "weight/gen/pbp": 0.0}])["other_share"]
    samples = facts_of(hybrid(fakes="samples"), sections, [record])
    assert "saw samples" in samples["fresh"] and "saw samples" in samples["step"]


def test_a_lattice_where_originals_have_no_power_is_judged_by_what_the_eye_finds():
    facts = facts_of(hybrid(), {"reconstruction": {"lattice": None, "lattice_levels": 1.5}}, [])
    assert RULE["lattice"].judge(facts).state == "yes"
    assert RULE["lattice"].judge(facts_of(hybrid(), {"reconstruction": {}}, [])).state == "not judged"


def test_a_gans_auc_is_that_of_its_records():
    gan = SimpleNamespace(
        originals=torch.zeros(30),
        reconstructs=False,
        players=SimpleNamespace(disc=nn.Identity()),
        trained=SimpleNamespace(epochs=2, config=None),
    )
    records = [{"epoch": 0, "test/disc/auc": 0.7}, {"epoch": 1, "test/disc/auc": 0.8}, {"epoch": 2}]
    assert facts_of(gan, {}, records)["auc"] == 0.8


def test_too_few_images_are_not_judged():
    given = hybrid()
    given.test = replace(given.test, images=given.test.images[:19])
    section = evaluate_health(given, {}, [])
    assert section.values["verdict"] == "not judged"
    assert section.values["lattice"] == "not judged: 19 held-out images are too few"


def evaluation(**values: str) -> dict:
    meanings = {key: {"title": key.upper()} for key in values}
    return {"sections": {"health": {"values": values, "meanings": meanings}}}


def test_lines_for_the_terminal():
    held = evaluation(verdict="A (not judged: C)", a="yes: 3; try b", b="no: 4", c="not judged: why")
    assert verdict_lines(held) == ["verdict: A (not judged: C)", "  A: 3; try b", "  C, not judged: why"]
    assert verdict_lines(evaluation(verdict="all well", a="no: 3", b="no: 4")) == [
        "verdict: all well",
        "  3; 4",
    ]
    assert verdict_lines(evaluation(verdict="all well", a="no: 3, x 4", b="no: 3, 5"))[1] == "  3; x 4; 5"
    assert verdict_lines({"sections": {}}) == [] and reasons({"sections": {}}) == []
