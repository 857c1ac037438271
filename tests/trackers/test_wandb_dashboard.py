"""The dashboard: its keys are those of a run, it becomes a workspace, and its mistakes are one line."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from fake_wandb import KEY, FakeWandb

from vaegan.__main__ import main
from vaegan.errors import UserError
from vaegan.trackers import wandb_dashboard
from vaegan.trackers.wandb_dashboard import Pictures, sections

HANG_S = 60
ROOT = Path(__file__).parents[1]


class Command:
    """`python -m vaegan dashboard --entity someone` with nothing of the user's environment."""

    def __init__(self, place: Path, **environ: str):
        environment = {"HOME": str(place), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vaegan", "dashboard", "--entity", "someone"],
            env=environment | environ,
            cwd=place,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ended(self) -> tuple[int, str, str]:
        """(exit status, output, errors)."""
        try:
            output, errors = self._process.communicate(timeout=HANG_S)
        finally:
            self._process.kill()
        return self._process.returncode, output, errors


class Commands:
    """The command in four situations, all at once, since each waits most of its time."""

    def __init__(self, place: Path):
        pytest.importorskip("wandb_workspaces")
        self.server, self.refusing = FakeWandb(), FakeWandb()
        self.refusing.status = 401
        with socket.socket() as opened:
            opened.bind(("127.0.0.1", 0))
            dead = f"http://127.0.0.1:{opened.getsockname()[1]}"
        key = {"WANDB_API_KEY": KEY}
        self.saved = Command(place, **key, WANDB_BASE_URL=self.server.url)
        self.without_key = Command(place)
        self.refused = Command(place, **key, WANDB_BASE_URL=self.refusing.url)
        self.unanswered = Command(place, **key, WANDB_BASE_URL=dead, WANDB_HTTP_TIMEOUT="1")


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    commands = Commands(tmp_path_factory.mktemp("home"))
    yield commands
    commands.server.close()
    commands.refusing.close()


def test_dashboard_shows_what_it_promises():
    keys = set(wandb_dashboard.keys())
    assert len(wandb_dashboard.keys()) == len(keys)
    for split in ("train", "test"):
        for key in ("gen/pbp", "gen/kl", "gen/adv", "disc/total", "disc/acc_real", "disc/acc_fake"):
            assert f"{split}/{key}" in keys
    assert {"weight/gen/pbp", "weight/gen/adv", "time/images_per_s", "memory/peak_mib"} <= keys
    pictures = [key for s in sections() for p in s.panels if isinstance(p, Pictures) for key in p.keys]
    assert "figures/reconstructions" in pictures


def test_dry_run_prints_every_panel_and_needs_nothing(monkeypatch, capsys):
    for name in ("wandb", "wandb_workspaces"):
        monkeypatch.setitem(sys.modules, name, None)  # as if not installed
    assert main(["dashboard", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    for section in sections():
        assert section.title in printed
        for panel in section.panels:
            assert f"{panel.title}" in printed and ", ".join(panel.keys) in printed


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(UserError, match=r"pip install 'vaegan\[dashboards\]'"):
        wandb_dashboard.workspace("someone", "faces")


def test_entity_is_needed(capsys):
    assert main(["dashboard"]) == 2
    assert capsys.readouterr().err.startswith("--entity: is missing")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pydantic's, about wandb-workspaces
def test_workspace_holds_every_panel():
    pytest.importorskip("wandb_workspaces")
    view = wandb_dashboard.workspace("someone", "faces")._to_model()
    spec = json.loads(view.spec.model_dump_json(by_alias=True, exclude_none=True))
    assert (view.entity, view.project) == ("someone", "faces")
    built_sections = spec["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in built_sections] == [section.title for section in sections()]
    for built, section in zip(built_sections, sections(), strict=True):
        for one, panel in zip(built["panels"], section.panels, strict=True):
            shown = one["config"]
            assert shown["chartTitle"] == panel.title
            if isinstance(panel, Pictures):
                assert shown["mediaKeys"] == list(panel.keys)
            else:
                assert (shown["xAxis"], shown["metrics"]) == ("epoch", list(panel.keys))


@pytest.mark.slow
def test_dashboard_is_saved(commands):
    status, output, errors = commands.saved.ended()
    assert (status, errors) == (0, "")
    (sent,) = commands.server.queries("UpsertView2")
    assert (sent["entityName"], sent["projectName"], sent["displayName"]) == ("someone", "vaegan", "vaegan")
    assert "figures/reconstructions" in sent["spec"]
    assert output.startswith(f"dashboard: {commands.server.url}/someone/vaegan?nw=")


@pytest.mark.slow
def test_no_key_is_one_line_and_no_question(commands):
    assert commands.without_key.ended() == (2, "", "there is no key for W&B; `wandb login` stores one\n")


@pytest.mark.slow
def test_refused_key_is_one_line(commands):
    status, output, errors = commands.refused.ended()
    assert (status, output) == (2, "")
    assert errors.startswith("W&B did not take the dashboard for someone/vaegan: ")
    assert errors.count("\n") == 1


@pytest.mark.slow
def test_no_network_is_one_line(commands):
    said = "W&B did not take the dashboard for someone/vaegan: no answer within 1 s\n"
    assert commands.unanswered.ended() == (2, "", said)
