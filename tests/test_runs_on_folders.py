"""Runs on folders as users have them: with other runs below, with classes, with many broken files."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_runs import plain

import train_vaegan
from vaegan.__main__ import main
from vaegan.datasets import Request, open_source
from vaegan.figures.grids import save_samples
from vaegan.run.trained import open_run

TINY = "--image-size 8 --batch-size 8 --epochs 1 --vae dense --hidden-dim 8 --latent-dim 2 --device cpu"


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    """30 images of two classes in the working directory, of a light and a dark kind."""
    monkeypatch.chdir(tmp_path)
    generator = torch.Generator().manual_seed(0)
    for i in range(30):
        name = Path("dark" if i % 2 else "light") / f"{i}.png"
        name.parent.mkdir(exist_ok=True)
        pixels = torch.rand(8, 8, generator=generator) * 100 + (0 if i % 2 else 150)
        Image.fromarray(pixels.byte().numpy()).save(name)
    return tmp_path


def trained(flags: str, capsys) -> str:
    """The output of a run of a few steps."""
    capsys.readouterr()
    assert train_vaegan.main(plain(f"{TINY} --evaluate false {flags}".split())) == 0
    return capsys.readouterr().out


def images_of(name: str) -> tuple[int, int]:
    """The numbers of training and held-out images of a run, after a check of the held-out ones."""
    run = open_run(Path("runs") / name)
    splits = open_source(Request.of(run.config.to_dict())).load()
    run.check_held_out(splits.test.images)
    return len(splits.train), len(splits.test)


def test_runs_below_their_own_images_do_not_disturb_each_other(photos, capsys):
    trained("--dataset . --run-name first", capsys)
    Path("link").symlink_to("runs")
    Path("one").symlink_to("runs/first/figures/samples")
    said = trained("--dataset . --run-name second", capsys)
    assert "left out: folders of runs, 2 (one, runs/first)" in said
    assert "24 training and 6 held-out images" in said
    assert images_of("first") == images_of("second") == (24, 6)
    capsys.readouterr()
    assert train_vaegan.main(["--resume", "runs/first", "--epochs", "2"]) == 0


def test_what_commands_write_among_the_images_is_left_out(photos, capsys):
    trained("--dataset . --run-name first", capsys)
    for command in (
        ["sample", "runs/first", "--count", "3"],
        ["reconstruct", "runs/first", "dark"],
        ["interpolate", "runs/first"],
        ["check-data", "dark"],
    ):
        assert main(command) == 0
    save_samples(Path("light/copied by hand.png"), torch.rand(4, 3, 8, 8))
    drawn = {path.name for path in Path().glob("*.png")} | {"copied by hand.png"}
    source = open_source(Request(".", 8))
    splits = source.load()
    assert {path.name for path, _ in splits.skipped} == drawn
    assert len(drawn) == 4
    assert len(splits.train) + len(splits.test) == 30
    assert "left out: folders that vaegan has filled, 2 (first-reconstructions, first-samples)" in (
        source.describe().remarks
    )
    assert len(open_source(Request("first-samples", 8)).load().train) == 2  # asked for by name


@pytest.mark.slow
def test_class_folders_are_what_an_evaluation_tells_apart(photos, capsys):
    """One class has a single image, so that it is only on one side of the split."""
    Path("lone").mkdir()
    Image.new("L", (8, 8), 99).save("lone/a.png")
    Path("notes.txt").write_text("x")
    flags = f"--dataset . --run-name labelled --cache-dir cache {TINY}"
    assert train_vaegan.main(flags.split()) == 0
    said = capsys.readouterr().out
    assert "labels: 3 class folders (dark 15, light 15, lone 1); --labels none ignores them" in said
    sections = json.loads(Path("runs/labelled/evaluation.json").read_text())["sections"]
    assert {"knn_accuracy", "probe_accuracy"} <= sections["latents"]["values"].keys()
    assert "classes_covered" in sections["gan_figures"]["values"]
    assert sections["gan_figures"]["protocol"]["class_names"] == "dark, light, lone"


@pytest.mark.parametrize("n_broken", [10, 70])
def test_of_many_broken_files_ten_are_named_and_all_are_listed(photos, capsys, n_broken):
    for i in range(n_broken):
        Path(f"light/broken {i:03}.jpg").write_text("broken")
    said = trained("--dataset . --run-name messy", capsys)
    lines = [line for line in said.splitlines() if line.startswith("skipped light")]
    assert len(lines) == 10
    assert f"skipped {n_broken} files in all" in said
    listed = Path("runs/messy/skipped.txt")
    if n_broken == 10:
        assert not listed.exists()
    else:
        assert "skipped 60 more" in said and "all skipped files are named in runs/messy/skipped.txt" in said
        assert len(listed.read_text().splitlines()) == 70
    assert main(["check-data", "light", "--sheet", "sheet.png"]) == 0
    output = capsys.readouterr().out
    assert len([line for line in output.splitlines() if line.startswith("unreadable     broken")]) == 10
    assert main(["reconstruct", "runs/messy", "light", "--out", "made"]) == 0
    output = capsys.readouterr().out
    assert len([line for line in output.splitlines() if line.startswith("unreadable       broken")]) == 10
    lists = [Path("sheet-unreadable.txt"), Path("made/unreadable.txt")]
    for each in lists:
        assert each.exists() == (n_broken == 70)
        assert n_broken == 10 or len(each.read_text().splitlines()) == 70
