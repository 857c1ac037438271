"""The output of the terminal."""

import io
import os
import sys

import pytest
from rich.console import Console

from vaegan.cli.console import ProgressBar, make_console, schedule_lines, summary_lines
from vaegan.objective.schedule import Phase, Schedule
from vaegan.objective.weights.constant import Constant
from vaegan.objective.weights.forms import Stairs
from vaegan.objective.weights.span import Span
from vaegan.training.meters import Meter

RECORD = {
    "epoch": 0,
    "phase": "solo",
    "train/gen/pbp": 12.5,
    "train/gen/kl": 3.25,
    "test/gen/pbp": 13.0,
    "test/gen/kl": 3.0,
    "test/gen/total": 16.0,
    "time/epoch_s": 0.1,
    "time/images_per_s": 4321.0,
}


def bar(terminal, width=140):
    output = io.StringIO()
    console = Console(file=output, force_terminal=terminal, width=width, markup=False, highlight=False)
    return ProgressBar(console, epochs=2, steps_per_epoch=3), output


@pytest.mark.parametrize("terminal", [True, False])
def test_each_epoch_has_a_line_with_its_losses_and_rate(terminal):
    progress, output = bar(terminal)
    with progress:
        progress.on_epoch(RECORD, None)
    line = next(line for line in output.getvalue().splitlines() if "train" in line)
    for part in ("epoch 1/2 solo", "train pbp 12.50  kl 3.25", "test pbp 13.00  kl 3.00", "4,321 images/s"):
        assert part in line


def test_without_a_terminal_there_is_no_bar():
    progress, output = bar(terminal=False)
    with progress:
        progress.on_step(0, Phase("solo", {"gen": {}}), Meter(), 8)
    assert output.getvalue() == ""


def test_the_bar_shows_rate_and_losses_even_of_epochs_shorter_than_its_refreshing():
    progress, output = bar(terminal=True)
    with progress:
        progress.on_step(0, Phase("solo", {"gen": {}}), Meter(), 8)
        progress.on_epoch(RECORD, None)
    last = [line for line in output.getvalue().splitlines() if "images/s" in line][-1]
    for part in ("epoch 1/2 solo", "1/6", "4,321 images/s", "pbp 12.50"):
        assert part in last


def test_on_80_columns_only_the_losses_are_cut():
    progress, output = bar(terminal=True, width=80)
    with progress:
        progress.on_epoch({**RECORD, "train/gen/adv": 1.25, "train/disc/total": 1.386}, None)
    line = [line for line in output.getvalue().splitlines() if "0/6" in line][-1]
    for part in ("epoch 1/2 solo", "0/6", "4,321 images/s", "-:--:--", "pbp 12.50"):
        assert part in line


def test_a_terminal_whose_window_is_closed_is_no_error(monkeypatch):
    pty = pytest.importorskip("pty", reason="this platform has no pseudo-terminals")
    window, terminal = pty.openpty()
    with os.fdopen(terminal, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        console = make_console()
        os.close(window)
        bar = ProgressBar(console, epochs=1, steps_per_epoch=1)
        with bar:
            console.print("to nobody")
        console.print("and again")
        assert console.quiet


def test_equal_weights_share_a_line():
    schedule = Schedule({"gen": {"pbp": Stairs(1.0, 0.5, Span(2)), "kl": Constant(1.0)}})
    lines = schedule_lines(schedule, 5, {"gen": ["pbp", "kl"]})
    assert [line.split() for line in lines] == [
        ["epochs", "phase", "gen/pbp", "gen/kl"],
        ["1-2", "solo", "1", "1"],
        ["3-4", "solo", "0.5", "1"],
        ["5", "solo", "0.25", "1"],
    ]


def test_weights_are_those_in_the_last_step_of_each_epoch():
    class Ramp(Constant):
        def at(self, time):
            return time.step / 100

    schedule = Schedule({"gen": {"pbp": Ramp(1.0)}})
    lines = schedule_lines(schedule, 2, {"gen": ["pbp"]}, steps_per_epoch=11)
    assert [line.split() for line in lines[1:]] == [["1", "solo", "0.1"], ["2", "solo", "0.21"]]


def test_the_summary_ends_with_the_run_folder(tmp_path):
    lines = summary_lines(RECORD, {}, 61.0, tmp_path, [tmp_path / "VAE_model.pth"], [])
    assert lines[-1] == f"Run folder: {tmp_path}"
    assert any("PBP loss" in line and "13.00 an image" in line for line in lines)
    assert not any("discriminator" in line for line in lines)
