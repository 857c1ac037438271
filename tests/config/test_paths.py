"""Relative paths in YAML files: found from other directories, and named in errors if they are missing."""

import shutil
from pathlib import Path

import pytest
import yaml
from PIL import Image
from tiny_runs import DENSE, refused, tiny_run, typed

from vaegan.ablation.plan import digest
from vaegan.ablation.spec import read_spec
from vaegan.config.make import make_config
from vaegan.config.paths import config_text, located
from vaegan.config.yaml_files import read_config
from vaegan.run.reading import read_run


def photos(folder: Path, count: int = 40) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (8, 8), (6 * i, 100, 255 - 6 * i)).save(folder / f"{i:02}.png")
    return folder


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A directory with images in `pics`, and a run on them in `runs/run` that was started there."""
    folder = tmp_path_factory.mktemp("project").resolve()
    photos(folder / "pics")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "runs").mkdir()
        flags = f"{DENSE} --batch-size 8 --dataset pics --cache-dir kept --memory-limit 0"
        tiny_run(Path("runs"), f"{flags} --run-name run")
    return folder


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def options_in(file: Path) -> dict:
    return read_config(file, origin="")[-1][1]


def test_the_config_keeps_the_absolute_path_beside_the_typed_one(project):
    kept = yaml.safe_load((project / "runs/run/config.yaml").read_text())
    assert (kept["dataset"], kept["cache_dir"]) == ("pics", "kept")
    assert kept["paths"] == {"dataset": f"{project}/pics", "cache_dir": f"{project}/kept"}
    assert "paths" not in read_run(project / "runs/run").config


def test_where_nothing_is_a_relative_path_nothing_is_kept(elsewhere):
    for dataset in ("digits", "cartoon:40", f"{photos(elsewhere / 'own')}"):
        assert "paths" not in config_text(make_config({"dataset": dataset}))


def test_a_default_data_folder_is_kept_where_there_is_one(elsewhere, monkeypatch):
    monkeypatch.delenv("VAEGAN_DATA", raising=False)
    (elsewhere / "data").mkdir()
    (elsewhere / "run.yaml").write_text(config_text(make_config({"dataset": "mnist"})))
    (elsewhere / "below").mkdir()
    monkeypatch.chdir("below")
    assert options_in(elsewhere / "run.yaml")["data_dir"] == f"{elsewhere.resolve()}/data"
    monkeypatch.setenv("VAEGAN_DATA", "/data")
    assert "data_dir" not in options_in(elsewhere / "run.yaml")


def test_in_its_own_directory_it_stays_as_typed(project, monkeypatch):
    monkeypatch.chdir(project)
    assert options_in(Path("runs/run/config.yaml"))["dataset"] == "pics"


def test_a_run_is_opened_resumed_and_repeated_from_another_directory(project, elsewhere, capsys, command):
    run = project / "runs/run"
    assert typed(capsys, "interpolate", run)[0] == 0
    status, _, errors = command(f"--config {run}/config.yaml --run-name again")
    assert status == 0, errors
    assert options_in(elsewhere / "runs/again/config.yaml")["dataset"] == f"{project}/pics"
    status, _, errors = command(f"--resume {run} --epochs 2 --dry-run")
    assert status == 0, errors


def test_going_on_from_another_directory_keeps_what_was_typed(project, elsewhere):
    file = project / "runs/run/config.yaml"
    text = file.read_text(encoding="utf-8")
    assert config_text(make_config(options_in(file)), file) == text
    moved = make_config(options_in(file) | {"dataset": f"{photos(elsewhere / 'moved')}"})
    assert yaml.safe_load(config_text(moved, file))["dataset"] == f"{elsewhere}/moved"


def test_a_run_whose_config_is_empty_is_named_before_anything_is_evaluated(project, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(project / "runs/run", run)
    (run / "config.yaml").write_text("")
    for command in ("evaluate", "interpolate"):
        assert typed(capsys, command, run)[2].strip().endswith("holds no options; put back those of the run")


def test_a_folder_of_the_same_name_here_is_not_taken_for_it(project, elsewhere):
    photos(elsewhere / "pics", 2)
    assert options_in(project / "runs/run/config.yaml")["dataset"] == f"{project}/pics"


def test_of_a_run_that_was_moved_the_images_are_looked_for_here(elsewhere):
    kept = {"dataset": "pics", "paths": {"dataset": "/nowhere/pics"}}
    photos(elsewhere / "pics", 2)
    assert located(kept, Path("/moved/config.yaml")) == {"dataset": "pics"}


def test_a_file_s_own_folder_comes_before_the_working_directory(elsewhere):
    (elsewhere / "configs").mkdir()
    file = elsewhere / "configs/mine.yaml"
    file.write_text("base: below.yaml\ndataset: pics")
    (elsewhere / "below.yaml").write_text("epochs: 3")  # in the working directory alone
    photos(elsewhere / "pics", 2)
    assert read_config(file, origin="") == [(Path("below.yaml"), {"epochs": 3}), (file, {"dataset": "pics"})]
    photos(elsewhere / "configs/pics", 2)
    assert options_in(file) == {"dataset": f"{elsewhere}/configs/pics"}
    (elsewhere / "configs/digits").mkdir()
    file.write_text("dataset: digits")
    assert options_in(file) == {"dataset": "digits"}


def test_arms_of_one_file_are_the_same_as_before(project, monkeypatch, elsewhere):
    spec = project / "spec.yaml"
    spec.write_text("options: {dataset: pics, vae: dense}\ngrid: {beta: [1, 2]}")
    (own, _) = (arm.options for arm in read_spec(spec, {}).arms)
    assert own["dataset"] == f"{project}/pics"
    monkeypatch.chdir(project)
    (own, _) = (arm.options for arm in read_spec(Path("spec.yaml"), {}).arms)
    assert own["dataset"] == "pics"
    config = make_config({"dataset": "pics"})
    text = yaml.safe_load(config_text(config))
    assert text.pop("paths") and digest(make_config(text)) == digest(config)


def test_what_is_nowhere_is_named_with_its_file(elsewhere, project, capsys, command):
    run = elsewhere / "gone"
    run.mkdir()
    for name in ("environment.json", "config.yaml"):
        text = (project / "runs/run" / name).read_text()
        (run / name).write_text(text.replace(str(project), "/nowhere"))
    (run / "checkpoints").symlink_to(project / "runs/run/checkpoints")
    looked = f"/nowhere/pics, {run}/pics, pics"
    named = f"{run}/config.yaml: dataset: pics: neither a data set nor a folder or file; "
    line = refused(capsys, "evaluate", run)
    advice = "--dataset and --data-dir say where the images are now"
    assert line == f"{named}looked for at {looked}; {advice}"
    line = refused(capsys, "interpolate", run)
    assert line == f"{named}looked for at {looked}; --files takes two images"
    status, _, errors = command(f"--resume {run}")
    assert status == 2
    assert errors.startswith(named) and errors.endswith(f" It was looked for at {looked}.\n")
    line = refused(capsys, "evaluate", run, "--dataset", "other")
    assert line.startswith("--dataset other: neither a data set nor a folder or file; ")


def test_the_name_of_a_data_set_is_no_path_also_where_a_folder_has_it(tmp_path):
    for name in ("digits", "photos"):
        (tmp_path / name).mkdir()
    file = tmp_path / "run.yaml"
    assert located({"dataset": "digits"}, file)["dataset"] == "digits"
    assert located({"dataset": "photos"}, file)["dataset"] == str(tmp_path / "photos")
