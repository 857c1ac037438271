"""Evaluations of whole runs: files, protocols, from the program and from the command."""

import errno
import json
import math
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_runs import plain

import train_vaegan
from vaegan.__main__ import main
from vaegan.cli.console import make_console
from vaegan.commands import train as application
from vaegan.config.make import make_config
from vaegan.errors import UserError
from vaegan.evals.evaluate import headline_lines
from vaegan.quantities import is_known

TINY = "--vae dense --hidden-dim 16 --latent-dim 2 --image-size 16 --train-images 300 --epochs 2"
EVERY = {"reconstruction", "likelihood", "latents", "distances", "gan_figures", "detectability", "health"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Makes the folder of a run of these flags, once for all tests."""
    folders = {}

    def make(flags: str) -> Path:
        if flags not in folders:
            folder = tmp_path_factory.mktemp("runs")
            given = [*plain(flags.split()), "--runs-dir", str(folder), "--run-name", "run"]
            assert train_vaegan.main([*given, "--cache-dir", str(folder / "cache")]) == 0
            folders[flags] = folder / "run"
        return folders[flags]

    return make


def evaluation_of(folder: Path) -> dict:
    return json.loads((folder / "evaluation.json").read_text())


@pytest.mark.slow
def test_a_run_is_evaluated_after_its_last_epoch(made, capsys):
    folder = made(f"{TINY} --ema 0.9")
    evaluation = evaluation_of(folder)
    assert (evaluation["run"], evaluation["epochs"]) == ("run", 2)
    assert set(evaluation["sections"]) == EVERY
    for name, section in evaluation["sections"].items():
        assert section["values"].keys() == section["meanings"].keys()
        assert all(is_known(f"{name}/{key}") for key in section["values"])  # has an entry of its own
        if name == "health":  # a text on the figures of the others
            continue
        protocol = section["protocol"]
        assert protocol["images"] == "all 360 held-out ones"
        assert protocol["weights"] == "as trained, the decoder's averaged (decay 0.9 a step)"
        assert protocol["seed"] == 0
        numbers = [value for value in section["values"].values() if isinstance(value, float)]
        assert numbers and all(map(math.isfinite, numbers))
    assert (
        "classifier trained on 300 images of digits (seed 0), "
        in evaluation["sections"]["distances"]["protocol"]["features"]
    )
    verdict = evaluation["sections"]["health"]["values"]["verdict"]
    assert verdict.startswith("posterior collapse; ")  # after so few steps
    assert f"verdict: {verdict}" in headline_lines(evaluation)
    drawn = {picture["file"] for picture in evaluation["pictures"]}
    there = {path.name for path in (folder / "figures").glob("*.png")}
    assert drawn <= there and {"prior_samples_plain.png", "manifold.png", "tsne.png"} <= drawn
    assert (folder / "report.html").stat().st_size > 100_000


@pytest.mark.slow
def test_a_vae_with_a_d_has_gradients_and_a_picture_of_where_d_looks(made):
    folder = made(f"{TINY} --preset none --disc patch --disc-base-channels 4 --features random --ema 0.9")
    evaluation = evaluation_of(folder)
    assert set(evaluation["sections"]) == EVERY | {"gradients"}
    shares = evaluation["sections"]["gradients"]["values"]
    assert shares["pbp/share"] + shares["adv/share"] == pytest.approx(1)
    (looks,) = [each for each in evaluation["pictures"] if each["file"] == "where_d_looks.png"]
    assert "D's map of logits" in looks["caption"] and (folder / "figures" / looks["file"]).is_file()
    page = (folder / "report.html").read_text()
    assert page.index("Verdict: ") < page.index("Where D looks") < page.index('id="gradients"')


@pytest.mark.slow
def test_of_a_game_without_encoder_only_samples_are_judged(made):
    evaluation = evaluation_of(made(f"{TINY.replace('--vae', '--gan')} --disc dense --disc-hidden-dim 8"))
    assert set(evaluation["sections"]) == EVERY - {"reconstruction", "likelihood", "latents"}
    assert "samples/frechet" in evaluation["sections"]["distances"]["values"]
    assert not any(key.startswith("recon") for key in evaluation["sections"]["distances"]["values"])
    assert evaluation["sections"]["detectability"]["protocol"]["fakes"] == "samples from the prior"


@pytest.mark.slow
def test_images_without_labels_are_compared_in_untrained_features_and_known_factors_are_used(made):
    evaluation = evaluation_of(made(f"{TINY} --dataset cartoon:400 --features random,efficientnet"))
    distances = evaluation["sections"]["distances"]
    assert "random weights" in distances["protocol"]["features"]
    assert "training/frechet" in distances["values"]
    assert not any("fid" in key for key in distances["values"])
    second = evaluation["sections"]["distances_efficientnet"]
    assert second["title"] == "Distributions (EfficientNet-Lite0)"
    assert second["values"].keys() == distances["values"].keys()
    labels = [each["label"] for each in evaluation["headlines"]]
    assert "kernel distance (EfficientNet-Lite0), samples" in labels  # 80 images are few
    assert "Fréchet distance (random ResNet-18), samples" in labels
    (few, uncertain) = distances["warnings"]  # of 80 held-out images
    lines = headline_lines(evaluation)
    assert (
        f"  note on distributions (random ResNet-18): {few}" in lines
        and f"  note on distributions (random ResNet-18): {uncertain}" in lines
    )
    assert few.startswith(
        "80 images are few for 64 features (recommended: 313 or more): the Fréchet distance"
    )
    assert len(evaluation["sections"]["latents"]["values"]["mig_per_factor"]) == 23
    assert "knn_accuracy" not in evaluation["sections"]["latents"]["values"]


@pytest.mark.slow
def test_a_network_of_the_runs_own_loss_is_noted_beside_its_figures(made):
    flags = f"{TINY} --dataset cartoon:400 --perceptual-weight 1 --perceptual-layers 1"
    evaluation = evaluation_of(made(f"{flags} --features random,efficientnet"))
    sections = evaluation["sections"]
    assert [name for name, each in sections.items() if each.get("own_judge")] == ["distances_efficientnet"]
    (line,) = [
        line for line in headline_lines(evaluation) if "Fréchet distance (Eff" in line and "sam" in line
    ]
    assert line.endswith("own judge")
    assert "also served in this run's loss" in sections["distances_efficientnet"]["warnings"][0]


@pytest.mark.slow
def test_it_can_be_turned_off_and_done_later_with_the_same_result(made, capsys):
    whole = made(f"{TINY} --ema 0.9")
    later = made(f"{TINY} --ema 0.9 --evaluate false")
    assert not (later / "evaluation.json").exists() and not (later / "report.html").exists()
    assert main(["evaluate", str(later)]) == 0
    ours, theirs = evaluation_of(later), evaluation_of(whole)
    assert {**ours, "versions": 0} == {**theirs, "versions": 0}
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == f"report: {later / 'report.html'}"
    assert output.count("  note on detectability: The discriminator has learned from 180 originals only") == 1
    assert "classifier: " in output and "% of 360 held-out images of digits right" in output


def test_the_command_takes_other_settings(made, capsys):
    folder = made(f"{TINY} --evaluate false --keep-epochs 1")
    flags = "--images 50 --seed 3 --features random --checkpoint epoch-0001"
    assert main(["evaluate", str(folder), *flags.split()]) == 0
    evaluation = evaluation_of(folder)
    assert (evaluation["checkpoint"], evaluation["epochs"]) == ("epoch-0001", 1)
    distances = evaluation["sections"]["distances"]
    assert distances["protocol"]["images"] == "50 of the 360 held-out ones"
    assert distances["protocol"]["seed"] == 3
    assert "random weights" in distances["protocol"]["features"]
    assert any("50 images" in warning for warning in distances["warnings"])


def test_wrong_inputs_are_one_line_and_write_nothing(made, capsys, tmp_path):
    folder = made(f"{TINY} --evaluate false --keep-epochs 1 --seed 1")
    capsys.readouterr()
    for flags, error in (
        ([str(tmp_path)], f"{tmp_path}: not a run's folder: it has no config.yaml and no environment.json"),
        ([str(folder), "--checkpoint", "best"], "--checkpoint best: no such checkpoint; There: epoch-0001"),
        ([str(folder), "--features", "incepton"], "--features incepton: no such feature network; did you"),
        ([str(folder), "--images", "5"], "--images 5: not a whole number of at least 20"),
        ([str(folder), "--dataset", "cartoon:400"], "--dataset cartoon:400: other images than those"),
        ([str(folder), "--feature", "random"], "--feature: unknown flag; did you mean"),
    ):
        assert main(["evaluate", *flags]) == 2
        captured = capsys.readouterr().err
        assert captured.startswith(error) and captured.count("\n") == 1
    assert not (folder / "evaluation.json").exists()


@pytest.mark.slow
def test_several_runs_are_compared(made, capsys, tmp_path):
    runs = [made(f"{TINY} --ema 0.9"), made(f"{TINY} --dataset cartoon:400")]
    assert main(["report", *map(str, runs), "--out", str(tmp_path / "both")]) == 0
    assert (tmp_path / "both" / "comparison.html").exists()
    assert main(["report", *map(str, runs)]) == 2
    assert capsys.readouterr().err == "--out: is missing; name a new folder for the comparison\n"
    page = runs[0] / "report.html"
    page.unlink()
    assert main(["report", str(runs[0])]) == 0 and page.exists()


FAILURES = {
    "interrupted": KeyboardInterrupt(),
    "out of memory": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
    "No space left on device": OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "ZeroDivisionError: division by zero": ZeroDivisionError("division by zero"),
    "no such folder": UserError("no such folder"),
}


@pytest.mark.parametrize("why", FAILURES)
def test_an_evaluation_that_fails_after_training_leaves_a_line(monkeypatch, capsys, why):
    def fail(*_):
        raise FAILURES[why]

    monkeypatch.setattr(application, "open_run", fail)
    lines = application.evaluation_lines(Path("a run"), make_config({}), None, None, make_console())
    assert lines == []
    expected = f"not evaluated: {why}; python -m vaegan evaluate 'a run' does it\n"
    assert capsys.readouterr().out == expected


def test_a_tracker_that_fails_after_training_leaves_a_line(monkeypatch, capsys):
    def fail(*_):
        raise ConnectionError("gone")

    trained = SimpleNamespace(epochs=1)
    monkeypatch.setattr(application, "open_run", lambda *_: trained)
    monkeypatch.setattr(
        "vaegan.evals.evaluate.evaluate_run", lambda *_, **__: ({"sections": {}}, Path("page"))
    )
    splits, tracker = SimpleNamespace(train=None, test=None), SimpleNamespace(on_evaluation=fail)
    assert application.evaluation_lines(Path("a run"), make_config({}), splits, tracker, make_console()) == []
    assert "not evaluated: gone" in capsys.readouterr().out


def test_a_run_whose_evaluation_fails_is_a_run_that_went_well(monkeypatch, command, tmp_path):
    def fail(*_, **more):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr("vaegan.evals.evaluate.evaluate_run", fail)
    status, output, errors = command(f"{TINY} --run-name run --evaluate true")
    assert (status, errors) == (0, "")
    assert "not evaluated: out of memory; python -m vaegan evaluate" in output
    assert "--resume" not in output and output.endswith(f"Run folder: {tmp_path / 'runs' / 'run'}\n")


def test_the_runs_own_features_are_checked_before_it_trains(capsys, tmp_path):
    given = [*plain(TINY.split()), "--runs-dir", str(tmp_path), "--features", "random,incepton"]
    assert train_vaegan.main(given) == 2
    captured = capsys.readouterr().err
    assert captured.startswith("--features random,incepton: no such feature network; did you mean")
    assert not list(tmp_path.iterdir())
