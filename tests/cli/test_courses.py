"""Weights and learning rates over a run as lines of blocks, with the values at their bends."""

import pytest

from vaegan.cli.console import schedule_lines
from vaegan.cli.courses import ASCII, COLUMNS, LABEL, course_lines, courses_of, typed_courses
from vaegan.config.build import build_objective, build_schedule, outline_players
from vaegan.config.make import make_config, resolved

HYBRID = {"vae": "dense", "disc": "dense", "epochs": 8, "solo_epochs": 4}


def made(steps=1, blocks=ASCII, **options):
    """The lines of a run of so many steps an epoch, without their indent."""
    config = resolved(make_config(options), 16)
    lines = course_lines(courses_of(config, steps), config, steps, blocks)
    assert all(len(line) <= 80 for line in lines)
    return [line[:LABEL].strip() or line[LABEL:] for line in lines[::3]], [line[LABEL:] for line in lines]


def test_a_run_without_courses_has_no_lines():
    assert made(**HYBRID, pbp_decay=0.5, instance_noise=0.1, lr_schedule="cosine")[1] == []


@pytest.mark.parametrize(
    ("options", "name", "expected"),
    [
        ({"beta": "linear(0, 1, 4)"}, "gen/kl", ["_-+*|####", "linear(0, 1, 4)", "0 after 0, 1 after 4"]),
        (
            {"disc_weight": "share(linear(0, 0.3, 50%))"},
            "gen/adv",
            ["    |_+##", "share(linear(0, 0.3, 50%))", "0 after 4, 0.3 after 6"],
        ),
        (
            {"r1": "step(8, 0.5, every=1)"},
            "disc/r1",
            ["    |#+-.", "step(8, 0.5, every=1)", "8 after 4, 4 after 5, 2 after 6, 1 at the end"],
        ),
        (
            {"pbp_weight": "piecewise(0: 8, 2: 0.1)"},
            "gen/pbp",
            ["....|##__", "piecewise(0: 8, 2: 0.1)", "8 after 4, 0.1 after 6"],
        ),
        (
            {"instance_noise": "linear(0.4, 0, 4)"},
            "disc/noise",
            ["____|#*+-", "linear(0.4, 0, 4)", "0.4 after 4, 0.1 at the end"],
        ),
        (
            {"lr": "piecewise(0: 1, 2: 0.5)", "disc_lr": 1},
            "lr/gen",
            ["##++|++++", "piecewise(0: 1, 2: 0.5)", "1 after 0, 0.5 after 2"],
        ),
        (
            {"disc_lr": "linear(0, 1, 100%)"},
            "lr/disc",
            ["____|_-*#", "linear(0, 1, 100%)", "0 after 4, 0.75 at the end"],
        ),
        (
            {"disc_lr": "linear(1, 0, 100%)", "disc_warmup_epochs": 1},
            "lr/disc",
            ["####|%+=.", "linear(1, 0, 100%)", "1 after 3, 0.2 at the end"],
        ),
    ],
)
def test_the_lines_of_a_course(options, name, expected):
    assert made(**HYBRID | options) == ([name], expected)


def test_many_steps_are_drawn_in_few_columns_and_many_bends_are_left_out():
    _, (blocks, _, bends) = made(steps=1000, **HYBRID, beta="step(1, 0.5, every=500st)")
    assert len(blocks) == COLUMNS + 1 and blocks.index("|") == COLUMNS // 2
    assert bends == "1 after 0, 0.5 after 0.5, 0.25 after 1, ..., 3.052e-05 after 7.5"


def test_the_table_names_what_changes_in_place_of_a_line_for_each_epoch():
    options = HYBRID | {"beta": "linear(0, 1, 4)", "disc_weight": "exp(1, 2, 100%)", "pbp_decay": 0.5}
    config = resolved(make_config(options | {"pbp_decay_every": 2}), 16)
    terms = build_objective(config, outline_players(config, (1, 16, 16))).terms
    lines = schedule_lines(build_schedule(config), 8, terms, courses=typed_courses(config))
    assert [line.split()[:5] for line in lines] == [
        ["epochs", "phase", "gen/pbp", "gen/kl", "gen/adv"],
        ["1-4", "solo", "1", "changes", "0"],
        ["5-6", "combo", "1", "1", "changes"],
        ["7-8", "combo", "0.5", "1", "changes"],
    ]
