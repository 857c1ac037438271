"""All trackers under one protocol: what each is given, and what becomes of one that fails."""

import json
import subprocess
import sys
from typing import ClassVar

import pytest
import yaml
from PIL import Image

from vaegan.ablation.folder import Folder
from vaegan.errors import OptionError
from vaegan.run.tracker_notes import tracker_notes
from vaegan.trackers import TRACKERS
from vaegan.trackers.open import check_trackers, open_trackers
from vaegan.trackers.tracker import Tracker

RECORDS = [{"epoch": epoch, "phase": "solo", "test/gen/pbp": 9.5 - epoch} for epoch in range(2)]
METHODS = ["__init__", "on_pictures", "on_epoch", "on_evaluation", "on_table", "finish"]


@pytest.fixture
def registered(monkeypatch):
    """Registers trackers for one test."""
    monkeypatch.setattr(TRACKERS, "_entries", TRACKERS._entries.copy())
    return TRACKERS.register


@pytest.fixture
def recorder(registered):
    """A tracker from outside that writes down its calls, as "mine"; its class."""

    @registered("mine")
    class Recorder(Tracker):
        calls: ClassVar[list] = []

        def __init__(self, tracked):
            self.line = f"mine: {tracked.folder.name}"
            self.kept = {"part": tracked.kept["part"] + 1 if tracked.kept else 1}
            self.calls.append(("__init__", tracked.epochs, tracked.ablation))

        def on_pictures(self, epoch, pictures):
            self.calls.append(("on_pictures", epoch, sorted(pictures)))

        def on_epoch(self, record):
            self.calls.append(("on_epoch", dict(record)))

        def on_evaluation(self, epoch, values, page):
            self.calls.append(("on_evaluation", epoch, dict(values), page.read_text()))

        def on_table(self, columns, rows, page):
            self.calls.append(("on_table", columns, rows, page.read_text()))

        def finish(self, failed):
            self.calls.append(("finish", failed))

    return Recorder


def draw(folder, name, colour="red"):
    (folder / "figures").mkdir(exist_ok=True)
    Image.new("RGB", (20, 10), colour).save(folder / "figures" / f"{name}.png")


def track_run(folder, names, said, **options):
    """All that the trackers of a run get: two epochs, an evaluation, and pictures of each."""
    folder.mkdir(exist_ok=True)
    page = folder / "report.html"
    page.write_text("<p>worth it</p>")
    draw(folder, "old")
    with open_trackers(names, folder, {"vae": "conv"}, said.append, epochs=0, **options) as trackers:
        for record, colour in zip(RECORDS, ("red", "blue"), strict=True):
            draw(folder, "samples", colour)
            trackers.on_step(0, None, None, 64)
            trackers.on_epoch(record, None)
        draw(folder, "curves")
        draw(folder, "errors")
        trackers.on_evaluation(1, {"eval/reconstruction/psnr": 20.5}, page)


def track_table(folder, names, said, **options):
    """All that the trackers of an ablation get."""
    folder.mkdir(exist_ok=True)
    page = folder / "report.html"
    page.write_text("<p>the table</p>")
    with open_trackers(
        names, folder, {"vae": "conv"}, said.append, ablation="weights", **options
    ) as trackers:
        draw(folder, "plane")
        trackers.on_table(["arm", "PSNR"], [["one", 20.5], ["two", None]], page)


@pytest.mark.parametrize("name", TRACKERS.names())
def test_each_registered_tracker_takes_a_run_and_says_where_it_is(name, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    said, kept = [], {}
    track_run(tmp_path / "run", [name], said, keep=kept.__setitem__)
    (line,) = said
    assert str(tmp_path / "run") in line  # all of them write there without a server
    assert list(kept) == [name]
    assert json.loads(json.dumps(kept)) == kept
    again = {}
    track_run(tmp_path / "run", [name], said, kept=kept, keep=again.__setitem__)
    assert len(said) == 2 and again == {}  # it goes on in the same place
    track_table(tmp_path / "table", [name], said)
    assert len(said) == 3 and str(tmp_path / "table") in said[2]


def test_a_tracker_from_outside_gets_everything_in_order(recorder, tmp_path):
    said = []
    track_run(tmp_path / "run", ["mine"], said)
    assert recorder.calls == [
        ("__init__", 0, None),
        ("on_pictures", 0, ["figures/samples"]),  # the old one was there before
        ("on_epoch", RECORDS[0]),
        ("on_pictures", 1, ["figures/samples"]),
        ("on_epoch", RECORDS[1]),
        ("on_pictures", 1, ["figures/curves", "figures/errors"]),
        ("on_evaluation", 1, {"eval/reconstruction/psnr": 20.5}, "<p>worth it</p>"),
        ("finish", False),
    ]
    recorder.calls.clear()
    track_table(tmp_path / "table", ["mine"], said)
    assert recorder.calls == [
        ("__init__", None, "weights"),
        ("on_pictures", 0, ["figures/plane"]),
        ("on_table", ["arm", "PSNR"], [["one", 20.5], ["two", None]], "<p>the table</p>"),
        ("finish", False),
    ]
    assert said == ["mine: run", "mine: table"]


@pytest.mark.parametrize("method", METHODS)
def test_one_that_fails_costs_a_line_and_the_others_go_on(method, recorder, registered, tmp_path):
    def fail(self, *_):
        calls.append(method)
        raise RuntimeError("the service\nis gone")

    calls, said = [], []
    registered("failing")(type("Failing", (Tracker,), {method: fail}))
    track, name = (track_table, "table") if method == "on_table" else (track_run, "run")
    track(tmp_path / name, ["failing", "mine"], said)
    what = "nothing is tracked there" if method == "__init__" else "tracking has ended"
    assert sorted(said) == [f"failing: {what} (RuntimeError: the service)", f"mine: {name}"]
    assert calls == [method]  # not called again
    assert recorder.calls[-1] == ("finish", False)
    assert method in [call[0] for call in recorder.calls]


def test_a_run_that_fails_is_finished_as_failed(recorder, tmp_path):
    with pytest.raises(ZeroDivisionError), open_trackers(["mine"], tmp_path, {}, print):
        raise ZeroDivisionError
    assert recorder.calls[-1] == ("finish", True)


@pytest.mark.parametrize("names", [[], ["none"]])
def test_none_tracks_nowhere(names, tmp_path):
    said = []
    check_trackers(names)
    track_run(tmp_path / "run", names, said)
    assert said == []


@pytest.mark.parametrize(
    "names, problem",
    [
        (["wandbb"], 'unknown tracker; did you mean "wandb"\\? Known: .*wandb. none tracks nowhere.'),
        (["none", "wandb"], "none stands alone"),
        (["wandb", "wandb"], "wandb stands twice"),
    ],
)
def test_names_that_cannot_be_taken(names, problem):
    with pytest.raises(OptionError, match=problem):
        check_trackers(names)


def test_a_missing_package_is_said_before_anything_is_written(command, registered, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "no_such_package").mkdir()  # a folder of this name is no package
    monkeypatch.syspath_prepend(tmp_path)
    needs = {"package": "no_such_package", "install": "vaegan[mine]"}
    registered("mine")(type("Mine", (Tracker,), needs))
    status, _, errors = command("--vae dense --tracker wandb,mine")
    assert (status, errors) == (2, '--tracker wandb,mine: needs a package; pip install "vaegan[mine]"\n')
    assert not (tmp_path / "runs").exists()


def test_a_tracker_from_outside_tracks_what_the_program_writes_down(command, recorder, tmp_path):
    """Its calls are metrics.jsonl; a later part of the run gets what it kept, and the epochs so far."""
    flags = "--vae dense --hidden-dim 4 --image-size 16 --train-images 300 --epochs 1 --run-name r"
    status, output, errors = command(f"{flags} --tracker mine")
    assert (status, errors) == (0, "") and "mine: r" in output
    folder = tmp_path / "runs" / "r"
    assert yaml.safe_load((folder / "config.yaml").read_text())["tracker"] == ["mine"]
    (record,) = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    drawn = ["figures/reconstructions", "figures/samples"]
    expected = [("__init__", 0, None), ("on_pictures", 0, drawn), ("on_epoch", record)]
    expected += [("on_pictures", 0, ["figures/curves"]), ("finish", False)]
    assert recorder.calls == expected
    assert json.loads((folder / "environment.json").read_text())["trackers"] == {"mine": {"part": 1}}
    recorder.calls.clear()
    status, _, errors = command(f"--resume {folder} --epochs 2")
    assert (status, errors) == (0, "")
    assert recorder.calls[0] == ("__init__", 1, None)
    assert [call[1]["epoch"] for call in recorder.calls if call[0] == "on_epoch"] == [1]
    assert json.loads((folder / "environment.json").read_text())["trackers"] == {"mine": {"part": 2}}


def test_notes_of_older_runs_and_ablations_are_read(tmp_path):
    assert tracker_notes({"wandb_id": "abc"}) == {"wandb": "abc"}
    assert tracker_notes({"wandb_id": "abc", "trackers": {"wandb": "new"}}) == {"wandb": "new"}
    assert tracker_notes({"command": "x"}) == {}
    (tmp_path / "ablation.json").write_text('{"made_from": "x", "wandb_id": "abc"}')
    Folder(tmp_path).note_tracker("tensorboard", "there")
    assert Folder(tmp_path).tracker_notes() == {"wandb": "abc", "tensorboard": "there"}
    assert Folder(tmp_path).notes["made_from"] == "x"


def test_services_are_not_imported_before_they_are_used():
    script = "import sys, vaegan.trackers.open; print({'wandb', 'tensorboard', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
