"""The board of an ablation in progress: states, epochs, the time left."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from vaegan.ablation.board import Board, duration
from vaegan.ablation.plan import Fork, Job, Plan, PlannedArm
from vaegan.cli.console import make_console
from vaegan.config.make import make_config, resolved

SOLO = {"epochs": 4}
COMBO = {"disc": "dense", "epochs": 4, "solo_epochs": 2}
GAN = {"gan": "dense", "disc": "dense", "epochs": 4}


@pytest.fixture
def plan(tmp_path):
    """Makes a plan of arms of so many seeds; forked: the arms whose solo epochs are another's."""

    def planner(arms, seeds=(0,), forked=()):
        planned, jobs = [], {}
        for label, options in arms.items():
            config = resolved(make_config(options), 16)
            names = [f"{label}-{seed}" for seed in seeds]
            planned.append(PlannedArm(label, config, names))
            for name, seed in zip(names, seeds, strict=True):
                fork = Fork("leader", Path("checkpoint"), config.solo_epochs) if label in forked else None
                jobs[name] = Job(name, tmp_path / name, config.model_copy(update={"seed": seed}), fork)
        return Plan(planned, jobs)

    return planner


@pytest.fixture
def record(tmp_path):
    """Writes the records of a run: of each epoch its phase and its seconds, an eighth of them held out."""

    def recorder(name, *epochs, rest=""):
        (tmp_path / name).mkdir(exist_ok=True)
        lines = [
            json.dumps({"phase": phase, "time/epoch_s": 0.875 * s, "time/test_s": 0.125 * s}) + "\n"
            for phase, s in epochs
        ]
        (tmp_path / name / "metrics.jsonl").write_text("".join(lines) + rest)

    return recorder


def said(capsys, plan, *states):
    """The lines that are printed where there is no terminal, for states shown one after the other."""
    with Board(make_console(), plan, 1) as board:
        for each in states:
            board.show(each)
    return capsys.readouterr().out.splitlines()


def left(capsys, plan, **states):
    """The time left of each arm whose line has one."""
    lines = said(capsys, plan, {name.replace("_", "-"): state for name, state in states.items()})
    shown = dict(line.split(": ") for line in lines)
    return {label: rest.rpartition(", ")[2] for label, rest in shown.items() if rest.endswith(" left")}


def test_without_a_terminal_an_arm_has_a_line_whenever_its_states_change(capsys, plan):
    two = plan({"[/a] b": SOLO, "c": SOLO}, seeds=(0, 1))
    first = dict.fromkeys(two.jobs, "waiting")
    later = first | {"[/a] b-0": "running", "[/a] b-1": "done"}
    last = first | {"[/a] b-0": "failed", "[/a] b-1": "done"}
    assert said(capsys, two, first, first, later, last, last) == [
        "[/a] b: 2 waiting",
        "c: 2 waiting",
        "[/a] b: 1 done, 1 running",
        "[/a] b: 1 done, 1 failed",
    ]


def test_nothing_is_known_of_the_time_before_any_epoch(capsys, plan):
    assert left(capsys, plan({"a": SOLO}), a_0="running") == {}


def test_the_time_left_is_that_of_the_epochs_that_are_missing(capsys, plan, record):
    """Epochs of 2 and 4 s: two more of their mean of 3 s."""
    record("a-0", ("solo", 2), ("solo", 4))
    assert left(capsys, plan({"a": SOLO}), a_0="running") == {"a": "6 s left"}


def test_a_line_that_is_not_finished_is_no_epoch(capsys, plan, record):
    record("a-0", ("solo", 2), rest='{"phase": "so')
    assert left(capsys, plan({"a": SOLO}), a_0="running") == {"a": "6 s left"}


def test_each_phase_has_its_own_time_and_a_phase_not_yet_seen_has_that_of_other_runs(capsys, plan, record):
    arms = plan({"a": COMBO, "b": COMBO})
    record("a-0", ("solo", 2))
    assert left(capsys, arms, a_0="running", b_0="waiting") == {}
    record("b-0", ("solo", 4), ("solo", 4), ("combo", 60))
    assert left(capsys, arms, a_0="running", b_0="running") == {
        "a": "2 min 2 s left",  # one of its own 2 s, two of 60 s
        "b": "1 min 0 s left",
    }


def test_runs_without_epochs_take_the_mean_of_all(capsys, plan, record):
    record("a-0", ("solo", 2))
    record("b-0", *[("solo", 8)] * 2)
    assert left(capsys, plan({"a": SOLO, "b": SOLO, "c": SOLO}), a_0="failed", b_0="done", c_0="waiting") == {
        "c": "24 s left"  # four of (2 + 8 + 8) / 3
    }


def test_the_solo_epochs_of_a_run_that_will_be_forked_cost_nothing(capsys, plan, record):
    record("a-0", ("solo", 10), ("solo", 10), ("combo", 30))
    arms = plan({"a": COMBO, "b": COMBO, "c": COMBO}, forked=("b",))
    assert left(capsys, arms, a_0="done", b_0="waiting", c_0="waiting") == {
        "b": "1 min 0 s left",
        "c": "1 min 20 s left",
    }


def test_the_epochs_that_a_forked_run_has_taken_over_are_done(capsys, plan, record):
    record("a-0", ("solo", 10), ("solo", 10), ("combo", 30))
    assert left(capsys, plan({"a": COMBO}, forked=("a",)), a_0="running") == {"a": "30 s left"}


def test_a_gan_s_epochs(capsys, plan, record):
    record("a-0", ("gan", 3))
    assert left(capsys, plan({"a": GAN}), a_0="running") == {"a": "9 s left"}


def test_an_arm_s_runs_add_up_and_those_at_their_end_take_no_time(capsys, plan, record):
    arms = plan({"a": SOLO}, seeds=(0, 1, 2, 3))
    record("a-0", *[("solo", 1)] * 4)
    record("a-1", ("solo", 1))
    assert left(capsys, arms, a_0="done", a_1="running", a_2="waiting", a_3="failed") == {"a": "7 s left"}


def shown(plan, states, workers=1, width=80):
    """The cells of each line that a terminal shows at last."""
    console = Console(file=StringIO(), force_terminal=True, width=width, record=True, markup=False)
    with Board(console, plan, workers) as board:
        board.show(states)
    lines = console.export_text().splitlines()
    head = max(i for i, line in enumerate(lines) if "time left" in line)
    return [re.split(" {2,}", line.rstrip()) for line in lines[head:]]


def test_a_terminal_has_a_table_with_a_line_an_arm(plan, record):
    arms = plan({"[a] b": SOLO, "c": SOLO}, seeds=(0, 3))
    record("[a] b-0", *[("solo", 10)] * 4)
    record("[a] b-3", *[("solo", 10)] * 2)
    states = {"[a] b-0": "done", "[a] b-3": "running", "c-0": "failed", "c-3": "waiting"}
    assert shown(arms, states, workers=2) == [
        ["arm", "runs", "time left"],
        ["[a] b", "1 done, 1 running, seed 3 at epoch 3/4", "20 s"],
        ["c", "1 failed, 1 waiting", "40 s"],
        ["1 of 4 runs done, about 30 s left"],
    ]


def test_a_terminal_s_table_without_times_and_at_the_end(plan, record):
    arms = plan({"a": SOLO})
    assert shown(arms, {"a-0": "running"})[1:] == [
        ["a", "1 running, seed 0 at epoch 1/4"],
        ["0 of 1 runs done"],
    ]
    record("a-0", *[("solo", 10)] * 4)
    assert shown(arms, {"a-0": "running"})[1] == ["a", "1 running, seed 0 at epoch 4/4"]
    assert shown(arms, {"a-0": "done"})[1:] == [["a", "1 done"], ["1 of 1 runs done"]]


def test_a_terminal_s_narrow_table_keeps_the_arms_and_the_time(plan, record):
    record("an arm-0", ("solo", 3000))
    line = shown(plan({"an arm": SOLO}), {"an arm-0": "running"}, width=36)[1]
    assert (line[0], line[-1]) == ("an arm", "2 h 30 min")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        *((0.4, "0 s"), (12.4, "12 s"), (59.6, "1 min 0 s"), (250, "4 min 10 s")),
        *((3599.7, "1 h 0 min"), (7530, "2 h 5 min"), (90000, "25 h 0 min")),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text
