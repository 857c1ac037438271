"""The table of an ablation in W&B: in the group of its runs, and again after another start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fake_wandb import transaction_log

pytest.importorskip("wandb")
pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parent.parent.parent
HANG_S = 60
SCRIPT = """
import sys
from pathlib import Path
from vaegan.ablation.folder import Folder
from vaegan.ablation.table import ArmRuns, Column, Entry, Row, Table
from vaegan.commands import ablate
from vaegan.config.make import make_config

def write(folder, *_):
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "report.html").write_text("<p>the page</p>")
    return folder / "report.html"

ablate.write_table = write
column = Column("psnr", "PSNR", "", "dB", "higher")
rows = [Row(ArmRuns("one", {0: None}), [Entry({0: 20.5}, 20.5, None)], 1), Row(ArmRuns("two", {}), [None], 1)]
folder = Folder(Path(sys.argv[1]))
folder.note(made_from="here")
table = Table("disc_weight", [column], rows, "one", [])
ablate.write_and_track(folder, table, "command", make_config({"wandb_project": "mine"}))
"""


def track(folder: Path) -> str:
    environment = {"HOME": str(folder.parent), "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=HANG_S)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def records(file: Path, kind: str) -> list:
    """The records of one kind in a file of W&B's."""
    return [getattr(r, kind) for r in transaction_log(file) if r.WhichOneof("record_type") == kind]


def test_the_table_is_in_the_group_of_the_runs_and_goes_on_under_its_name(tmp_path):
    folder = tmp_path / "disc_weight"
    assert "W&B: offline; " in track(folder)
    (file,) = folder.rglob("*.wandb")
    (run,) = records(file, "run")
    assert (run.run_group, run.project, run.display_name) == ("disc_weight", "mine", "disc_weight")
    items = {item.key or item.nested_key[0] for line in records(file, "history") for item in line.item}
    assert {"table", "report"} <= items
    kept = next(file.parent.rglob("*.table.json"))
    assert json.loads(kept.read_text()) == {
        "columns": ["arm", "seeds", "PSNR mean", "PSNR deviation", "PSNR difference"],
        "data": [["one", "1/1", 20.5, None, None], ["two", "0/1", None, None, None]],
    }
    track(folder)
    assert {records(each, "run")[0].run_id for each in folder.rglob("*.wandb")} == {run.run_id}
    assert len([*folder.rglob("*.wandb")]) == 2
