"""Forms of a weight over time: values at their corners, clocks, texts and errors."""

import math

import pytest
import yaml

from vaegan.config.build import build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionErrors
from vaegan.objective.weights import Time, Weight
from vaegan.objective.weights.call import Call, read_call
from vaegan.objective.weights.span import Span

# of a run of 10 epochs with 4 steps each
CORNERS = {
    "linear(2, 10, 4)": {0: 2, 1: 2.5, 8: 6, 15: 9.5, 16: 10, 39: 10},
    "linear(1, 0, 50%)": {0: 1, 5: 0.75, 10: 0.5, 19: 0.05, 20: 0, 39: 0},
    "linear(0, 1, 8st)": {0: 0, 4: 0.5, 7: 0.875, 8: 1, 39: 1},
    "cosine(1, 3, 2, 4)": {
        0: 1,
        8: 1,
        10: 2 - math.sqrt(0.5),
        12: 2,
        15: 2 + math.cos(math.pi / 8),
        16: 3,
        39: 3,
    },
    "cosine(1, 0, 0, 100%)": {0: 1, 10: 0.5 + math.sqrt(0.125), 20: 0.5, 40: 0},
    "cosine(0, 1, 4st, 50%)": {0: 0, 4: 0, 12: 0.5, 20: 1, 39: 1},
    "exp(100, 1, 4)": {0: 100, 4: 10**1.5, 8: 10, 16: 1, 39: 1},
    "exp(0.01, 1, 16st)": {0: 0.01, 8: 0.1, 16: 1, 39: 1},
    "step(2, 0.5, every=3)": {0: 2, 11: 2, 12: 1, 23: 1, 24: 0.5, 36: 0.25, 39: 0.25},
    "step(1, 0.1, every=25%)": {0: 1, 9: 1, 10: 0.1, 19: 0.1, 20: 0.01},
    "step(1, 0.1, every=1st)": {0: 1, 1: 0.1, 3: 0.001},
    "warmup(8, 4)": {0: 0.5, 7: 4, 14: 7.5, 15: 8, 16: 8, 39: 8},
    "warmup(1, 10%)": {0: 0.25, 3: 1, 4: 1},
    "piecewise(0: 1, 3: 0.5, 80%: 0)": {0: 1, 11: 1, 12: 0.5, 31: 0.5, 32: 0, 39: 0},
    "piecewise(0: 1, 6st: 2)": {0: 1, 5: 1, 6: 2, 39: 2},
}


def at(weight: Weight, step: int, **time) -> float:
    return weight.at(Time(step // 4, step, epochs=10, steps_per_epoch=4, **time))


@pytest.mark.parametrize("text", CORNERS)
def test_the_values_of_each_form_at_its_corners(text):
    weight = Weight.parse(text)
    values = {step: at(weight, step) for step in CORNERS[text]}
    assert values == pytest.approx(CORNERS[text], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize("text", CORNERS)
def test_a_text_reads_back_with_and_without_spaces_and_from_yaml(text):
    weight = Weight.parse(text)
    assert str(weight) == text
    for given in (text.replace(" ", ""), text.replace(",", " , ").replace("(", " ( "), str(weight)):
        assert Weight.parse(given) == weight
    kept = make_config({"beta": text}).to_dict()
    assert kept["beta"] == text
    assert make_config(yaml.safe_load(yaml.safe_dump(kept))).beta == weight


@pytest.mark.parametrize("text", [text for text in CORNERS if not text.startswith(("step", "piecewise"))])
def test_smooth_forms_change_with_every_step_and_end_exactly(text):
    weight = Weight.parse(text)
    values = [at(weight, step) for step in range(41)]
    moving = [step for step in range(40) if values[step] != values[step + 1]]
    assert moving == list(range(moving[0], moving[-1] + 1))
    assert values[-1] == float(
        text.split("(")[1].split(",")[0 if text.startswith("warmup") else 1].strip(" )")
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("linaer(0, 1, 5)", r'unknown form; did you mean "linear"\? Known: .*linear\(A, B, LENGTH\)'),
        ("linear(0, 1)", r"2 values instead of 3; expected linear\(A, B, LENGTH\)"),
        ("linear(0, 1, 5, 6)", "4 values instead of 3; expected linear"),
        ("linear(0, -1, 5)", "-1: expected a finite number of at least 0; expected linear"),
        ("linear(nan, 1, 5)", "nan: expected a finite number"),
        ("linear(0, x, 5)", "x: not a number; expected linear"),
        ("linear(0, 1, )", "an empty argument: times are"),
        (
            "linear(0, 1, 5h)",
            r"5h: times are epochs \(10\), steps \(500st\) or percent \(20%\); expected linear",
        ),
        ("linear(0, 1, 120%)", "120%: times are"),
        ("linear(0, 1, 2.5st)", "2.5st: times are"),
        ("linear(0, 1, -5)", "-5: times are"),
        ("linear(0, 1, 0)", "0: a length above 0 is needed"),
        ("linear(0, 1, b=2)", "b=: given twice"),
        ("step(1, 0.5, evry=2)", r"evry=: unknown; expected step\(A, FACTOR, every=LENGTH\)"),
        ("step(1, 2, every=2)", "factor 2: above 0 and at most 1"),
        ("cosine(0, 1, 5, 5)", "5 is not before 5; expected cosine"),
        ("exp(0, 1, 5)", "no factor leads from or to 0, linear does"),
        ("piecewise()", "the first piece begins at 0"),
        ("piecewise(1: 2)", "the first piece begins at 0"),
        ("piecewise(0: 1, 5)", "5: no TIME: VALUE"),
        ("piecewise(0: 1, 5: 2, 5: 3)", "5 is not after 5; expected piecewise"),
        ("linear(0, 1, 5", "not a number, but half a form: .*quotes"),
        ("linear(0, 1, 5))", "not a number, but half a form"),
        ({"piecewise(0": "1)"}, "not a number, but half a form"),
    ],
)
def test_errors_name_the_argument_and_the_form(given, problem):
    with pytest.raises(ValueError, match=problem):
        Weight.parse(given)
    with pytest.raises(OptionErrors, match=f"--beta: {problem}"):
        make_config({"beta": given})


def test_arguments_may_hold_brackets():
    assert read_call("share( linear(0, 0.3, 20%), b = (1, 2) )") == Call(
        "share", ("linear(0, 0.3, 20%)",), {"b": "(1, 2)"}
    )
    assert [read_call(given) for given in ("1", 2.0, None, "a(b", "a(b))(c", "(1)")] == [None] * 6


def test_spans_are_rounded_to_steps():
    time = Time(epochs=7, steps_per_epoch=9)
    assert [Span.parse(text).steps(time) for text in ("2", "0.5", "20st", "33%", "100%")] == [
        18,
        4,
        20,
        21,
        63,
    ]


HYBRID = {"disc": "conv", "epochs": 6, "solo_epochs": 2}


def values(options, key, steps_per_epoch=2, epochs=6):
    """The term's weight in every step of the run."""
    player, _, term = key.partition("/")
    plan = build_schedule(resolved(make_config(options), 32))
    phases = [plan.at(epoch, steps_per_epoch=steps_per_epoch) for epoch in range(epochs)]
    return [
        phase.at(epoch * steps_per_epoch + step).get(player, {}).get(term)
        for epoch, phase in enumerate(phases)
        for step in range(steps_per_epoch)
    ]


def test_weights_that_act_in_combo_epochs_count_from_there_and_the_others_from_the_start():
    ramp = {
        **HYBRID,
        "disc_weight": "linear(0, 8, 50%)",
        "r1": "linear(1, 0, 1)",
        "beta": "linear(0, 12, 100%)",
    }
    assert values(ramp, "gen/adv") == [None] * 4 + [0, 2, 4, 6, 8, 8, 8, 8]
    assert values(ramp, "disc/r1") == [None] * 4 + [1, 0.5] + [0] * 6
    assert values(ramp, "gen/kl") == list(range(12))


def test_the_pbp_weight_is_1_in_solo_epochs_and_on_its_own_clock_after_them():
    assert values({**HYBRID, "pbp_weight": "linear(4, 0, 2)"}, "gen/pbp") == [1] * 4 + [
        4,
        3,
        2,
        1,
        0,
        0,
        0,
        0,
    ]
    alone = {"epochs": 6, "pbp_weight": "linear(4, 0, 2)"}
    assert values(alone, "gen/pbp") == [4, 3, 2, 1] + [0] * 8


@pytest.mark.parametrize("solo", [0, 100])
def test_the_published_decay_is_a_case_of_step(solo):
    published = {"disc": "conv", "epochs": 200, "solo_epochs": solo, "pbp_decay": 0.95, "pbp_decay_every": 25}
    typed = {**published, "pbp_decay": 1, "pbp_weight": "step(1, 0.95, every=25)"}
    assert values(typed, "gen/pbp", epochs=200) == values(published, "gen/pbp", epochs=200)


def test_a_d_that_trains_before_the_combo_epochs_stays_at_the_start_of_its_clock():
    plan = build_schedule(resolved(make_config({**HYBRID, "r1": "step(1, 0.5, every=1)"}), 32))
    early = Time(epoch=1, step=3, epochs=6, first_combo=2, steps_per_epoch=2)
    assert plan.weights["disc"]["r1"].at(early) == 1


def test_noise_that_is_a_form_follows_that_form():
    plan = build_schedule(resolved(make_config({**HYBRID, "instance_noise": "linear(0.4, 0.2, 1)"}), 32))
    phases = [plan.at(epoch, steps_per_epoch=2) for epoch in range(6)]
    assert [phases[2].noise_at(step) for step in (4, 5)] == pytest.approx([0.4, 0.3])
    assert [phase.noise for phase in phases] == pytest.approx([0, 0, 0.3, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (
            {"instance_noise": "linear(1, 0, 2)", "instance_noise_epochs": 2},
            r"--instance-noise-epochs: --instance-noise linear\(1, 0, 2\) says itself",
        ),
        (
            {"pbp_weight": "linear(1, 0, 2)", "pbp_decay": 0.5},
            r"--pbp-decay: --pbp-weight linear\(1, 0, 2\) has a course",
        ),
    ],
)
def test_two_courses_for_one_weight_are_refused(options, problem):
    with pytest.raises(OptionErrors, match=problem):
        make_config({**HYBRID, **options})
