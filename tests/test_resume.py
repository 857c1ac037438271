"""A run that is killed at any time and resumed ends as if uninterrupted; if it cannot resume, it says why."""

import contextlib
import json
import pickle
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from functools import partial
from pathlib import Path

import processes
import pytest
import torch
from PIL import Image
from processes import CONV, GAN, HYBRID, STEERED, TINY, differences, ended, go_on, outcome, unfinished
from safetensors.torch import load_file
from tiny_runs import plain

import train_vaegan
import vaegan.run.folder
from vaegan.commands.inputs import train_parts
from vaegan.datasets import Request, open_source
from vaegan.errors import OptionError
from vaegan.figures.curves import save_curves
from vaegan.run.folder import Run
from vaegan.training.checkpoint import Checkpoints, last_checkpoint, read, write
from vaegan.training.step import Step

SYSTEMS = {"hybrid": HYBRID, "gan": GAN, "conv": CONV, "steered": STEERED}
STEPS = 6  # an epoch
PLAIN = f"{TINY} --vae dense --hidden-dim 4 --epochs 2"
ON_PICTURES = PLAIN.replace("--batch-size 256", "--batch-size 4")
pytestmark = pytest.mark.usefixtures("plain_curves")


@pytest.fixture(scope="module")
def plain_curves():
    """Curves as text: drawing them takes longer than all else."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("vaegan.run.folder.save_curves", processes.plain_curves)
        yield


@pytest.fixture
def say(capsys):
    """Runs `train_vaegan.py` with these flags; returns (exit status, output, errors)."""

    def run(*flags):
        capsys.readouterr()
        status = train_vaegan.main(plain([str(flag) for flag in flags]))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


class Made:
    """A run that was never interrupted, and what a kill after each saving of it would have left behind."""

    def __init__(self, folder, flags):
        """folder: of the run, whose parent is that of all runs."""
        self.folder = folder
        self.flags = flags
        self._left = folder.parent.parent / f"{folder.name} left behind"
        write = Checkpoints._write

        def write_and_copy(checkpoints, paths, tensors, facts):
            write(checkpoints, paths, tensors, facts)
            shutil.copytree(folder, self._left / "{epoch}.{batch}".format(**facts["progress"]))

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Checkpoints, "_write", write_and_copy)
            whole = [*plain(flags.split()), "--runs-dir", str(folder.parent), "--run-name", folder.name]
            started = time.monotonic()
            assert train_vaegan.main(whole) == 0
            self.seconds = time.monotonic() - started
        self.outcome = outcome(folder)

    def stopped(self, epoch, batch, folder):
        """A copy of the run as it stood with so many epochs finished, and batches of the next, from 0."""
        return Path(shutil.copytree(self._left / f"{epoch}.{batch}", folder))

    @property
    def savings(self):
        """(epoch, batch) of each, in order."""
        return sorted(tuple(map(int, path.name.split("."))) for path in self._left.iterdir())


@pytest.fixture(scope="module")
def made(tmp_path_factory, plain_curves):
    """Gives such a run of one of the systems, made once."""
    runs = {}

    def make(system):
        if system not in runs:
            folder = tmp_path_factory.mktemp("made") / "runs" / system
            runs[system] = Made(folder, SYSTEMS.get(system, PLAIN))
        return runs[system]

    return make


@pytest.fixture
def interrupted(made, tmp_path):
    """The folder of a plain run, killed after the third step of its second epoch."""
    return made("plain").stopped(1, 3, tmp_path / "runs" / "plain")


def newest(folder):
    return last_checkpoint(folder / "checkpoints")


def tensors_of(folder):
    return load_file(newest(folder))


def assert_ends_as(run, folder, say):
    """Going on with the run in this folder leads to where the other one came."""
    status, _, errors = say("--resume", folder)
    assert status == 0, errors
    assert differences(folder, run.outcome) == []


# kills for real


@pytest.mark.slow
@pytest.mark.parametrize("system", SYSTEMS)
def test_killed_at_random_instants_and_resumed_it_ends_as_if_nothing_had_been(system, made, tmp_path):
    rng = random.Random(sum(system.encode()))
    folder, log = tmp_path / "runs" / system, tmp_path / "log"
    run = made(system)
    folder.parent.mkdir()
    fell = processes.kill_at_random(folder, run.flags, kills=4, longest=run.seconds, rng=rng, log=log)
    print(f"{system}: killed while {', '.join(fell)}")
    assert differences(folder, run.outcome) == []


@pytest.mark.slow
def test_killed_at_later_and_later_operations_of_the_writer_it_ends_as_if_nothing_had_been(made, tmp_path):
    folder, log = tmp_path / "runs" / "hybrid", tmp_path / "log"
    run = made("hybrid")
    folder.parent.mkdir()
    status, number = 1, 0
    while status:
        number += 2
        prepare = partial(processes.die_at_operation, number, "checkpoints")
        status = ended(go_on(folder, run.flags, log, prepare))
        assert status in (0, -signal.SIGKILL), log.read_text()
    assert number > 10
    print(f"killed {number // 2 - 1} times")
    assert differences(folder, run.outcome) == []


# in this process, from what kills leave behind


@pytest.mark.parametrize("system", SYSTEMS)
def test_it_goes_on_exactly_from_the_middle_of_an_epoch_before_its_evaluation_and_from_its_end(
    system, made, tmp_path, say
):
    run = made(system)
    assert run.savings == [(0, 3), (0, 6), (1, 0), (1, 3), (1, 6), (2, 0), (2, 3), (2, 6), (3, 0)]
    for epoch, batch in ((0, 3), (1, 6), (2, 0), (2, 3)):
        assert_ends_as(run, run.stopped(epoch, batch, tmp_path / f"{epoch}.{batch}"), say)


def test_more_epochs_later_are_the_same_as_all_at_once(tmp_path, say):
    flags = f"{TINY} --vae conv --base-channels 2 --disc dense --disc-hidden-dim 4 --solo-epochs 1"
    flags = [*flags.split(), "--runs-dir", tmp_path]
    assert say(*flags, "--run-name", "at once", "--epochs", 3)[0] == 0
    assert say(*flags, "--run-name", "in parts", "--epochs", 2)[0] == 0
    status, output, errors = say("--resume", tmp_path / "in parts", "--epochs", 3)
    assert status == 0, errors
    assert "going on from step-00000012.safetensors: epoch 3, step 13" in output
    assert differences(tmp_path / "in parts", outcome(tmp_path / "at once")) == []


SCHEDULED = f"{PLAIN} --lr-schedule"


@pytest.fixture(scope="module")
def scheduled(tmp_path_factory, plain_curves):
    """The folder of a run of two epochs under a cosine."""
    folder = tmp_path_factory.mktemp("scheduled") / "run"
    flags = [*plain(SCHEDULED.split()), "cosine", "--runs-dir", str(folder.parent), "--run-name", folder.name]
    assert train_vaegan.main(flags) == 0
    return folder


def rates(folder):
    return [json.loads(line)["lr/gen"] for line in (folder / "metrics.jsonl").open()]


def test_more_epochs_than_the_learning_rates_schedule_are_refused_with_the_choices(scheduled, say):
    before = outcome(scheduled)
    for flags in (["--epochs", 4], ["--epochs", 4, "--dry-run"]):
        status, _, errors = say("--resume", scheduled, *flags)
        assert (status, errors) == (
            2,
            "--epochs 4: the cosine schedule of the learning rates ends after 2; add --lr-epochs 4 to go on "
            "as if it had been made for 4 (the rates jump there), or --lr-epochs 2 to stay at its end (a "
            "rate of 0 after 2 epochs)\n",
        )
    assert differences(scheduled, before) == []


@pytest.mark.slow
@pytest.mark.parametrize(("lr_epochs", "expected"), [(4, [5e-4, 0, 1e-3 * 0.1464, 0]), (2, [5e-4, 0, 0, 0])])
def test_with_more_epochs_the_learning_rates_do_as_asked(lr_epochs, expected, scheduled, tmp_path, say):
    folder = shutil.copytree(scheduled, tmp_path / "run")
    assert say("--resume", folder, "--epochs", 4, "--lr-epochs", lr_epochs)[0] == 0
    assert rates(folder) == pytest.approx(expected, abs=1e-7)
    assert say("--resume", folder)[0] == 0  # nothing is asked again
    status, _, errors = say("--resume", folder, "--epochs", 5)
    asked_again = lr_epochs == 4  # else it has outlasted its schedule already
    assert status == 2 * asked_again and ("--lr-epochs 5" in errors) == asked_again


def test_lengths_in_percent_of_the_epochs_keep_their_number(tmp_path, say):
    flags = [*PLAIN.split(), "--beta", "linear(0, 1, 50%)"]
    folder = tmp_path / "run"
    assert say(*flags, "--runs-dir", tmp_path, "--run-name", "run")[0] == 0
    before = outcome(folder)
    status, _, errors = say("--resume", folder, "--epochs", 4)
    expected = "--epochs 4: the run was made for 2, and is in percent of them: --beta linear(0, 1, 50%)\n"
    assert (status, errors) == (2, expected)
    assert differences(folder, before) == []


def test_a_run_that_was_killed_after_the_choice_is_not_asked_again(scheduled, tmp_path, say):
    folder = shutil.copytree(scheduled, tmp_path / "run")
    with (folder / "config.yaml").open("a") as file:  # as it stands before the next checkpoint
        file.write("lr_epochs: 3\n")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(text.replace("\nepochs: 2\n", "\nepochs: 3\n"))
    assert say("--resume", folder)[0] == 0
    assert len(rates(folder)) == 3
    (folder / "config.yaml").write_text(text.replace("lr_epochs: 3\n", "").replace("epochs: 2", "epochs: 4"))
    status, _, errors = say("--resume", folder)
    assert status == 2 and errors.startswith(f"{folder / 'config.yaml'}: epochs: 4: the cosine schedule")


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant --warmup-epochs 1", "step --lr-decay-every 1"])
def test_more_epochs_of_a_schedule_without_an_end_are_those_of_a_longer_run(schedule, tmp_path, say):
    flags = [*f"{SCHEDULED} {schedule}".split(), "--runs-dir", tmp_path]
    assert say(*flags, "--run-name", "at once", "--epochs", 3)[0] == 0
    assert say(*flags, "--run-name", "in parts")[0] == 0
    assert say("--resume", tmp_path / "in parts", "--epochs", 3)[0] == 0
    assert differences(tmp_path / "in parts", outcome(tmp_path / "at once")) == []


def test_a_finished_run_changes_no_weights_and_exits_with_0(made, tmp_path, say):
    run = made("plain")
    folder = run.stopped(2, 0, tmp_path / "run")
    shutil.copytree(run.folder, folder, dirs_exist_ok=True)
    before = newest(folder).read_bytes()
    assert_ends_as(run, folder, say)
    assert newest(folder).read_bytes() == before


def test_curves_are_drawn_of_all_epochs(made, interrupted, tmp_path, say, monkeypatch):
    monkeypatch.setattr("vaegan.run.folder.save_curves", save_curves)
    whole = shutil.copytree(made("plain").folder, tmp_path / "whole")
    for folder in (whole, interrupted):
        assert say("--resume", folder)[0] == 0
    curves = [(folder / "figures" / "curves.png").read_bytes() for folder in (whole, interrupted)]
    assert curves[0] == curves[1] and curves[0].startswith(b"\x89PNG")


def test_another_name_and_another_best_are_refused(made, tmp_path, say):
    folder = made("plain").stopped(1, 0, tmp_path / "run")
    assert say("--resume", folder, "--run-name", "other")[::2] == (
        2,
        "--run-name other: a resumed run keeps its folder\n",
    )
    status, _, errors = say("--resume", folder, "--keep-best", "test/gen/kl")
    assert status == 2 and errors.startswith("--keep-best test/gen/kl: the run was made with none")


def test_fewer_epochs_than_are_done_are_refused(made, tmp_path, say):
    folder = made("plain").stopped(2, 0, tmp_path / "run")
    status, _, errors = say("--resume", folder, "--epochs", 1)
    assert (status, errors) == (
        2,
        "--epochs 1: 2 are done already; at least as many are accepted\n",
    )


def test_a_run_ended_before_its_first_checkpoint_is_made_from_its_start(made, tmp_path, say):
    run = made("plain")
    folder = run.stopped(0, 3, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints")
    status, output, errors = say("--resume", folder)
    assert status == 0, errors
    assert "going on" not in output
    assert differences(folder, run.outcome) == []


def test_rows_of_epochs_that_are_made_again_are_written_once(made, tmp_path, say):
    run = made("plain")
    folder = run.stopped(1, 3, tmp_path / "run")
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 1, "phase": "solo"}\n{"epoch": 2, "pha')  # a kill while a row was written
    assert_ends_as(run, folder, say)


def test_rows_that_are_missing_are_an_error_and_nothing_is_changed(interrupted, say):
    (interrupted / "metrics.jsonl").write_text('{"epoch": 0, "pha')
    status, _, errors = say("--resume", interrupted)
    assert status == 2
    assert errors == (
        f"--resume {interrupted}: {interrupted / 'metrics.jsonl'} has 0 epochs, where the newest checkpoint "
        "has 1; nothing was changed\n"
    )


def test_temporary_files_that_a_kill_left_are_removed(made, interrupted, say):
    for name in (".config.yaml.77", "checkpoints/.step-00000012.safetensors.123", "figures/.samples.png.9"):
        (interrupted / name).write_bytes(b"half")
    assert len(unfinished(interrupted)) == 3
    assert_ends_as(made("plain"), interrupted, say)
    assert unfinished(interrupted) == []


def test_environment_says_what_a_run_went_on_with(interrupted, say):
    before = json.loads((interrupted / "environment.json").read_text())
    say("--resume", interrupted)
    say("--resume", interrupted)
    after = json.loads((interrupted / "environment.json").read_text())
    resumed = after.pop("resumed")
    assert after == before
    assert [each["command"] for each in resumed] == [f"train_vaegan.py --resume {interrupted}"] * 2


def test_a_dry_run_says_where_it_would_go_on_and_changes_nothing(interrupted, say):
    before = outcome(interrupted)
    status, output, errors = say("--resume", interrupted, "--dry-run")
    assert status == 0, errors
    assert output.endswith(
        f"# run folder\n{interrupted}\ngoing on from step-00000009.safetensors: epoch 2, step 10\n"
    )
    assert differences(interrupted, before) == []


# what is kept


def test_the_last_two_the_named_epochs_and_the_best_are_kept(made):
    folder = made("hybrid").folder / "checkpoints"
    names = ["best", "epoch-0001", "epoch-0002", "step-00000015", "step-00000018"]
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.safetensors" for name in names]
    values = [json.loads(line)["test/gen/pbp"] for line in (folder.parent / "metrics.jsonl").open()]
    best = read(folder / "best.safetensors")[1]["progress"]
    assert best["epoch"] == values.index(min(values)) + 1
    assert [read(folder / f"epoch-000{n}.safetensors")[1]["progress"]["epoch"] for n in (1, 2)] == [1, 2]


def test_a_best_epoch_that_is_not_the_last_stays(tmp_path, say):
    flags = f"{TINY} --vae dense --hidden-dim 4 --epochs 3 --keep-best test/gen/kl --run-name run"
    assert say(*flags.split(), "--runs-dir", tmp_path)[0] == 0
    values = [json.loads(line)["test/gen/kl"] for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert values.index(min(values)) == 0
    facts = read(tmp_path / "run" / "checkpoints" / "best.safetensors")[1]
    assert facts["progress"]["epoch"] == 1


def test_a_key_that_no_epoch_has_is_refused_before_training(tmp_path, say):
    flags = f"{PLAIN} --runs-dir {tmp_path / 'runs'} --keep-best test/gen/pbp_exces"
    status, _, errors = say(*flags.split())
    assert status == 2
    assert errors.startswith(
        '--keep-best test/gen/pbp_exces: no figure on held-out images; did you mean "test/gen/pbp_excess"? '
    )
    assert not (tmp_path / "runs").exists()


# what is refused


def test_options_that_would_make_it_another_run_are_refused_each_on_its_line(interrupted, say):
    before = outcome(interrupted)
    anew = f"to start a new run from its weights: --init-from {interrupted}"
    status, _, errors = say("--resume", interrupted, "--lr", 0.5, "--hidden-dim", 9, "--epochs", 5)
    assert status == 2
    assert errors.splitlines() == [
        f"--hidden-dim 9: the run was made with 4, and cannot change it; {anew}",
        f"--lr 0.5: the run was made with 0.001, and cannot change it; {anew}",
    ]
    assert differences(interrupted, before) == []


def test_another_architecture_is_refused_with_the_fields_that_differ(interrupted, say):
    status, _, errors = say("--resume", interrupted, "--vae", "conv", "--hidden-dim", "none")
    assert status == 2
    assert [line.split()[0] for line in errors.splitlines()] == ["--hidden-dim", "--vae"]


def test_an_edited_config_is_refused_naming_the_file_and_the_key(interrupted, say):
    path = interrupted / "config.yaml"
    path.write_text(path.read_text().replace("latent_dim: 2", "latent_dim: 3"))
    status, _, errors = say("--resume", interrupted)
    assert status == 2
    assert errors.startswith(
        f"{path}: latent_dim: 3: the run was made with 2, and cannot change it; to start"
    )


def test_what_does_not_change_the_run_may_be_given(interrupted, say, made):
    flags = ("--accumulate", 2, "--keep-epochs", 2, "--save-every", "5min", "--figure-epochs", 1)
    status, _, errors = say("--resume", interrupted, *flags)
    assert status == 0, errors
    assert (interrupted / "checkpoints" / "epoch-0002.safetensors").exists()


@pytest.mark.parametrize("interval", ["1000000min", "0.00001min", "90.5min", "7 steps"])
def test_an_interval_in_the_runs_own_config_is_taken_back(interval, tmp_path, say):
    flags = [*PLAIN.split(), "--epochs", 1, "--runs-dir", tmp_path, "--run-name", "run"]
    assert say(*flags, "--save-every", interval)[0] == 0
    status, _, errors = say("--resume", tmp_path / "run")
    assert status == 0, errors


@pytest.mark.parametrize("checkpoints", [True, False])
def test_an_empty_config_is_named_with_what_to_do(interrupted, say, checkpoints):
    (interrupted / "config.yaml").write_text("# nothing\n")
    if not checkpoints:
        shutil.rmtree(interrupted / "checkpoints")
    status, _, errors = say("--resume", interrupted)
    assert status == 2
    (line,) = errors.splitlines()
    assert line.startswith(f"--resume {interrupted}: {interrupted}/config.yaml is empty")
    assert f"--init-from {interrupted}" in line


def test_a_folder_that_holds_no_run_is_named_with_the_nearest_that_does(interrupted, say):
    near = interrupted.with_name("plane")
    status, _, errors = say("--resume", near)
    assert (status, errors) == (
        2,
        f'--resume {near}: there is no {near / "config.yaml"}; did you mean "plain"? '
        "the folder of a run is accepted\n",
    )


def test_a_config_beside_it_is_refused(interrupted, say):
    status, _, errors = say("--resume", interrupted, "--config", interrupted / "config.yaml")
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"--config {interrupted / 'config.yaml'}: --resume takes the run's own config")


def pictures(folder, n):
    folder.mkdir()
    for i in range(n):
        Image.new("RGB", (20, 20), (255 * i // n, 90, 0)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture
def run_on_pictures(tmp_path, say, monkeypatch):
    """A finished run of 20 pictures: (its folder, the pictures' folder, its outcome)."""
    monkeypatch.setenv("VAEGAN_CACHE", str(tmp_path / "cache"))
    folder = pictures(tmp_path / "pictures", 20)
    flags = f"{ON_PICTURES} --dataset {folder}"
    status, _, errors = say(*flags.split(), "--runs-dir", tmp_path / "runs", "--run-name", "run")
    assert status == 0, errors
    return tmp_path / "runs" / "run", folder, outcome(tmp_path / "runs" / "run")


def test_other_images_are_refused(run_on_pictures, say):
    run, folder, before = run_on_pictures
    (folder / "00.png").unlink()
    (folder / "01.png").unlink()
    status, _, errors = say("--resume", run, "--epochs", 3)
    assert (status, errors) == (
        2,
        f"--resume {run}: the run had other images or batches (14 training images, where it had 16); "
        "a run can be resumed only with its own\n",
    )
    for name in ("00", "01"):
        Image.new("RGB", (20, 20), (0, 0, 200)).save(folder / f"{name}.png")
    for path in folder.iterdir():
        Image.new("RGB", (20, 20), (0, 0, 200)).save(path)
    status, _, errors = say("--resume", run, "--epochs", 3)
    assert status == 2 and "(training images that differ: 16 of 16)" in errors
    assert differences(run, before) == []


@pytest.mark.slow
def test_one_changed_pixel_of_any_image_is_refused(run_on_pictures, say, tmp_path):
    run, folder, _ = run_on_pictures
    splits = open_source(Request(str(folder), 8)).load()
    for images, said, limit in (
        (splits.train.images, "training images", ""),
        (splits.test.images, "held-out images", "--memory-limit 0"),
    ):
        red = images[-1, 0, 0, 0].item()
        changed = next(path for path in folder.iterdir() if Image.open(path).getpixel((0, 0))[0] == red)
        before = changed.read_bytes()
        picture = Image.open(changed)
        picture.putpixel((10, 10), (1, 2, 3))
        picture.save(changed)
        status, _, errors = say("--resume", run, "--epochs", 3, *limit.split())
        assert (status, errors) == (
            2,
            f"--resume {run}: the run had other images or batches ({said} that differ: 1 of {len(images)}); "
            "a run can be resumed only with its own\n",
        )
        changed.write_bytes(before)
    status, _, errors = say("--resume", run, "--memory-limit", 0)
    assert status == 0, errors


def test_a_run_from_before_there_were_checksums_is_compared_by_what_it_has():
    before = {"training images": 4, "the first held-out images": "a digest"}
    now = before | {"checksums of training images": "AAAA"}
    train_parts.check_data(now, before)
    with pytest.raises(OptionError, match="the first held-out images"):
        train_parts.check_data(now | {"the first held-out images": "another"}, before)


def test_images_that_have_moved_are_the_same_images(run_on_pictures, say):
    run, folder, _ = run_on_pictures
    moved = folder.rename(folder.with_name("moved"))
    status, _, errors = say("--resume", run, "--dataset", moved)
    assert status == 0, errors


@pytest.mark.slow
def test_a_second_process_is_refused_while_the_first_trains(made, tmp_path, say):
    run = made("plain")
    folder = run.stopped(0, 3, tmp_path / "run")
    log = tmp_path / "log"
    prepare = partial(processes.hold_at_step, 5, tmp_path / "go")
    process = processes.start(["--resume", str(folder)], log, prepare)
    processes.wait_for("waiting before the step", log)
    before = (folder / "config.yaml").stat().st_mtime_ns
    status, _, errors = say("--resume", folder)
    assert (status, errors) == (2, f"--resume {folder}: another process is training this run\n")
    assert (folder / "config.yaml").stat().st_mtime_ns == before
    (tmp_path / "go").touch()
    assert ended(process) == 0, log.read_text()
    assert differences(folder, run.outcome) == []


def test_a_second_process_that_began_before_the_first_ended_loses_nothing(made, tmp_path, say, monkeypatch):
    run = made("plain")
    folder = run.stopped(1, 0, tmp_path / "run")
    check = train_parts.check_data

    def interrupt():
        raise KeyboardInterrupt

    def meanwhile(*arguments):
        monkeypatch.setattr(train_parts, "check_data", check)
        assert train_vaegan.main(["--resume", str(folder)]) == 0
        check(*arguments)
        monkeypatch.setattr(Step, "__call__", at_step(10, interrupt))

    monkeypatch.setattr(train_parts, "check_data", meanwhile)
    say("--resume", folder)
    monkeypatch.undo()
    assert_ends_as(run, folder, say)


# damage


def damaged_file_of(output):
    return re.search(r"note: (\S+): .*; it is put aside", output)[1]


@pytest.mark.parametrize("length", [0, 7, 8, 100, 2000, -1])
def test_a_newest_checkpoint_cut_short_falls_back_to_the_one_before(length, made, interrupted, say):
    path = newest(interrupted)
    content = path.read_bytes()
    path.write_bytes(content[:length])
    status, output, errors = say("--resume", interrupted)
    assert status == 0, errors
    assert damaged_file_of(output) == str(path)
    assert "going on from step-00000006.safetensors: epoch 2, step 7" in output
    aside = path.with_suffix(".damaged")
    assert aside.read_bytes() == content[:length]
    aside.unlink()
    assert differences(interrupted, made("plain").outcome) == []


def test_a_flipped_bit_falls_back_to_the_one_before(made, interrupted, say):
    path = newest(interrupted)
    content = bytearray(path.read_bytes())
    content[-1000] ^= 16
    path.write_bytes(content)
    status, output, errors = say("--resume", interrupted)
    assert status == 0, errors
    assert f"note: {path}: its content has changed since it was written; it is put aside" in output
    path.with_suffix(".damaged").unlink()
    assert differences(interrupted, made("plain").outcome) == []


def test_with_both_of_the_last_damaged_it_falls_back_to_a_kept_epoch(made, tmp_path, say):
    run = made("hybrid")
    folder = run.stopped(2, 3, tmp_path / "run")
    for path in (folder / "checkpoints").glob("step-*"):
        path.write_bytes(b"")
    status, output, errors = say("--resume", folder)
    assert status == 0, errors
    assert "going on from epoch-0002.safetensors: epoch 3, step 13" in output
    for path in (folder / "checkpoints").glob("*.damaged"):
        path.unlink()
    assert differences(folder, run.outcome) == []


def test_a_fallback_to_before_the_first_epochs_end_forgets_the_rows_after_it(made, tmp_path, say):
    run = made("plain")
    folder = run.stopped(1, 0, tmp_path / "run")
    shutil.copy(run.folder / "metrics.jsonl", folder)  # killed between the second row and its checkpoint
    newest(folder).write_bytes(b"")
    shutil.copy(
        next((run.stopped(0, 3, tmp_path / "early") / "checkpoints").iterdir()), folder / "checkpoints"
    )
    status, _, errors = say("--resume", folder)
    assert status == 0, errors
    for path in (folder / "checkpoints").glob("*.damaged"):
        path.unlink()
    assert differences(folder, run.outcome) == []


def test_when_all_are_damaged_one_line_says_so_and_nothing_is_changed(interrupted, say):
    for path in (interrupted / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:5000])
    before = {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file()}
    path = newest(interrupted)
    status, _, errors = say("--resume", interrupted)
    assert status == 2
    assert len(errors.splitlines()) == 1
    assert errors.startswith(f"{path}: not a checkpoint, or cut short (")
    assert errors.endswith("); there is no other one that could be read\n")
    assert {path: path.read_bytes() for path in interrupted.rglob("*") if path.is_file()} == before


def test_a_format_from_the_future_is_refused_with_its_number(interrupted, say):
    for path in (interrupted / "checkpoints").iterdir():
        tensors, facts = read(path)
        write(path, tensors, facts | {"format": 7})
    status, _, errors = say("--resume", interrupted)
    assert status == 2
    assert errors == (f"{newest(interrupted)}: of format 7; this version reads format 1\n")


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_a_malicious_file_is_never_executed(made, interrupted, tmp_path, say):
    sprung = tmp_path / "sprung"
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()
    sprung.unlink()
    pickled = newest(interrupted).with_name("step-00000010.safetensors")
    pickled.write_bytes(pickle.dumps(Trap(sprung)))
    torch.save({"mu": Trap(sprung)}, pickled.with_name("step-00000011.safetensors"))
    for name in ("VAE_model.pth", "checkpoints/best.safetensors", "environment.pkl"):
        torch.save({"mu": Trap(sprung)}, interrupted / name)
    status, output, errors = say("--resume", interrupted)
    assert status == 0, errors
    assert "going on from step-00000009.safetensors" in output
    assert not sprung.exists()
    for name in ("step-00000010.damaged", "step-00000011.damaged", "best.safetensors"):
        (interrupted / "checkpoints" / name).unlink()
    (interrupted / "environment.pkl").unlink()
    assert differences(interrupted, made("plain").outcome) == []
    for path in (interrupted / "checkpoints").iterdir():
        path.write_bytes(pickle.dumps(Trap(sprung)))
    assert say("--resume", interrupted)[0] == 2
    assert not sprung.exists()


def test_a_malicious_config_is_never_executed(interrupted, tmp_path, say):
    sprung = tmp_path / "sprung"
    path = interrupted / "config.yaml"
    path.write_text(f"{path.read_text()}seed: !!python/object/apply:os.mkdir ['{sprung}']\n")
    status, _, errors = say("--resume", interrupted)
    assert status == 2 and errors.startswith(f"--resume {interrupted}: not YAML, line ")
    assert not sprung.exists()


# disks and images that fail


def mount(*arguments):
    try:
        subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"mounting is not permitted ({error.stderr.strip()})")


@pytest.fixture
def disk(tmp_path):
    """The place of a file system of its own, which the test mounts; all of them are gone afterwards."""
    place = tmp_path / "disk"
    place.mkdir()
    yield place
    while place.is_mount():
        subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.parametrize(
    "part", ["a checkpoint", "a picture", "metrics.jsonl", "the curves", "the animation", "the weights"]
)
def test_a_full_disk_ends_in_one_line_and_the_run_goes_on_exactly_when_there_is_room(
    part, made, disk, say, monkeypatch
):
    run = made("plain")
    mount("-t", "tmpfs", "-o", "size=4m", "tmpfs", disk)
    folder = run.stopped(1, 3, disk / "run")

    def fill():
        with (disk / "filling").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))

    at = {
        "a checkpoint": (Step, "__call__"),
        "a picture": (vaegan.run.folder, "save_samples"),
        "metrics.jsonl": (vaegan.run.folder, "append_line"),
        "the curves": (Run, "finish"),
        "the animation": (vaegan.run.folder, "save_animation"),
        "the weights": (Run, "_save"),
    }[part]
    do = getattr(*at)

    def full_from_here(*arguments, **named):
        monkeypatch.setattr(*at, do)
        fill()
        if part == "metrics.jsonl":  # up to the page's end there is room in the file
            arguments = (arguments[0], arguments[1] + " " * 9000)
        return do(*arguments, **named)

    monkeypatch.setattr(*at, full_from_here)
    status, output, errors = say("--resume", folder)
    assert status == 1
    assert re.fullmatch(rf"stopped: {re.escape(str(folder))}\S*: No space left on device\n", errors)
    assert f"to go on: python train_vaegan.py --resume {folder}" in output
    read(newest(folder))
    assert unfinished(folder) == []
    monkeypatch.setattr(*at, do)
    (disk / "filling").unlink()
    assert_ends_as(run, folder, say)
    assert say("--resume", folder)[0] == 0


@pytest.mark.slow
def test_a_disk_too_small_for_the_run_ends_it_again_and_again_and_it_still_ends_exactly(made, disk, say):
    run = made("hybrid")
    size = 250
    mount("-t", "tmpfs", "-o", f"size={size}k", "tmpfs", disk)
    status, _, errors = say(*run.flags.split(), "--runs-dir", disk, "--run-name", "run")
    ends = []
    while status == 1:
        ends.append(errors)
        assert re.fullmatch(rf"stopped: {re.escape(str(disk))}/run/\S*: No space left on device\n", errors)
        if newest(disk / "run") is not None:
            read(newest(disk / "run"))
        size += 150
        subprocess.run(["mount", "-o", f"remount,size={size}k", disk], check=True)
        status, _, errors = say("--resume", disk / "run")
    assert status == 0, errors
    assert len(ends) >= 2
    assert differences(disk / "run", run.outcome) == []


def test_a_disk_too_full_to_begin_on_is_said_in_one_line(disk, say):
    mount("-t", "tmpfs", "-o", "size=4k", "tmpfs", disk)
    (disk / "filling").write_bytes(bytes(4096))
    status, _, errors = say(*PLAIN.split(), "--runs-dir", disk / "runs")
    assert status in (1, 2)
    assert len(errors.splitlines()) == 1 and "No space left on device" in errors


def test_a_folder_that_becomes_read_only_ends_in_one_line(made, disk, say, monkeypatch):
    run = made("plain")
    mount("-t", "tmpfs", "tmpfs", disk)
    folder = run.stopped(0, 3, disk / "run")

    def lock(number):
        if number == 7:
            mount("--bind", disk, disk)
            mount("-o", "remount,bind,ro", disk)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", processes.preceded(Step.__call__, lock))
        status, output, errors = say("--resume", folder)
    assert status == 1
    assert re.fullmatch(rf"stopped: {re.escape(str(folder))}/\S*: Read-only file system\n", errors)
    assert f"to go on: python train_vaegan.py --resume {folder}" in output
    assert newest(folder).name == "step-00000006.safetensors"
    status, _, errors = say("--resume", folder)
    assert (status, errors) == (
        2,
        f"--resume {folder}: cannot write into the folder {folder} (Read-only file system)\n",
    )
    subprocess.run(["umount", disk], check=True)
    assert_ends_as(run, folder, say)


def at_step(number, do):
    """`Step.__call__` with something done before that step, from 0."""
    return processes.preceded(Step.__call__, lambda now: do() if now == number else None)


def test_an_original_that_vanishes_during_training_is_no_matter(tmp_path, say, monkeypatch):
    folder = pictures(tmp_path / "pictures", 20)
    flags = f"{ON_PICTURES} --dataset {folder}"
    flags = [*flags.split(), "--runs-dir", tmp_path]
    assert say(*flags, "--run-name", "whole")[0] == 0
    monkeypatch.setattr(Step, "__call__", at_step(5, (folder / "03.png").unlink))
    status, _, errors = say(*flags, "--run-name", "run")
    assert status == 0, errors
    assert differences(tmp_path / "run", outcome(tmp_path / "whole")) == []


@pytest.mark.slow
def test_a_cache_cut_short_during_training_ends_in_one_line(tmp_path):
    """In a process of its own: reading what is gone from a mapped file would end it."""
    folder = pictures(tmp_path / "pictures", 40)
    flags = f"{ON_PICTURES} --dataset {folder}"
    flags += f" --memory-limit 0 --cache-dir {tmp_path / 'cache'}"
    whole, run, log = tmp_path / "runs" / "whole", tmp_path / "runs" / "run", tmp_path / "log"
    assert ended(go_on(whole, flags, log)) == 0, log.read_text()
    prepare = partial(cut_short_at, 12, tmp_path / "cache")
    assert ended(go_on(run, flags, log, prepare)) == 1, log.read_text()
    [said] = [line for line in log.read_text().splitlines() if line.startswith("stopped: ")]
    assert re.fullmatch(r"stopped: \S+\.uint8: the file was cut short while it was read", said)
    assert f"to go on: python train_vaegan.py --resume {run}" in log.read_text()
    assert newest(run).name == "step-00000011.safetensors"
    assert ended(go_on(run, flags, log)) == 0, log.read_text()
    assert differences(run, outcome(whole)) == []


def cut_short_at(number, cache):
    """In a run's process: before that step, from 0, the cache's images are gone."""

    def cut():
        for path in cache.rglob("*.uint8"):
            path.write_bytes(b"")

    Step.__call__ = at_step(number, cut)


def test_a_loss_that_is_no_number_ends_in_one_line_and_the_last_checkpoint_is_from_before(
    made, tmp_path, say, monkeypatch
):
    run = made("plain")
    folder = run.stopped(0, 3, tmp_path / "run")
    play = Step.__call__

    def broken(self, images, batch_size, phase, step, *more):
        if step == 7:
            with torch.no_grad():
                next(self.players.parameters()).fill_(torch.nan)
        play(self, images, batch_size, phase, step, *more)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "__call__", broken)
        status, output, errors = say("--resume", folder)
    assert status == 1
    assert errors.startswith("stopped: train/gen/") and "in epoch 2, step 8" in errors
    assert len(errors.splitlines()) == 1
    assert f"the last checkpoint, from before that, is {newest(folder)}" in output
    assert newest(folder).name == "step-00000006.safetensors"
    assert_ends_as(run, folder, say)


# many kills


@pytest.mark.long
def test_200_kills(tmp_path):
    rng = random.Random(0)
    log = tmp_path / "log"
    runs = {}
    for system, flags in SYSTEMS.items():
        flags = f"{flags} --epochs 6"
        whole = tmp_path / "runs" / system
        whole.parent.mkdir(exist_ok=True)
        started = time.monotonic()
        assert ended(go_on(whole, flags, log)) == 0, log.read_text()
        runs[system] = (flags, outcome(whole), time.monotonic() - started)
    fell = Counter()
    for i in range(20):
        system = rng.choice(list(SYSTEMS))
        flags, expected, longest = runs[system]
        folder = tmp_path / "runs" / f"{system}-{i}"
        fell.update(processes.kill_at_random(folder, flags, 10, longest, rng, log))
        assert differences(folder, expected) == []
        shutil.rmtree(folder)
    print(f"{fell.total()} kills: {', '.join(f'{n} while {what}' for what, n in fell.most_common())}")
    assert fell.total() == 200


@pytest.mark.long
def test_a_kill_at_every_operation_on_files_of_a_run(tmp_path):
    flags, log = f"{HYBRID} --epochs 2", tmp_path / "log"
    whole = tmp_path / "runs" / "whole"
    whole.parent.mkdir()
    assert ended(go_on(whole, flags, log)) == 0, log.read_text()
    expected = outcome(whole)
    fell = Counter()
    number, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        number += 1
        folder = whole.with_name(str(number))
        status = ended(go_on(folder, flags, log, partial(processes.die_at_operation, number)))
        if status == -signal.SIGKILL:
            fell[processes.where(folder, log)] += 1
            status = status if ended(go_on(folder, flags, log)) == 0 else 1
        assert status in (0, -signal.SIGKILL), log.read_text()
        assert differences(folder, expected) == [], f"killed at operation {number}"
        shutil.rmtree(folder)
    print(f"{fell.total()} kills: {', '.join(f'{n} while {what}' for what, n in fell.most_common())}")
    assert fell.total() > 60
