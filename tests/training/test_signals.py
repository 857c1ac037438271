"""Signals to stop, in real processes: the step is finished, the run saved, and the next command printed."""

import os
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import processes
import pytest
from processes import HYBRID, PATIENCE, differences, ended, go_on, outcome
from tiny_runs import plain

import train_vaegan
import vaegan.training.loop
from vaegan.ablation.run_process import SIGNALLED
from vaegan.datasets.digits import Digits
from vaegan.training.checkpoint import last_checkpoint, read
from vaegan.training.signals import SIGNALS, Stopped, StopSignals


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The outcome of the run when nobody stops it."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaegan.run.folder.save_curves", processes.plain_curves)
        assert (
            train_vaegan.main([*plain(HYBRID.split()), "--runs-dir", str(folder.parent), "--run-name", "run"])
            == 0
        )
    return outcome(folder)


@pytest.fixture
def folder(tmp_path):
    """The folder of a test's run."""
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs" / "run"


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


def command_of(log):
    """The command that is said to go on, as its flags."""
    return re.search(r"^to go on: python train_vaegan.py (.*)$", log.read_text(), re.MULTILINE)[1].split()


def assert_goes_on(folder, log, expected):
    """The command that was printed leads to where the whole run came."""
    assert command_of(log) == ["--resume", str(folder)]
    assert ended(processes.start(command_of(log), log)) == 0, log.read_text()
    assert differences(folder, expected) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_during_training_finishes_the_step_saves_and_says_how_to_go_on(
    number, folder, log, expected, tmp_path
):
    process = go_on(folder, HYBRID, log, partial(processes.hold_at_step, 7, tmp_path / "go"))
    processes.wait_for("waiting before the step", log)
    os.kill(process.pid, number)
    processes.wait_for("stopping after this step; Ctrl-C again stops at once", log)
    (tmp_path / "go").touch()
    assert ended(process) == 128 + number, log.read_text()
    assert "stopped as asked, and saved" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert not list(folder.glob("*.pth"))
    progress = read(last_checkpoint(folder / "checkpoints"))[1]["progress"]
    assert (progress["epoch"], progress["batch"], progress["step"]) == (1, 2, 8)
    assert_goes_on(folder, log, expected)


def to_itself(number):
    """In a run's process: send it that signal."""
    os.kill(os.getpid(), number)


def signal_in_evaluation(number):
    """In a run's process: that signal comes while the second epoch is measured."""
    evaluate = vaegan.training.loop.evaluate
    epochs = []

    def measured(players, objective, phase, images, seed, ranks, on_batch):
        epochs.append(phase)

        def signalled():
            if len(epochs) == 2:
                to_itself(number)
            on_batch()

        return evaluate(players, objective, phase, images, seed, ranks, signalled)

    vaegan.training.loop.evaluate = measured


@pytest.mark.slow
def test_a_signal_during_evaluation_does_not_wait_for_its_end(folder, log, expected):
    process = go_on(folder, HYBRID, log, partial(signal_in_evaluation, signal.SIGINT))
    assert ended(process) == 128 + signal.SIGINT, log.read_text()
    progress = read(last_checkpoint(folder / "checkpoints"))[1]["progress"]
    assert (progress["epoch"], progress["batch"], progress["step"]) == (1, 6, 12)
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 1
    assert_goes_on(folder, log, expected)


def signal_while_drawing(number, epoch):
    """In a run's process: that signal comes while that epoch's pictures are drawn, from 1."""
    take = vaegan.training.loop.take_pictures
    taken = []

    def signalled(*arguments):
        taken.append(arguments)
        if len(taken) == epoch:
            to_itself(number)
        return take(*arguments)

    vaegan.training.loop.take_pictures = signalled


@pytest.mark.slow
def test_a_signal_between_two_epochs_ends_the_run_after_the_next_step(folder, log, expected):
    process = go_on(folder, HYBRID, log, partial(signal_while_drawing, signal.SIGTERM, 1))
    assert ended(process) == 128 + signal.SIGTERM, log.read_text()
    assert last_checkpoint(folder / "checkpoints").name == "step-00000007.safetensors"
    assert_goes_on(folder, log, expected)


@pytest.mark.slow
def test_a_signal_in_the_last_moment_lets_the_run_finish(folder, log, expected):
    process = go_on(folder, HYBRID, log, partial(signal_while_drawing, signal.SIGTERM, 3))
    assert ended(process) == 0, log.read_text()
    assert differences(folder, expected) == []


@pytest.mark.slow
def test_a_second_ctrl_c_stops_at_once(folder, log, expected, tmp_path):
    process = go_on(folder, HYBRID, log, partial(processes.hold_at_step, 8, tmp_path / "never"))
    processes.wait_for("waiting before the step", log)
    os.kill(process.pid, signal.SIGTERM)
    processes.wait_for("Ctrl-C again stops at once", log)
    os.kill(process.pid, signal.SIGTERM)  # another of those changes nothing
    process.join(0.3)
    assert process.exitcode is None
    os.kill(process.pid, signal.SIGINT)
    assert ended(process) == 128 + signal.SIGINT, log.read_text()
    assert "interrupted" in log.read_text() and "Traceback" not in log.read_text()
    assert_goes_on(folder, log, expected)


def signal_while_loading(number):
    """In a run's process: that signal comes while the images are read."""
    load = Digits.load

    def loaded(self):
        to_itself(number)
        return load(self)

    Digits.load = loaded


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 128 + signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM)]
)
def test_a_signal_before_training_begins_ends_it_at_once(number, status, folder, log):
    process = go_on(folder, HYBRID, log, partial(signal_while_loading, number))
    assert ended(process) == status, log.read_text()
    assert "Traceback" not in log.read_text()
    assert not folder.exists()


def test_the_first_signal_is_noted_and_the_handlers_are_put_back(capfd):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals() as signals:
        assert signals.number == 0
        to_itself(signal.SIGTERM)
        assert signals.number == signal.SIGTERM
        with pytest.raises(KeyboardInterrupt):
            to_itself(signal.SIGINT)
        assert signals.number == signal.SIGTERM
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert capfd.readouterr().err == "\nstopping after this step; Ctrl-C again stops at once\n"


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGXCPU"])
def test_a_closed_window_and_what_clusters_send_are_noted_as_well(name, capfd):
    number = getattr(signal, name, None)
    if number is None:
        pytest.skip("this platform has no such signal")
    before = signal.getsignal(number)
    with StopSignals() as signals:
        to_itself(number)
        to_itself(signal.SIGTERM)
        assert signals.number == number
    assert signal.getsignal(number) == before
    assert {-number, 128 + number} <= SIGNALLED  # an ablation goes on with a run that was stopped so


def test_what_nohup_ignores_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignals() as signals:
            to_itself(signal.SIGHUP)
            assert signals.number == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_one_of_several_processes_notes_signals_in_silence_and_goes_on_doing_so(capfd):
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with StopSignals(alone=False) as signals:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGINT):
                to_itself(number)
            assert signals.number == signal.SIGTERM
        to_itself(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert capfd.readouterr().err == ""


def test_outside_the_main_thread_it_changes_nothing():
    before = signal.getsignal(signal.SIGTERM)
    seen = []

    def enter():
        with StopSignals() as signals:
            seen.extend((signals.number, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [0, before]


def test_what_stops_a_run_knows_its_signal():
    assert Stopped(signal.SIGTERM).number == signal.SIGTERM


@pytest.mark.slow
def test_a_signal_with_nobody_left_to_read_still_saves(tmp_path):
    flags = [
        "--vae",
        "dense",
        "--hidden-dim",
        "8",
        "--image-size",
        "16",
        "--epochs",
        "2000",
        "--run-name",
        "run",
    ]
    program = Path(train_vaegan.__file__)
    process = subprocess.Popen(
        [sys.executable, "-u", program, *flags, "--runs-dir", tmp_path, "--wandb", "disabled"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    while b"epoch 1/" not in process.stdout.readline():
        pass
    process.stdout.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 128 + signal.SIGINT
    assert read(last_checkpoint(tmp_path / "run" / "checkpoints"))[1]["progress"]["batch"] > 0


ROOT = Path(train_vaegan.__file__).parent
# stands for a package: Ctrl-C comes in the middle of its import, and turns into another error
INTERRUPTED_IMPORT = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGINT)
    while True:
        pass
except KeyboardInterrupt:
    raise ImportError("the import was broken off") from None
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [
        ["train_vaegan.py"],
        ["-m", "vaegan", "train"],
        ["-m", "vaegan", "evaluate", "runs/x"],
    ],
)
def test_ctrl_c_during_the_imports_is_one_line(program, tmp_path):
    (tmp_path / "numpy.py").write_text(INTERRUPTED_IMPORT)
    (tmp_path / "torch.py").write_text(INTERRUPTED_IMPORT)
    done = subprocess.run(
        [sys.executable, *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}"},
        timeout=PATIENCE,
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a script's background jobs ignore it
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
