"""The runner: the order of runs, failed runs, and killed runners."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from processes import outcome

from vaegan.ablation.plan import Fork, Job, Plan, PlannedArm
from vaegan.ablation.run_process import STOPPED, Work, failure_of, is_done, last_line, log_of
from vaegan.ablation.runner import DONE, FAILED, WAITING, Runner, forget_failures
from vaegan.config.make import make_config
from vaegan.files import append_line
from vaegan.run.folder import Run, is_locked

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 300  # seconds


class Instantly:
    """A pool whose runs are over at once, each with the next outcome of its folder's name."""

    def __init__(self, outcomes, room=2):
        self.room = room
        self.threads = 3
        self.outcomes = outcomes
        self.begun: list[Work] = []
        self.stopped = False

    def submit(self, work):
        self.begun.append(work)
        self.room -= 1
        return work

    def is_done(self, handle):
        return True

    def outcome(self, handle):
        self.room += 1
        outcome = self.outcomes.get(handle.folder.name, [None])
        return outcome.pop(0) if outcome else None

    def stop(self):
        self.stopped = True

    @property
    def names(self):
        return [work.folder.name for work in self.begun]


def plan_of(folder, *names, forks=()):
    """A plan of one arm with these runs; forks: (name, leader) pairs."""
    leaders = dict(forks)
    jobs = {}
    for seed, name in enumerate(names):
        fork = None
        if name in leaders:
            leader = folder / leaders[name]
            fork = Fork(leader.name, leader / "checkpoints" / "epoch-0001.safetensors", 1)
        kept = (1,) if name in leaders.values() else ()
        jobs[name] = Job(name, folder / name, make_config({"seed": seed, "epochs": 2}), fork, kept)
    return Plan([PlannedArm("an arm", make_config({}), list(names))], jobs)


def runner_of(plan, pool):
    return Runner(plan, pool, "group")


def finish(folder, epochs=2):
    """Writes the files of a finished run."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "evaluation.json").write_text(json.dumps({"epochs": epochs}))


def test_all_runs_are_made_no_more_at_once_than_there_is_room_for(tmp_path):
    plan, pool = plan_of(tmp_path, "a", "b", "c"), Instantly({}, room=2)
    runner = runner_of(plan, pool)
    runner._begin()
    assert pool.names == ["a", "b"]
    assert runner.run(lambda: None, lambda: False)
    assert pool.names == ["a", "b", "c"]
    assert set(runner.states.values()) == {DONE}


def test_a_run_gets_its_own_seed_folder_and_share_of_the_cores(tmp_path):
    pool = Instantly({})
    runner_of(plan_of(tmp_path, "a", "b"), pool).run(lambda: None, lambda: False)
    assert pool.begun[1].flags == (
        *("--config", str(tmp_path / "b.yaml"), "--seed", "1"),
        *("--runs-dir", str(tmp_path), "--run-name", "b"),
    )
    assert pool.begun[1].changed == ("--wandb-group", "group", "--sections", "all")
    assert (pool.begun[1].threads, pool.begun[1].epochs) == (3, 2)


def test_runs_that_are_done_are_not_made_again(tmp_path):
    finish(tmp_path / "a")
    finish(tmp_path / "b", epochs=1)  # of two
    pool = Instantly({})
    runner_of(plan_of(tmp_path, "a", "b"), pool).run(lambda: None, lambda: False)
    assert pool.names == ["b"]


def test_a_failed_run_is_named_with_its_reason_and_tried_again_on_request_alone(tmp_path):
    plan, pool = plan_of(tmp_path, "a", "b"), Instantly({"a": ["stopped: nan"]})
    runner = runner_of(plan, pool)
    assert runner.run(lambda: None, lambda: False)
    assert runner.states == {"a": FAILED, "b": DONE} and runner.reasons == {"a": "stopped: nan"}
    assert failure_of(tmp_path / "a").read_text() == "stopped: nan\n"
    finish(tmp_path / "b")
    again = Instantly({})
    runner = runner_of(plan, again)
    assert runner.run(lambda: None, lambda: False)
    assert again.names == [] and runner.reasons == {"a": "stopped: nan"}
    forget_failures(plan)
    runner = runner_of(plan, again)
    assert runner.run(lambda: None, lambda: False)
    assert again.names == ["a"] and runner.reasons == {}


def test_a_run_that_somebody_else_stopped_is_begun_again(tmp_path):
    pool = Instantly({"a": [STOPPED]})
    assert runner_of(plan_of(tmp_path, "a"), pool).run(lambda: None, lambda: False)
    assert pool.names == ["a", "a"]


def test_when_it_is_to_stop_the_pool_is_told_and_nothing_is_begun(tmp_path):
    pool = Instantly({})
    runner = runner_of(plan_of(tmp_path, "a"), pool)
    assert not runner.run(lambda: None, lambda: True)
    assert pool.stopped and pool.names == [] and runner.states == {"a": WAITING}


def test_a_run_that_forks_waits_for_the_checkpoint_it_forks_from(tmp_path, monkeypatch):
    forked = []
    monkeypatch.setattr("vaegan.ablation.runner.fork_run", lambda *given: forked.append(given))
    plan = plan_of(tmp_path, "leader", "b", "alone", forks=[("b", "leader")])
    pool = Instantly({})
    runner = runner_of(plan, pool)
    runner._begin()
    assert pool.names == ["leader", "alone"] and pool.begun[0].changed[-4:-2] == ("--keep-epochs", "1")
    pool.room = 1
    runner._begin()
    assert pool.names == ["leader", "alone"]
    fork = plan.jobs["b"].fork
    fork.checkpoint.parent.mkdir(parents=True)
    fork.checkpoint.touch()
    runner._begin()
    assert pool.names == ["leader", "alone", "b"]
    assert forked == [(fork.checkpoint, plan.jobs["b"].config, tmp_path / "b")]


@pytest.mark.parametrize("reason", [None, "stopped: nan"])
def test_a_run_whose_leader_left_no_checkpoint_begins_alone(tmp_path, reason):
    pool = Instantly({"leader": [reason]})
    runner = runner_of(plan_of(tmp_path, "leader", "b", forks=[("b", "leader")]), pool)
    assert runner.run(lambda: None, lambda: False)
    assert pool.names == ["leader", "b"] and runner.states["b"] == DONE


# One run, made by the program itself


def work_of(folder, *flags, epochs=1):
    given = ["--vae", "dense", "--hidden-dim", "4", "--image-size", "16", "--batch-size", "256"]
    given += ["--dataset", "digits", *flags]
    places = ["--runs-dir", str(folder.parent), "--run-name", folder.name, "--epochs", str(epochs)]
    return Work(folder, (*given, *places), (), epochs, threads=1)


def test_a_run_that_was_evaluated_in_other_networks_is_evaluated_again(tmp_path):
    plan, pool = plan_of(tmp_path, "a", "b"), Instantly({})
    for name, features in (("a", "auto"), ("b", "random,efficientnet")):
        job = plan.jobs[name]
        config = job.config.model_copy(update={"features": "random,efficientnet"})
        plan.jobs[name] = replace(job, config=config)
        finish(job.folder)
        (job.folder / "evaluation.json").write_text(json.dumps({"epochs": 2, "features": features}))
    runner_of(plan, pool).run(lambda: None, lambda: False)
    assert pool.names == ["a"]
    features = ("--features", "random,efficientnet")
    assert (*features, "--sections", "all") == pool.begun[0].changed[-4:]
    assert is_done(tmp_path / "b", 2) and is_done(tmp_path / "a", 2)  # any networks, where none are asked for


def test_a_run_whose_evaluation_lacks_a_section_is_evaluated_again_with_those_that_it_had(tmp_path):
    plan, pool = plan_of(tmp_path, "a", "b"), Instantly({})
    for name, had in (("a", ["latents", "distances"]), ("b", ["reconstruction", "distances", "latents"])):
        job = plan.jobs[name]
        config = job.config.model_copy(update={"sections": ["reconstruction", "distances"]})
        plan.jobs[name] = replace(job, config=config)
        finish(job.folder)
        evaluation = {"epochs": 2, "asked": had, "left_out": ["pictures"]}
        (job.folder / "evaluation.json").write_text(json.dumps(evaluation))
    runner_of(plan, pool).run(lambda: None, lambda: False)
    assert pool.names == ["a"]
    assert pool.begun[0].changed[-2:] == ("--sections", "reconstruction,latents,distances")
    assert pool.begun[0].sections == ("reconstruction", "latents", "distances")
    assert is_done(tmp_path / "a", 2)  # any sections, where none are asked for
    assert not is_done(tmp_path / "a", 2, sections=["all"])


@pytest.mark.processes
def test_work_says_why_a_run_failed(tmp_path):
    reason = work_of(tmp_path / "a", "--dataset", "nowhere")()
    assert reason.startswith("--dataset nowhere: ")
    assert reason == last_line(log_of(tmp_path / "a"))
    assert not (tmp_path / "a").exists()


@pytest.mark.processes
def test_work_says_which_loss_is_no_number_any_more(tmp_path):
    reason = work_of(tmp_path / "a", "--lr", "1e30", "--evaluate", "false")()
    assert reason.startswith("stopped: ") and "--lr" in reason
    assert not is_done(tmp_path / "a", 1)


def test_work_waits_for_a_run_that_another_process_is_at(tmp_path):
    run = Run(tmp_path / "a", make_config({}))
    assert is_locked(tmp_path / "a")
    stop = threading.Event()
    stop.set()
    assert work_of(tmp_path / "a")(stop) == STOPPED
    finish(tmp_path / "a", epochs=1)
    run.close()
    assert not is_locked(tmp_path / "a")
    assert work_of(tmp_path / "a")() is None  # done by the other
    assert not log_of(tmp_path / "a").exists()


# A runner that is killed

SPEC = """
options: {dataset: digits, vae: dense, hidden_dim: 8, image_size: 16, latent_dim: 2, batch_size: 128,
          epochs: 6, disc: dense, disc_hidden_dim: 4, solo_epochs: 3, wandb: disabled, figure_epochs: 6}
grid: {disc_weight: [1, 10]}
arms: {later: {solo_epochs: 2}}
"""


def saved_epochs(folder):
    """The finished epochs that a run's newest checkpoint has, as its name tells (12 steps an epoch)."""
    names = [path.stem for path in (folder / "checkpoints").glob("step-*.safetensors")]
    return max((int(name.removeprefix("step-")) // 12 for name in names), default=0)


def ablate(folder, log):
    given = [folder / "spec.yaml", "--runs-dir", folder / "runs", "--workers", "2"]
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "vaegan", "ablate", *map(str, given)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The runs of an ablation that nobody killed."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "spec.yaml").write_text(SPEC)
    assert ablate(folder, folder / "log").wait(PATIENCE) == 0, (folder / "log").read_text()
    return sorted((folder / "runs" / "arms").glob("*/"))


@pytest.mark.processes
@pytest.mark.parametrize("with_its_runs", [True, False], ids=["all at once", "the runner alone"])
def test_a_killed_runner_loses_no_finished_epoch(tmp_path, whole, with_its_runs):
    killed, log = tmp_path / "killed", tmp_path / "log"
    killed.mkdir()
    (killed / "spec.yaml").write_text(SPEC)
    rng = random.Random(7)
    before: dict[str, int] = {}
    kills = 0
    for _ in range(5):
        process = ablate(killed, log)
        try:
            process.wait(rng.uniform(2, 14))
        except subprocess.TimeoutExpired:
            if with_its_runs:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
            process.wait()
            kills += 1
        for folder in (killed / "runs" / "arms").glob("*/"):
            assert saved_epochs(folder) >= before.get(folder.name, 0)
            before[folder.name] = saved_epochs(folder)
    assert kills >= 2
    assert ablate(killed, log).wait(PATIENCE) == 0, log.read_text()
    assert len(whole) == 3
    for run in whole:
        expected, found = outcome(run), outcome(killed / "runs" / "arms" / run.name)
        for each in (expected, found):  # that of a run that did not have to wait for its leader is made alone
            for name in ("fork.json", "evaluation.json", "report.html"):  # paths and times
                each.pop(name, None)
        assert sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k)) == []
        assert is_done(killed / "runs" / "arms" / run.name, 6)
    assert (killed / "runs" / "spec" / "table.md").exists()


def test_last_line_is_the_last_that_says_something(tmp_path):
    append_line(tmp_path / "log", "one\ntwo  \n\n")
    assert last_line(tmp_path / "log") == "two"
    assert last_line(tmp_path / "none") == ""
