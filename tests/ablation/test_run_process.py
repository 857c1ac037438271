"""The environment of a run on another machine: keys reach it, and are written to no file."""

import dataclasses
import json
import os
import pickle
import sys

import pytest

from vaegan.ablation import run_process
from vaegan.ablation.pools import RayPool, SlurmPool
from vaegan.ablation.run_process import Work

KEYS = {
    "WANDB_API_KEY": "sentinel-wandb",
    "HF_TOKEN": "sentinel-hf",
    "HUGGING_FACE_HUB_TOKEN": "sentinel-hub",
    "VAEGAN_DATA": "sentinel-place",
}
# Notes its environment and begins no job.
SBATCH = """#!/bin/bash
env >FOLDER/environment
cp "${@: -1}" FOLDER/script
echo "Submitted batch job 7"
"""
PROGRAM = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"


@pytest.fixture(autouse=True)
def keys(monkeypatch):
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """SLURM's programs, of which none does a thing, and a folder for the jobs' files."""
    pytest.importorskip("submitit", reason="needs submitit: the extra `slurm` has it")
    for name, text in (("sbatch", SBATCH), ("srun", "#!/bin/bash\n"), ("sacct", "#!/bin/bash\n")):
        (tmp_path / name).write_text(text.replace("FOLDER", str(tmp_path)))
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("SBATCH_EXPORT", raising=False)
    return tmp_path / "slurm"


def work_of(folder):
    return Work(folder / "run", (str(folder / "seen"),), (), epochs=1, threads=1)


def files_with_a_key(folder):
    return [path.name for path in folder.rglob("*") if path.is_file() and b"sentinel" in path.read_bytes()]


def environment(folder):
    lines = (folder / "environment").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def test_pickled_work_holds_no_key(tmp_path):
    assert b"sentinel" not in pickle.dumps(work_of(tmp_path))


def test_no_file_of_slurm_s_holds_a_key_and_the_job_gets_all(tmp_path, slurm):
    SlurmPool("slurm", slurm).submit(work_of(tmp_path))
    assert list(slurm.glob("*.pkl")) and files_with_a_key(slurm) == []
    assert "sentinel" not in (tmp_path / "script").read_text()
    assert KEYS.items() <= environment(tmp_path).items()  # sbatch takes them from us


@pytest.mark.parametrize(
    ("given", "first"), [("NONE", []), ("NIL", []), ("", []), ("MINE=1,OTHER", ["MINE=1", "OTHER"])]
)
def test_sbatch_is_asked_for_the_keys_where_it_takes_but_some(tmp_path, slurm, monkeypatch, given, first):
    monkeypatch.setenv("SBATCH_EXPORT", given)
    SlurmPool("slurm", slurm).submit(work_of(tmp_path))
    named = environment(tmp_path)["SBATCH_EXPORT"].split(",")
    assert named[: len(first)] == first and KEYS.keys() <= set(named)


def test_sbatch_is_left_alone_where_it_takes_all(tmp_path, slurm, monkeypatch):
    monkeypatch.setenv("SBATCH_EXPORT", "ALL,MINE=1")
    SlurmPool("slurm", slurm).submit(work_of(tmp_path))
    assert environment(tmp_path)["SBATCH_EXPORT"] == "ALL,MINE=1"


def test_a_task_of_ray_s_has_the_keys_with_it_in_memory(tmp_path):
    sent = []

    class Task:
        def remote(self, work):
            sent.append(work)

    pool = RayPool.__new__(RayPool)
    pool._task, pool._handles = Task(), []
    pool.submit(work_of(tmp_path))
    assert KEYS.items() <= sent[0].environment.items()
    assert "sentinel" not in repr(sent[0])


@pytest.mark.parametrize("sent", [False, True], ids=["by its own environment", "with the task"])
def test_a_run_gets_the_keys(tmp_path, monkeypatch, sent):
    (tmp_path / "program.py").write_text(PROGRAM)
    monkeypatch.setattr(run_process, "PROGRAM", (sys.executable, tmp_path / "program.py"))
    monkeypatch.setattr(run_process, "LOOK_S", 0.01)
    made = work_of(tmp_path)
    if sent:
        made = dataclasses.replace(made, environment=run_process.passed_on())
        for name in KEYS:
            monkeypatch.delenv(name)
    assert made._train(None) == 0
    assert KEYS.items() <= json.loads((tmp_path / "seen").read_text()).items()
