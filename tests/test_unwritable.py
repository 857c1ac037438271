"""Read-only places and full disks: one line from every command, before anything is computed."""

import errno
import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import DENSE, refused, tiny_run, typed

import vaegan.evals.evaluate
from vaegan.__main__ import main, names
from vaegan.errors import OptionError, UserError
from vaegan.files import check_writable, new_files_in, new_folder
from vaegan.report.page import write_report
from vaegan.run.trained import Trained

SPEC = "options: {vae: dense, dataset: digits, epochs: 1}\ngrid: {beta: [1, 2]}\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run that has been evaluated, and one of images."""
    folder = tmp_path_factory.mktemp("made")
    run = tiny_run(folder, f"{DENSE} --train-images 200")
    with pytest.MonkeyPatch.context() as patch:  # the slowest picture
        patch.setattr("vaegan.evals.pictures.PERPLEXITIES", ())
        assert main(["evaluate", str(run), "--images", "20", "--features", "random"]) == 0
    images = tmp_path_factory.mktemp("images")
    for i in range(3):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16), dtype=np.uint8)
        Image.fromarray(pixels).save(images / f"{i}.png")
    return run, images


@pytest.fixture
def idle(monkeypatch):
    """Fails a test whose command begins to compute."""

    def computes(*_, **more):
        raise AssertionError("it computes before it has looked whether it can write")

    for name in (
        *("commands.check_data.survey", "commands.inputs.run_data.open_source"),
        *("commands.interpolate._ends", "commands.reconstruct._write", "commands.export.export"),
        *("commands.ablate.resolved_arms", "commands.draw_cartoon.drawn", "commands.report.compare"),
    ):
        monkeypatch.setattr(f"vaegan.{name}", computes)
    for name in ("encode", "decode"):
        monkeypatch.setattr(Trained, name, computes)


def commands(made, tmp_path, place: Path) -> dict[str, list]:
    """Every command that writes, into that place."""
    run, images = made
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC)
    return {
        "ablate": [spec, "--out", place, "--runs-dir", tmp_path / "runs"],
        "ablate runs": [spec, "--out", tmp_path / "table", "--runs-dir", place],
        "ablate table": ["--table", run, "--out", place],
        "check-data": [images, "--sheet", place],
        "draw-cartoon": [place, "--count", 3],
        "evaluate": [run, "--out", place],
        "export": [run, "--out", place],
        "interpolate": [run, "--out", place.with_suffix(".png")],
        "reconstruct": [run, images, "--out", place],
        "report": [run, run.parent / "." / run.name, "--out", place],
        "report one": [run, "--out", place],
        "sample": [run, "--out", place],
    }


def test_every_command_that_writes_is_looked_at(made, tmp_path):
    looked_at = {name.split()[0] for name in commands(made, tmp_path, tmp_path)}
    # the first is kept by a server, the second writes nothing, the third has tests of its own in tests/run
    assert looked_at == set(names()) - {"dashboard", "configs", "train"}


@pytest.mark.parametrize("kind", ["below a file", "full", "read-only"])
def test_a_place_that_cannot_be_written_is_refused_at_once(made, tmp_path, capfd, idle, monkeypatch, kind):
    place = tmp_path / "place"
    reason = {"below a file": "Not a directory", "full": "No space left", "read-only": "Read-only file"}[kind]
    if kind == "below a file":
        (tmp_path / "file").write_text("mine")
        place = tmp_path / "file" / "place"
    else:
        number = errno.ENOSPC if kind == "full" else errno.EROFS

        def fail(*_, **more):
            raise OSError(number, os.strerror(number), str(place))

        monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    typed_ones = commands(made, tmp_path, place)
    before = sorted(tmp_path.rglob("*"))
    for name, arguments in typed_ones.items():
        line = refused(capfd, name.split()[0], *arguments)
        assert "cannot " in line or "no folder" in line, line
        assert reason in line or "no folder" in line, line
        assert line.startswith(("--out ", "--sheet ", "--runs-dir ", str(place))), line
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
def test_a_run_that_may_only_be_read_says_so_and_is_evaluated_elsewhere(made, tmp_path, capfd, monkeypatch):
    run = made[0]
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    ours = check_writable

    def only_elsewhere(folder):
        if folder.resolve().is_relative_to(run.parent):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        ours(folder)

    for module in ("cli.run_arguments", "files"):
        monkeypatch.setattr(f"vaegan.{module}.check_writable", only_elsewhere)
    expected = f"{run}: cannot be written (Read-only file system); name another folder with --out"
    for command in ("evaluate", "report"):
        assert refused(capfd, command, run) == expected
    assert "--out" in refused(capfd, "export", run)
    monkeypatch.setattr("vaegan.evals.pictures.PERPLEXITIES", ())
    few = ("--images", 20, "--features", "random")
    out = tmp_path / "elsewhere"
    assert refused(capfd, "evaluate", run, "--out", out, "--wandb", "offline").startswith("--wandb offline: ")
    status, output, errors = typed(capfd, "evaluate", run, "--out", out, *few)
    assert (status, errors) == (0, "") and output.endswith(f"report: {out / 'report.html'}\n")
    there = {"config.yaml", "environment.json", "metrics.jsonl", "evaluation.json", "report.html", "figures"}
    assert {path.name for path in out.iterdir()} == there
    page = (out / "report.html").read_text()
    assert "Losses over the epochs" in page and "no longer in the run" not in page
    (out / "report.html").unlink()
    assert typed(capfd, "report", out)[0] == 0 and (out / "report.html").read_text() == page
    status, output, _ = typed(capfd, "report", run, "--out", tmp_path / "page")
    assert (status, output) == (0, f"report: {tmp_path / 'page' / 'report.html'}\n")
    assert (tmp_path / "page" / "report.html").read_text() == (run / "report.html").read_text()
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_disk_that_fills_up_on_the_way_leaves_what_was_there(made, tmp_path, capfd, monkeypatch, elsewhere):
    run = made[0]

    def full(*_, **more):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a picture")

    monkeypatch.setattr(vaegan.evals.evaluate, "evaluated", lambda *_: {})
    monkeypatch.setattr("vaegan.evals.pictures.save_errors", full)
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path != run}
    given = ("--out", tmp_path / "out") if elsewhere else ()
    assert "No space left on device" in refused(capfd, "evaluate", run, *given)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path != run} == before
    assert list(tmp_path.iterdir()) == []


def test_files_added_to_a_folder_come_last_when_they_speak_of_others(tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "old.png").write_text("old")
    with new_files_in(tmp_path) as unfinished:
        (unfinished / "figures").mkdir()
        for name in ("evaluation.json", "figures/old.png"):
            (unfinished / name).write_text("new")
        assert (tmp_path / "figures" / "old.png").read_text() == "old"
    assert {path.name for path in tmp_path.rglob("*")} == {"figures", "old.png", "evaluation.json"}
    assert (tmp_path / "figures" / "old.png").read_text() == "new"


def test_an_error_about_another_file_is_not_said_of_the_new_folder(tmp_path):
    with pytest.raises(PermissionError, match="metrics"), new_folder(tmp_path / "out"):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "run" / "metrics.jsonl"))
    with pytest.raises(OptionError, match="cannot be written"), new_folder(tmp_path / "out") as unfinished:
        raise PermissionError(errno.EACCES, "Permission denied", str(unfinished / "x"))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_and_a_lack_of_memory_are_one_line(made, tmp_path, capfd, monkeypatch):
    def fail(error):
        def of(*_, **more):
            raise error

        return of

    path = made[0] / "config.yaml"
    denied = PermissionError(errno.EACCES, "Permission denied", str(path))
    for error, line in ((denied, f"{path}: Permission denied"), (MemoryError(), "out of memory")):
        monkeypatch.setattr("vaegan.commands.report.write_report", fail(error))
        assert refused(capfd, "report", made[0]) == line
    monkeypatch.setattr("vaegan.commands.report.write_report", fail(RuntimeError("a fault of ours")))
    with pytest.raises(RuntimeError):
        main(["report", str(made[0])])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_output_onto_a_full_disk_is_a_line(made, monkeypatch, capsys):
    monkeypatch.setattr("vaegan.commands.report.write_report", lambda folder: folder)
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr("sys.stdout", full)
        assert main(["report", str(made[0])]) == 2
        monkeypatch.undo()
    assert capsys.readouterr().err == "No space left on device\n"


def test_a_page_that_there_is_no_evaluation_for(made, tmp_path):
    with pytest.raises(UserError, match="no evaluation"):
        (tmp_path / "run").mkdir()
        for name in ("config.yaml", "environment.json"):
            (tmp_path / "run" / name).write_bytes((made[0] / name).read_bytes())
        write_report(tmp_path / "run", tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_training_looks_before_it_reads_images(command, monkeypatch, tmp_path, number):
    def fail(*_, **more):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    monkeypatch.setattr(
        "vaegan.commands.inputs.train_parts.load", lambda *_: pytest.fail("it reads images first")
    )
    status, output, errors = command("--vae dense --dataset digits")
    assert (status, output) == (2, "")
    folder = tmp_path / "runs" / "digits_dense-1"
    assert f"cannot make the folder {folder} ({os.strerror(number)})" in errors and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_cannot_be_begun_leaves_no_folder(command, monkeypatch, tmp_path):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "config.yaml")

    monkeypatch.setattr("vaegan.run.folder.write_text", full)
    status, _, errors = command("--vae dense --dataset digits --hidden-dim 4")
    assert status == 2 and "No space left on device" in errors and errors.count("\n") == 1
    assert list((tmp_path / "runs").iterdir()) == []
