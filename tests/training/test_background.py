"""The background thread: it writes in order, and nothing more after a failure."""

import threading

import processes
import pytest

from vaegan.commands import train as command_train
from vaegan.training.background import Background, BackgroundWatcher


def test_all_is_done_in_the_order_given():
    done = []
    with Background() as background:
        for i in range(100):
            background.do(done.append, i)
    assert done == list(range(100))


def test_what_went_wrong_is_raised_and_nothing_more_is_done():
    done = []

    def fail():
        raise OSError("full")

    with pytest.raises(OSError, match="full"), Background() as background:
        background.do(done.append, 1)
        background.do(fail).result()
        background.do(done.append, 2)
    assert done == [1]


def test_what_was_given_before_a_failure_was_noticed_is_not_done_either():
    done = []

    def fail():
        raise OSError("full")

    started = threading.Event()
    with pytest.raises(OSError, match="full"), Background() as background:
        background.do(started.wait)  # so that all is given before anything fails
        background.do(fail)
        background.do(done.append, 1)
        started.set()
    assert done == []


def test_a_watcher_beside_is_told_of_epochs_alone():
    seen = []

    class Watcher:
        def on_epoch(self, record, pictures):
            seen.append((record, pictures))

    with Background() as background:
        watcher = BackgroundWatcher(Watcher(), background)
        watcher.on_step(0, None, None, 1)
        watcher.on_epoch({"epoch": 0}, None)
    assert seen == [({"epoch": 0}, None)]


@pytest.mark.parametrize("flags", [processes.HYBRID, processes.GAN])
def test_a_run_written_beside_training_is_the_run_written_at_once(flags, command, tmp_path, monkeypatch):
    monkeypatch.setattr("vaegan.run.folder.save_curves", processes.plain_curves)
    assert command(flags, "--run-name", "at once")[0] == 0
    monkeypatch.setattr(command_train, "background_for", lambda device: Background())
    assert command(flags, "--run-name", "beside")[0] == 0
    expected = processes.outcome(tmp_path / "runs" / "at once")
    assert processes.differences(tmp_path / "runs" / "beside", expected) == []
