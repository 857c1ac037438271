"""Ablations on a Ray cluster that loses a machine, and as jobs of SLURM."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vaegan.__main__ import main
from vaegan.ablation.run_process import is_done, log_of
from vaegan.training.checkpoint import read

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 300  # seconds
SPEC = """
options:
  dataset: digits
  vae: dense
  hidden_dim: 32
  image_size: 16
  latent_dim: 2
  batch_size: 4
  epochs: 12
  wandb: disabled
grid:
  beta: [1, 2]
seeds: [0, 1]
"""

pytestmark = pytest.mark.processes


def processes() -> dict[int, tuple[int, str]]:
    """All processes: the parent's number and the command line of each."""
    lines = subprocess.run(
        ["ps", "-wweo", "pid,ppid,args"], capture_output=True, text=True, check=True
    ).stdout
    rows = (line.split(None, 2) for line in lines.splitlines()[1:])
    return {int(pid): (int(parent), args) for pid, parent, args in rows}


def below(pid: int) -> list[int]:
    """The process and all that descend from it."""
    found, known = [pid], processes()
    for each in found:
        found += [child for child, (parent, _) in known.items() if parent == each]
    return found


def trained_by(pid: int) -> list[str]:
    """The names of the runs that descendants of this process are training."""
    known = processes()
    commands = [known[each][1] for each in below(pid) if each in known]
    return [
        match[1] for line in commands if (match := re.search(r"-m vaegan train .*--run-name (\S+)", line))
    ]


def n_epochs(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def saved_epochs(folder: Path) -> int:
    """The finished epochs that a run's newest checkpoint has."""
    return max(
        read(path)[1]["progress"]["epoch"] for path in (folder / "checkpoints").glob("step-*.safetensors")
    )


def files_with(secret: str, *folders: Path) -> list[Path]:
    """The files below the folders that hold it."""
    files = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [path for path in files if secret.encode() in path.read_bytes()]


def wait_until(what, of) -> None:
    end = time.monotonic() + PATIENCE
    while not what():
        assert of.poll() is None, "it ended too early"
        assert time.monotonic() < end, "it hangs"
        time.sleep(0.05)


def test_runs_of_a_lost_machine_go_on_elsewhere_from_their_last_checkpoint(tmp_path):
    """A key that the command has stands in none of Ray's files."""
    cluster_utils = pytest.importorskip("ray.cluster_utils", reason="needs Ray: the extra `ray` has it")
    (tmp_path / "tiny.yaml").write_text(SPEC)
    cluster = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    cluster.add_node(num_cpus=1)
    lost = cluster.add_node(num_cpus=1)
    log = tmp_path / "log"
    runs = tmp_path / "runs"
    given = [tmp_path / "tiny.yaml", "--cluster", cluster.address, "--runs-dir", runs]
    with log.open("w") as output:
        ablate = subprocess.Popen(
            [sys.executable, "-m", "vaegan", "ablate", *map(str, given)],
            cwd=ROOT,
            stdout=output,
            stderr=output,
            env=os.environ | {"WANDB_API_KEY": "sentinel-wandb"},
        )
    try:
        raylet = next(each.process.pid for each in lost.all_processes["raylet"])

        def has_trained() -> bool:
            return any(n_epochs(runs / "arms" / name) >= 2 for name in trained_by(raylet))

        wait_until(has_trained, ablate)
        (name,) = trained_by(raylet)
        for pid in below(raylet):
            os.kill(pid, signal.SIGKILL)  # all that the machine was doing
        before = saved_epochs(runs / "arms" / name)
        assert 1 <= before < 12, "it had come to its end"
        assert ablate.wait(PATIENCE) == 0, log.read_text()
        assert files_with("sentinel-wandb", tmp_path, Path(cluster.head_node.get_session_dir_path())) == []
    finally:
        ablate.kill()
        cluster.shutdown()
    folders = [folder for folder in (runs / "arms").iterdir() if folder.is_dir()]
    assert len(folders) == 4 and all(is_done(folder, 12) for folder in folders)
    (goes_on,) = re.findall(r"going on from .*epoch (\d+)", log_of(runs / "arms" / name).read_text())
    assert int(goes_on) == before + 1  # no finished epoch was made twice
    assert "resumed" in json.loads((runs / "arms" / name / "environment.json").read_text())
    assert (runs / "tiny" / "table.md").exists()


# Stand-ins for SLURM's programs: jobs begin at once, in the background, on this machine.
SBATCH = """#!/bin/bash
id=$(date +%s%N)
cp "${@: -1}" FOLDER/script-$id
SLURM_JOB_ID=$id SLURM_JOBID=$id SLURM_JOB_NUM_NODES=1 SLURM_NTASKS=1 SLURM_NODEID=0 SLURM_PROCID=0 \\
  SLURM_LOCALID=0 SLURM_JOB_NODELIST=here bash "${@: -1}" >/dev/null 2>&1 &
echo "Submitted batch job $id"
"""
SRUN = """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == --output || $1 == --error ]] && shift; shift; done
"$@"
"""


def test_runs_are_jobs_of_slurm(tmp_path, monkeypatch, capsys):
    pytest.importorskip("submitit", reason="needs submitit: the extra `slurm` has it")
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in (("sbatch", SBATCH), ("srun", SRUN), ("sacct", "#!/bin/bash\n")):
        (programs / name).write_text(text.replace("FOLDER", str(tmp_path)))
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("WANDB_API_KEY", "sentinel-wandb")
    (tmp_path / "tiny.yaml").write_text(SPEC.replace("epochs: 12", "epochs: 1").replace("[0, 1]", "[0]"))
    given = [str(tmp_path / "tiny.yaml"), "--runs-dir", str(tmp_path / "runs")]
    cluster = ["--cluster", "slurm:partition=short,time=7,cpus_per_task=1"]
    assert main(["ablate", *given, *cluster]) == 0, capsys.readouterr()
    folders = [folder for folder in (tmp_path / "runs" / "arms").iterdir() if folder.is_dir()]
    assert len(folders) == 2 and all(is_done(folder, 1) for folder in folders)
    script = next(tmp_path.glob("script-*")).read_text()
    for line in ("--partition=short", "--time=7", "--cpus-per-task=1", "--job-name=vaegan"):
        assert line in script
    assert files_with("sentinel-wandb", tmp_path) == []
    assert main(["ablate", *given, "--cluster", "slurm:partitoin=short"]) == 2
    assert "partitoin" in capsys.readouterr().err
