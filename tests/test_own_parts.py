"""Each kind of part as one file outside the package, trained through --plugins; what a run keeps of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vaegan
from vaegan import plugins, quantities
from vaegan.__main__ import main
from vaegan.ablation.folder import write_options
from vaegan.ablation.spec import read_spec
from vaegan.config.make import make_config, resolved
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.objective.terms import TERMS
from vaegan.registry import DATASETS
from vaegan.trackers import TRACKERS

PARTS = Path(__file__).parent / "own_parts"
TINY = "--image-size 16 --latent-dim 3 --epochs 1 --batch-size 64 --train-images 128 --device cpu"
SMALL = TINY.split()
DENSE = [*SMALL, "--vae", "dense", "--hidden-dim", "8"]
KINDS = {
    "encoder": [*SMALL, "--encoder", "own_linear", "--decoder", "dense"],
    "discriminator": [
        *DENSE,
        "--disc",
        "own_patch",
        "--disc-channels",
        "3",
        "--solo-epochs",
        "0",
        "--r1",
        "1",
    ],
    "pbp": [*DENSE, "--pbp", "own_charbonnier"],
    "adversarial": [*DENSE, "--disc", "dense", "--adv", "own_softplus", "--solo-epochs", "0"],
    "term": [*DENSE, "--own-tv-weight", "0.5"],
    "data_set": [*DENSE, "--dataset", "own_stripes"],
    "tracker": [*DENSE, "--tracker", "own_lines"],
}
WRITES = {
    "discriminator": "train/disc/r1",
    "adversarial": "train/disc/real",
    "term": "train/gen/own_tv_weighted",
}


@pytest.fixture(autouse=True)
def nothing_stays(monkeypatch):
    """Forgets a test's imports and registrations after it."""
    monkeypatch.setattr(plugins, "_loaded", {})
    monkeypatch.setattr(plugins, "_brought", {})
    monkeypatch.setattr(quantities, "_ENTRIES", quantities._ENTRIES.copy())
    for registry in (ADVERSARIAL, DATASETS, DISCRIMINATORS, ENCODERS, PBP_LOSSES, TERMS, TRACKERS):
        monkeypatch.setattr(registry, "_entries", registry._entries.copy())


def python(code: str, *arguments: object, folder: Path | None = None) -> str:
    """Output of a new process, which has imported nothing yet. Fails if the process fails."""
    made = subprocess.run(
        [sys.executable, *(["-c", code] if code else []), *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert made.returncode == 0, made.stderr
    return made.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_from_outside_is_one_file_and_trains(command, tmp_path, kind):
    file = PARTS / f"{kind}.py"
    status, _, errors = command("--run-name a", *KINDS[kind], "--plugins", str(file))
    assert status == 0, errors
    run = tmp_path / "runs" / "a"
    (note,) = json.loads((run / "environment.json").read_text())["plugins"]
    assert note["given"] == str(file)
    assert next((run / "plugins").rglob(file.name)).read_bytes() == file.read_bytes()
    if kind in WRITES:
        assert WRITES[kind] in vaegan.load(run).records()[0]
    if kind == "tracker":
        assert (run / "own_lines.txt").read_text() == "epoch 0\n"


def test_a_run_notes_the_plugins_that_it_uses_alone(command, tmp_path):
    files = [str(PARTS / f"{kind}.py") for kind in KINDS]
    status, _, errors = command("--run-name a", *KINDS["pbp"], "--plugins", *files)
    assert status == 0, errors
    noted = json.loads((tmp_path / "runs" / "a" / "environment.json").read_text())["plugins"]
    assert [each["name"] for each in noted] == ["pbp.py"]
    assert len(list((tmp_path / "runs" / "a" / "plugins").rglob("*.py"))) == 1


def test_an_ablation_imports_its_plugins_and_its_arms_name_theirs(tmp_path):
    (tmp_path / "mine.py").write_text((PARTS / "pbp.py").read_text())
    (tmp_path / "spec.yaml").write_text(
        "plugins: mine.py\noptions: {vae: dense}\ngrid: {pbp: [own_charbonnier, bce]}\n"
    )
    own, plain = read_spec(tmp_path / "spec.yaml", {}).arms
    for arm, named in ((own, [str(tmp_path / "mine.py")]), (plain, None)):
        write_options(tmp_path / "arm.yaml", resolved(make_config(arm.options), 16), "an arm")
        assert yaml.safe_load((tmp_path / "arm.yaml").read_text()).get("plugins") == named


def test_every_kind_has_a_file():
    assert set(KINDS) == {file.stem for file in PARTS.glob("*.py")}


def test_a_part_is_in_the_help_and_in_errors():
    script = "import sys; from vaegan.__main__ import main; sys.exit(main(sys.argv[1:]))"
    shown = python(script, "train", "--help", "--plugins", PARTS / "term.py", PARTS / "discriminator.py")
    assert "--own-tv-weight" in shown and "own_patch" in shown and "--disc-channels" in shown


def test_a_file_of_options_names_its_plugins_from_where_it_lies(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "mine.py").write_text((PARTS / "pbp.py").read_text())
    (tmp_path / "base.yaml").write_text("plugins: deep/mine.py\nvae: dense\n")
    (tmp_path / "own.yaml").write_text("base: base.yaml\npbp: own_charbonnier\n")
    (tmp_path / "elsewhere").mkdir()
    script = "import sys; from vaegan.__main__ import main; sys.exit(main(sys.argv[1:]))"
    shown = python(script, "train", "--config", "../own.yaml", "--dry-run", folder=tmp_path / "elsewhere")
    assert "pbp: own_charbonnier" in shown


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a discriminator of a user's own, made in a process of its own."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "mine.py").write_text((PARTS / "discriminator.py").read_text())
    made = [*KINDS["discriminator"], "--plugins", "mine.py", "--runs-dir", ".", "--run-name", "a"]
    python("", "-m", "vaegan", "train", *made, "--evaluate", "false", "--tracker", "none", folder=folder)
    return folder / "a"


def opened(run: Path, *plugins: Path) -> str:
    """Output of opening the run in a process of its own, or the text of its error."""
    code = (
        "import sys, vaegan\n"
        "try: print(type(vaegan.load(sys.argv[1], plugins=sys.argv[2:]).players.disc).__name__)\n"
        "except vaegan.UserError as error: print(error)"
    )
    return python(code, run, *plugins, folder=run.parent).strip()


def test_opening_a_run_executes_nothing_and_says_what_it_wants(run, tmp_path):
    (copy,) = (run / "plugins").rglob("mine.py")
    wanted = opened(run)
    assert "made with parts of your own" in wanted
    assert wanted.endswith(f"add --plugins {copy.relative_to(run.parent)}")
    assert opened(run, copy) == "OwnPatchDiscriminator"
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes(next((run / "checkpoints").glob("*.safetensors")).read_bytes())
    assert opened(alone).endswith("add --plugins mine.py")
    assert opened(alone, copy) == "OwnPatchDiscriminator"


def test_other_code_than_the_run_was_made_with_is_said(run, tmp_path):
    other = tmp_path / "mine.py"
    other.write_text((PARTS / "discriminator.py").read_text() + "\n# changed\n")
    assert f"{other} differs from what" in opened(run, other)
    assert opened(run, other).endswith("OwnPatchDiscriminator")


def test_a_run_goes_on_with_its_plugins_alone(run, monkeypatch, capsys):
    monkeypatch.setattr(plugins, "_loaded", {})
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 2
    assert "add --plugins" in capsys.readouterr().err
    (copy,) = (run / "plugins").rglob("mine.py")
    python("", "-m", "vaegan", "train", "--resume", run, "--epochs", "2", "--plugins", copy)
    assert len(list((run / "plugins").rglob("mine.py"))) == 1


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["train", "--plugins", "nowhere.py"], "--plugins nowhere.py: no such file, folder or module"),
        (["sample", "a", "--plugins", "nowhere.py"], "--plugins nowhere.py: no such file, folder or module"),
        (["train", "--plugins"], "--plugins: expected at least one argument"),
        (
            ["sample", "--plugins", str(PARTS / "pbp.py"), "RUN"],
            "--plugins RUN: a run's folder, not a plug-in; name the run before --plugins",
        ),
    ],
)
def test_a_mistake_is_a_line(tmp_path, monkeypatch, capsys, arguments, line):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "RUN").mkdir()
    for name in ("config.yaml", "environment.json"):
        (tmp_path / "RUN" / name).touch()
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"{line}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["RUN"]
