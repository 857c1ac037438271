"""The W&B tracker, in processes of its own against a stand-in for the server, a dead port and no network."""

import contextlib
import hashlib
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fake_wandb import KEY, FakeWandb, transaction_log
from PIL import Image
from tiny_runs import plain

from vaegan.evals.evaluate import flat_values
from vaegan.trackers.tracker import Tracked as Subject
from vaegan.trackers.wandb_tracker import WandbTracker, wandb_mode

pytest.importorskip("wandb")

HANG_S = 60  # no test measures time; this only ends what would hang
ROOT = Path(__file__).parents[2]

RECORDS = [
    {
        "epoch": 0,
        "phase": "solo",
        "train/gen/pbp": 90.5,
        "test/gen/pbp": 95.25,
        "train/gen/grad_norm": 3.0,
        "test/gen/total": 120.0,
        "weight/gen/pbp": 1.0,
        "weight/gen/adv": 0.0,
        "time/epoch_s": 1.5,
        "time/images_per_s": 1000.0,
        "memory/peak_mib": None,
    },
    {
        "epoch": 1,
        "phase": "combo",
        "train/gen/pbp": 80.5,
        "test/gen/pbp": 96.5,
        "train/gen/adv": 0.5,
        "train/gen/grad_norm": 2.0,
        "train/disc/acc_real": 0.75,
        "test/gen/total": 125.0,
        "weight/gen/pbp": 1.0,
        "weight/gen/adv": 10.0,
        "time/epoch_s": 2.5,
        "time/images_per_s": 600.0,
        "memory/peak_mib": 12.0,
    },
]
OPTIONS = {
    "wandb_project": "faces",
    "wandb_group": "weights",
    "wandb_tags": ["mnist", "w10"],
    "wandb_notes": "a first try",
}
CONFIG = {"vae": "conv", "lr": 1e-3, "disc": None, "epochs": 2}

# A training run in short: draws pictures, then notifies the tracker. It waits before the second epoch when
# there is a file "wait", so that something can happen to the server in between.
SCRIPT = """
import json, sys, time
from pathlib import Path
folder, asked = Path(sys.argv[1]), sys.argv[2]
kept, waits = map(json.loads, sys.argv[3:5])
import vaegan.losses  # as in training: terms bring their entries in the vocabulary
from vaegan.trackers import wandb_tracker
from vaegan.trackers.open import open_trackers
wandb_tracker.INIT_S, wandb_tracker.FINISH_S = waits
(folder / "figures").mkdir(parents=True, exist_ok=True)
(folder / "figures" / "old.png").write_bytes(b"of an earlier part of the run")
records, config = json.load(open(sys.argv[5]))
def say(kind, value):
    print(json.dumps([kind, value]), flush=True)
def draw(name, source):
    (folder / "figures" / f"{name}.png").write_bytes((folder.parent / f"{source}.png").read_bytes())
def heard(text):
    say("line" if text.startswith(("W&B: offline; ", "W&B: http")) else "warning", text)
keep = lambda name, kept: say("id", kept)
tracker = open_trackers(["wandb"], folder, config | {"wandb": asked}, heard, kept=kept, keep=keep)
say("imported", "wandb" in sys.modules)
for record in records:
    draw("samples", record["epoch"] % 2)
    if record["epoch"] == 0:
        draw("reconstructions", 0)
    tracker.on_epoch(record, None)
    say("epoch", record["epoch"])
    while record["epoch"] == 0 and (folder.parent / "wait").exists():
        time.sleep(0.02)
draw("curves", 1)
tracker.finish(failed=sys.argv[6] == "True")
say("finished", True)
"""


class Tracked:
    """A run in a process of its own, with nothing of the user's environment."""

    def __init__(
        self,
        place: Path,
        asked: str = "auto",
        *,
        wait=False,
        waits=(8.0, 8.0),
        failed=False,
        options=None,
        kept=None,
        records=RECORDS,
        **environ,
    ):
        self.folder = place / "a run"
        for epoch, colour in enumerate(("red", "blue")):
            Image.new("RGB", (20, 10), colour).save(place / f"{epoch}.png")
        (place / "home").mkdir()
        (place / "records.json").write_text(json.dumps([records, CONFIG | (options or {})]))
        if wait:
            (place / "wait").touch()
        environment = {"HOME": str(place / "home"), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", SCRIPT, str(self.folder), asked, json.dumps(kept or {})]
        command += [json.dumps(waits), str(place / "records.json"), str(failed)]
        # a terminal, so that W&B could ask for a key
        self._terminal, terminal = pty.openpty()
        self._process = subprocess.Popen(
            command,
            env=environment | environ,
            cwd=ROOT,  # in git, whose state is nobody's business
            stdin=terminal,
            stdout=subprocess.PIPE,
            stderr=terminal,
            text=True,
        )
        os.close(terminal)
        self._said: list[tuple[str, object]] = []

    def until(self, kind: str, value: object = None) -> None:
        """Wait for something that the run says."""
        for line in self._process.stdout:
            self._said.append(tuple(json.loads(line)))
            if self._said[-1] == (kind, value):
                return
        raise AssertionError(f"the run has ended: {self._said}, {self._errors()}")

    def ended(self) -> "Tracked":
        """Let the run go on to its end."""
        (self.folder.parent / "wait").unlink(missing_ok=True)
        try:
            output, _ = self._process.communicate(timeout=HANG_S)
        finally:
            self._process.kill()
        self._said += [tuple(json.loads(line)) for line in output.splitlines()]
        self.errors = self._errors()
        self.status = self._process.returncode
        os.close(self._terminal)
        return self

    def _errors(self) -> str:
        """The text printed on the terminal."""
        os.set_blocking(self._terminal, False)
        text = b""
        with contextlib.suppress(OSError):
            while part := os.read(self._terminal, 4096):
                text += part
        return text.decode()

    def said(self, kind: str) -> list:
        return [value for said, value in self._said if said == kind]

    @property
    def warnings(self) -> list[str]:
        return self.said("warning")

    @property
    def pid(self) -> int:
        return self._process.pid

    def check_whole(self) -> None:
        """It has gone through to its end, and nobody but us has written to the terminal."""
        assert self.said("epoch") == [0, 1]
        assert self.said("finished") == [True]
        assert self.status == 0
        assert self.errors == ""

    def file(self) -> Path:
        """The one file that W&B has written the run into."""
        (file,) = (self.folder / "wandb").glob("*run-*/*.wandb")
        return file

    def records(self, kind: str) -> list:
        """The records of one kind in that file."""
        records = [
            getattr(r, kind) for r in transaction_log(self.file()) if r.WhichOneof("record_type") == kind
        ]
        return records

    def history(self) -> list[dict]:
        """The run's history, without what W&B adds to each line."""
        rows = []
        for line in self.records("history"):
            row: dict = {}
            for item in line.item:
                path = list(item.nested_key) or [item.key]
                inner = row
                for key in path[:-1]:
                    inner = inner.setdefault(key, {})
                inner[path[-1]] = json.loads(item.value_json)
            rows.append({key: value for key, value in row.items() if not key.startswith("_")})
        return rows


def without_nones(record: dict) -> dict:
    return {key: value for key, value in record.items() if value is not None}


def closed_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """A run without a key, tracked offline, that has ended."""
    return Tracked(tmp_path_factory.mktemp("offline"), options=OPTIONS).ended()


@pytest.fixture(scope="module")
def cut_off(tmp_path_factory):
    """Runs without a server, or whose server goes away behind the first epoch; at once, since they wait."""

    def start(name: str, url: str, **options) -> Tracked:
        place = tmp_path_factory.mktemp(name.replace(" ", "_"))
        return Tracked(place, WANDB_API_KEY=KEY, WANDB_BASE_URL=url, **options)

    silent, going, falling = FakeWandb(), FakeWandb(), FakeWandb()
    silent.silent = True
    runs = {
        "dead": start("dead", f"http://127.0.0.1:{closed_port()}", waits=(0.5, 8.0)),
        "silent": start("silent", silent.url, waits=(0.5, 8.0)),
        "gone": start("gone", going.url, wait=True, waits=(8.0, 0.5)),
        "fallen silent": start("fallen", falling.url, wait=True, waits=(8.0, 0.5)),
    }
    runs["gone"].until("epoch", 0)
    going.close()
    runs["fallen silent"].until("epoch", 0)
    falling.silent = True
    yield {name: run.ended() for name, run in runs.items()}
    silent.close()
    falling.close()


@pytest.fixture
def server():
    fake = FakeWandb()
    yield fake
    with contextlib.suppress(OSError):
        fake.close()


def online(server: FakeWandb) -> dict[str, str]:
    return {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": server.url}


# -- modes


@pytest.mark.parametrize("asked", ["auto", "online", "offline", "disabled"])
@pytest.mark.parametrize(
    "given, mode",
    [
        (None, None),  # not set: what was asked for
        ("", None),
        ("online", "online"),
        ("offline", "offline"),
        ("disabled", "disabled"),
        ("shared", "shared"),
        ("run", "online"),  # old names
        ("dryrun", "offline"),
    ],
)
def test_wandb_mode_of_the_environment_wins(monkeypatch, asked, given, mode):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    if given is not None:
        monkeypatch.setenv("WANDB_MODE", given)
    assert wandb_mode(asked) == (mode or asked)


def test_unknown_mode_of_the_environment_is_named(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "Online")
    with pytest.raises(ValueError, match=r"WANDB_MODE=Online is none of online, run, offline"):
        wandb_mode("auto")


@pytest.mark.slow
def test_disabled_does_not_import_wandb_and_leaves_nothing(tmp_path):
    run = Tracked(tmp_path, "online", WANDB_MODE="disabled").ended()
    run.check_whole()
    assert run.said("imported") == [False]
    assert run.said("line") == [] and run.said("id") == []
    assert run.warnings == []
    assert not (run.folder / "wandb").exists()


@pytest.mark.slow
def test_online_without_a_key_is_offline_and_asks_nobody(tmp_path):
    run = Tracked(tmp_path, "online", failed=True).ended()
    run.check_whole()
    (warning,) = run.warnings
    assert [exit.exit_code for exit in run.records("exit")] == [1]
    assert "there is no key" in warning and "\n" not in warning
    assert run.file().name == f"run-{run.said('id')[0]}.wandb"


@pytest.mark.slow
def test_malformed_key_and_empty_mode_cost_one_warning(tmp_path):
    run = Tracked(tmp_path, WANDB_API_KEY="short", WANDB_MODE="").ended()
    run.check_whole()
    (warning,) = run.warnings
    assert "WANDB_API_KEY invalid" in warning
    assert len(run.history()) == 3


# -- the offline run's own file


@pytest.mark.slow
def test_offline_run_says_only_how_to_send_it(offline):
    offline.check_whole()
    assert offline.warnings == []
    (line,) = offline.said("line")
    assert line == f"W&B: offline; `wandb sync {shlex.quote(str(offline.file().parent))}` sends it"


@pytest.mark.slow
def test_offline_history_is_the_records(offline):
    rows = offline.history()
    figures = [{key: row.pop(key) for key in list(row) if key.startswith("figures/")} for row in rows]
    assert rows == [*map(without_nones, RECORDS), {"epoch": 1}]  # the last holds the curves
    assert [sorted(row) for row in figures] == [
        ["figures/reconstructions", "figures/samples"],
        ["figures/samples"],  # reconstructions were not drawn anew, old.png never
        ["figures/curves"],
    ]


@pytest.mark.slow
def test_offline_pictures_are_those_that_were_drawn(offline):
    sources = {epoch: (offline.folder.parent / f"{epoch}.png").read_bytes() for epoch in (0, 1)}
    rows = offline.history()
    shown = [(key, row[key]) for row in rows for key in sorted(row) if key.startswith("figures/")]
    drawn = [0, 0, 1, 1]
    for (key, picture), epoch in zip(shown, drawn, strict=True):
        kept = offline.file().parent / "files" / picture["path"]
        assert kept.read_bytes() == sources[epoch], key
        assert picture["sha256"] == hashlib.sha256(sources[epoch]).hexdigest()
        assert (picture["width"], picture["height"], picture["format"]) == (20, 10, "png")
    assert len({picture["path"] for _, picture in shown}) == 4


@pytest.mark.slow
def test_offline_run_has_config_group_tags_notes_and_name(offline):
    (run,) = offline.records("run")
    config = {item.key: json.loads(item.value_json) for item in run.config.update if item.key != "_wandb"}
    assert config == CONFIG | OPTIONS | {"wandb": "auto"}
    assert (run.project, run.run_group, run.display_name) == ("faces", "weights", "a run")
    assert (list(run.tags), run.notes) == (["mnist", "w10"], "a first try")
    assert [run.run_id] == offline.said("id")
    assert (run.host, run.git.commit) == ("", "")  # of the machine nothing


@pytest.mark.slow
def test_offline_metrics_are_defined_against_the_epoch_once(offline):
    metrics = {metric.name: metric for metric in offline.records("metric")}
    keys = {key for row in offline.history() for key in row}
    assert sorted(metrics) == sorted(keys)
    assert len(offline.records("metric")) == len(metrics)
    assert {metric.step_metric for name, metric in metrics.items() if name != "epoch"} == {"epoch"}
    assert metrics["epoch"].step_metric == "" and metrics["epoch"].options.hidden

    def summary(name):
        return {field.name for field, _ in metrics[name].summary.ListFields()}

    assert summary("test/gen/pbp") == summary("train/gen/pbp") == {"min", "last"}
    assert summary("train/gen/grad_norm") == {"max", "last"}
    assert summary("time/images_per_s") == summary("time/epoch_s") == {"mean"}
    assert summary("memory/peak_mib") == {"max"}
    for last in ("train/disc/acc_real", "test/gen/total", "weight/gen/pbp", "train/gen/adv", "phase"):
        assert summary(last) == set(), last


@pytest.mark.slow
def test_offline_summary_has_the_aggregates(offline):
    summary: dict = {}
    for record in offline.records("summary"):
        for item in record.update:
            summary["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
    assert summary["test/gen/pbp"] == {"min": 95.25, "last": 96.5}
    assert summary["train/gen/grad_norm"] == {"max": 3.0, "last": 2.0}
    assert summary["time/images_per_s"] == {"mean": 800.0}
    assert summary["memory/peak_mib"] == {"max": 12.0}
    assert summary["weight/gen/adv"] == 10.0
    assert summary["epoch"] == 1


@pytest.mark.slow
def test_offline_run_writes_no_console_code_or_packages(offline):
    files = offline.file().parent / "files"
    assert sorted(path.name for path in files.iterdir()) == ["media"]
    assert {record.WhichOneof("record_type") for record in transaction_log(offline.file())} <= {
        *("header", "run", "telemetry", "metric", "history", "summary", "files", "exit")
    }


# -- servers


@pytest.mark.slow
def test_online_run_sends_everything(tmp_path, server):
    run = Tracked(
        tmp_path, options={"wandb_tags": ["a"]}, kept={"wandb": "abc12345"}, **online(server)
    ).ended()
    run.check_whole()
    assert run.warnings == []
    assert run.said("id") == []  # it is kept already
    assert run.said("line") == [f"W&B: {server.url}/someone/vaegan/runs/abc12345"]
    first = server.queries("UpsertBucket")[0]
    assert {query["name"] for query in server.queries("UpsertBucket")} == {"abc12345"}
    assert (first["project"], first["displayName"], first["tags"]) == ("vaegan", "a run", ["a"])
    assert not first["host"] and not first["commit"] and not first["repo"]
    assert first["program"] == "-c"  # without its path
    streamed = b"".join(body for path, body in server.requests if path.endswith("file_stream")).decode()
    assert 'test/gen/pbp\\":96.5' in streamed
    uploads = {name for query in server.queries("CreateRunFiles") for name in query["files"]}
    pictures = {name for name in uploads if name.startswith("media/images/figures/")}
    assert len(pictures) == 4
    assert uploads - pictures == {"config.yaml", "wandb-summary.json"}  # no packages, no machine
    assert uploads <= {path.lstrip("/") for path, _ in server.requests}
    assert not any(b"viewer" in body for path, body in server.requests if path == "/graphql")
    assert not any(path.startswith("/sdk/otel") for path, _ in server.requests)  # no reports about itself


@pytest.mark.slow
def test_a_resumed_run_goes_on_where_the_server_has_it_and_no_epoch_is_doubled(tmp_path, server):
    server.last_step = 3  # of the second epoch, after which the run was killed before it was saved
    records = [RECORDS[1], {**RECORDS[1], "epoch": 2}]
    run = Tracked(tmp_path, kept={"wandb": "abc12345"}, records=records, **online(server)).ended()
    assert (run.status, run.errors, run.warnings) == (0, "", [])
    assert {query["name"] for query in server.queries("UpsertBucket")} == {"abc12345"}
    assert [(row["_step"], row["epoch"]) for row in server.history()] == [(6, 2), (7, 2)]


@pytest.mark.slow
def test_wrong_key_costs_one_warning(tmp_path, server):
    server.status = 401
    run = Tracked(tmp_path, **online(server)).ended()
    run.check_whole()
    check_offline_after(run)
    assert "(user is not logged in)" in run.warnings[0]


@pytest.mark.slow
def test_dead_port_costs_one_warning(cut_off):
    cut_off["dead"].check_whole()
    check_offline_after(cut_off["dead"])
    assert "connection refused" in cut_off["dead"].warnings[0]


@pytest.mark.slow
def test_silent_server_costs_one_warning(cut_off):
    cut_off["silent"].check_whole()
    check_offline_after(cut_off["silent"])


def check_offline_after(run: Tracked) -> None:
    """It has warned once and gone on offline with all that there is, the failed attempt swept away."""
    (warning,) = run.warnings
    assert warning.startswith("W&B: the run is tracked offline (") and "\n" not in warning
    assert f"`wandb sync {shlex.quote(str(run.file().parent))}`" in warning
    assert run.file().parent.name.startswith("offline-run-")
    assert run.said("line")[0].startswith("W&B: offline; ")
    assert [row["epoch"] for row in run.history()] == [0, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["gone", "fallen silent"])
def test_server_that_goes_away_costs_one_warning_and_no_data(cut_off, how):
    run = cut_off[how]
    run.check_whole()
    (warning,) = run.warnings
    assert "did not take everything" in warning and "\n" not in warning
    assert f"`wandb sync --include-online {shlex.quote(str(run.file().parent))}`" in warning
    rows = [
        {key: value for key, value in row.items() if not key.startswith("figures/")} for row in run.history()
    ]
    assert rows == [*map(without_nones, RECORDS), {"epoch": 1}]


@pytest.mark.slow
def test_what_a_lost_server_missed_can_be_sent_as_the_warning_says(cut_off, tmp_path):
    server = FakeWandb()
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], **online(server)}
    (command,) = re.findall("`wandb (.*)`", cut_off["gone"].warnings[0])
    command = [sys.executable, "-m", "wandb", *shlex.split(command)]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=HANG_S)
    server.close()
    streamed = b"".join(body for path, body in server.requests if path.endswith("file_stream"))
    assert b'test/gen/pbp\\":96.5' in streamed


@pytest.mark.slow
def test_server_that_comes_to_refuse_costs_one_warning(tmp_path, server):
    run = Tracked(tmp_path, wait=True, **online(server))
    run.until("epoch", 0)
    server.status = 401
    run.ended().check_whole()
    (warning,) = run.warnings
    assert "Fatal error while uploading data" in warning and "\n" not in warning
    assert len(run.history()) == 3


@pytest.mark.slow
def test_death_of_wandbs_own_process_costs_one_warning(tmp_path):
    run = Tracked(tmp_path, "offline", wait=True)
    run.until("epoch", 0)
    for process in children(run.pid):
        os.kill(process, signal.SIGKILL)
    time.sleep(0.2)
    run.ended().check_whole()
    (warning,) = run.warnings
    assert warning.startswith("W&B: tracking has ended (") and "\n" not in warning


def children(pid: int) -> list[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in listed.stdout.split()]


# -- the program


@pytest.mark.slow
def test_a_process_of_wandbs_that_never_ends_holds_up_no_exit(tmp_path):
    script = """
import sys, types
from threading import Event
from vaegan.trackers import wandb_tracker
wandb_tracker.FINISH_S = 0.1
sys.modules["wandb"] = types.SimpleNamespace(teardown=Event().wait)
wandb_tracker.let_go()
print("ended")
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]}
    ended = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=HANG_S
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ended\n", "")


@pytest.mark.slow
def test_the_program_tracks_what_it_writes_down(tmp_path):
    """Every number of metrics.jsonl and every picture of the run's folder, and what the flags say."""
    flags = "--vae dense --hidden-dim 8 --disc dense --image-size 16 --epochs 2 --pbp-weight 0.5 --run-name r"
    flags += " --train-images 300"
    flags += " --wandb-group sweep --wandb-tags a,b --wandb-project faces"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "train_vaegan.py"), *plain(flags.split()), "--runs-dir", "runs"]
    command += ["--wandb-notes", "a first try"]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=2 * HANG_S
    )
    assert (done.returncode, done.stderr) == (0, "")
    run = object.__new__(Tracked)
    run.folder = tmp_path / "runs" / "r"
    assert f"W&B: offline; `wandb sync runs/r/wandb/{run.file().parent.name}` sends it" in done.stdout
    written = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    rows = run.history()
    figures = {key for row in rows for key in row if key.startswith("figures/")}
    assert figures == {f"figures/{path.stem}" for path in (run.folder / "figures").glob("*.png")}
    drawn = {"figures/reconstructions", "figures/samples"}  # in each epoch, and sent with it
    assert [figures & row.keys() for row in rows] == [drawn, drawn, figures - drawn]
    assert {"figures/curves", "figures/errors", "figures/tsne"} <= figures - drawn
    page = rows[-1].pop("report")
    assert page["_type"] == "html-file"
    sent = run.file().parent / "files" / page["path"]
    assert sent.read_text() == (run.folder / "report.html").read_text()
    numbers = [{key: value for key, value in row.items() if key not in figures} for row in rows]
    evaluation = json.loads((run.folder / "evaluation.json").read_text())
    assert numbers == [*map(without_nones, written), {"epoch": 1} | flat_values(evaluation)]
    assert numbers[-1]["eval/reconstruction/psnr"] > 0
    (started,) = run.records("run")
    config = {item.key: json.loads(item.value_json) for item in started.config.update}
    assert (config["pbp_weight"], config["disc"], config["solo_epochs"]) == (0.5, "dense", 1)
    assert (started.project, started.run_group, started.display_name) == ("faces", "sweep", "r")
    assert (list(started.tags), started.notes) == (["a", "b"], "a first try")
    (end,) = run.records("exit")
    assert end.exit_code == 0


@pytest.mark.slow
def test_a_resumed_run_is_the_same_one_offline_too(tmp_path):
    """Its second part has the same name, and numbers its lines behind those of the first."""
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    flags = (
        "--vae dense --hidden-dim 8 --image-size 16 --epochs 2 --run-name r --runs-dir runs --evaluate false"
    )
    for part in (flags, "--resume runs/r --epochs 3"):
        command = [sys.executable, str(ROOT / "train_vaegan.py"), *plain(part.split())]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=2 * HANG_S
        )
        assert (done.returncode, done.stderr) == (0, "")
        time.sleep(1)  # W&B's folders are named by the second
    files = sorted((tmp_path / "runs" / "r" / "wandb").glob("offline-run-*/*.wandb"))
    kept_id = json.loads((tmp_path / "runs" / "r" / "environment.json").read_text())["trackers"]["wandb"]
    assert [file.stem for file in files] == [f"run-{kept_id}"] * 2
    steps = [[r.history.step.num for r in transaction_log(file) if r.HasField("history")] for file in files]
    assert steps == [[0, 3, 4], [6, 7]]
    assert f"`wandb sync --id {kept_id} runs/r/wandb/*run-*` sends it" in done.stdout


@pytest.mark.slow
def test_a_run_that_fails_is_tracked_as_failed(tmp_path):
    flags = "--vae dense --hidden-dim 8 --image-size 16 --epochs 2 --lr 1e30 --run-name r --runs-dir runs"
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "train_vaegan.py"), *plain(flags.split())]
    done = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=2 * HANG_S
    )
    assert done.returncode == 1
    run = object.__new__(Tracked)
    run.folder = tmp_path / "runs" / "r"
    (end,) = run.records("exit")
    assert end.exit_code == 1


class Recorded:
    """Stands in for W&B's run: what is logged and summed up."""

    def __init__(self, starting_step):
        self.starting_step = starting_step
        self.summary, self.rows, self.defined = {}, {}, []

    def define_metric(self, key, **_):
        self.defined.append(key)

    def log(self, values, step, commit):
        self.rows[step] = values


def evaluated(tmp_path, starting_step, page="report.html"):
    """A tracker that has had an evaluation after epoch 1 (from 0), its run, and what it warned of."""
    said = []
    (tmp_path / "figures").mkdir()
    (tmp_path / "report.html").write_text("<p>worth it</p>")
    tracker = WandbTracker(Subject(tmp_path, {"wandb": "disabled"}, said.append))
    tracker._run, tracker._sync = Recorded(starting_step), "`wandb sync x`"
    run = tracker._run
    tracker.on_evaluation(1, {"eval/reconstruction/psnr": 20.5}, tmp_path / page)
    return run, said


def test_an_evaluation_is_the_last_line_of_its_epoch(tmp_path):
    run, said = evaluated(tmp_path, 0)
    assert said == [] and list(run.rows) == [5]
    assert run.rows[5]["eval/reconstruction/psnr"] == 20.5 and run.rows[5]["epoch"] == 1
    assert "worth it" in run.rows[5]["report"].html
    assert {"eval/reconstruction/psnr", "report"} <= set(run.defined)


def test_a_second_evaluation_puts_its_figures_over_those_in_the_table_of_runs(tmp_path):
    run, said = evaluated(tmp_path, 6)
    assert (said, run.rows, run.summary) == ([], {}, {"eval/reconstruction/psnr": 20.5})


def test_an_evaluation_that_cannot_be_sent_costs_one_warning(tmp_path):
    run, (warning,) = evaluated(tmp_path, 0, page="nowhere.html")
    assert run.rows == {} and warning.startswith("W&B: tracking has ended (")
