"""The run folder's file names are spelled in one place."""

import re
from pathlib import Path

import pytest

import vaegan
from vaegan.run.layout import RunPaths

PACKAGE = Path(vaegan.__file__).parent
SPELLED_IN = {"run/layout.py", "marks.py"}
NAMES = [
    *("config.yaml", "environment.json", "metrics.jsonl", "evaluation.json", "fork.json", "skipped.txt"),
    *(
        "VAE_model.pth",
        "DCGAN_model_G.pth",
        "DCGAN_model_D.pth",
        ".lock",
        "reconstructions.png",
        "samples.gif",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_no_other_file_spells_a_name_of_the_run_folder(name):
    spelled = re.compile(rf"""["'/]{re.escape(name)}["']""")
    places = {
        str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if spelled.search(path.read_text())
    }
    assert len(places & SPELLED_IN) == 1 and places <= SPELLED_IN


def test_all_that_a_run_leaves_has_its_place(command, tmp_path):
    flags = "--vae dense --hidden-dim 8 --latent-dim 2 --image-size 8 --epochs 2 --run-name run"
    assert command(flags)[0] == 0
    paths = RunPaths(tmp_path / "runs" / "run")
    known = {*vars(paths).values(), paths.samples_after(1), paths.samples_after(2)}
    weights = {path for path in paths.folder.iterdir() if path.suffix == ".pth"}
    checkpoints = set(paths.checkpoints.iterdir())
    assert set(paths.folder.rglob("*")) - weights - checkpoints <= known
