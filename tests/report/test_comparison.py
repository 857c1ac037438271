"""Comparison of several runs: their labels, the best figures, and figures that do not compare."""

import pytest
from browser import problems
from matplotlib.axes import Axes
from run_folders import write_run

from vaegan.__main__ import main
from vaegan.errors import UserError
from vaegan.report.comparison import compare


def changed(evaluation, psnr, frechet=10.0):
    sections = evaluation["sections"]
    reconstruction = sections["reconstruction"] | {
        "values": sections["reconstruction"]["values"] | {"psnr": psnr},
        "warnings": [],
    }
    distances = sections["distances"] | {"values": {"samples/frechet": frechet}}
    return evaluation | {"sections": {"reconstruction": reconstruction, "distances": distances}}


@pytest.fixture
def sweep(tmp_path, evaluation):
    """Three runs of a sweep, which also differ in what does not matter."""
    return [
        write_run(
            tmp_path / "runs" / f"run-{i}",
            {"beta": beta, "runs_dir": f"runs-{i}", "wandb_group": f"group-{i}"},
            changed(evaluation, psnr=20.0 + i, frechet=10.0 + i),
            kl=(10 / beta, 8 / beta),
        )
        for i, beta in enumerate((1.0, 4.0, 0.5))
    ]


def made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def rows(into):
    """The cells of table.md by the first in their row."""
    lines = [line for line in (into / "table.md").read_text().splitlines() if line.startswith("| ")]
    cells = [line.strip("| ").split(" | ") for line in lines]
    return {first: rest for first, *rest in cells}


def test_runs_are_called_by_the_options_in_which_they_differ(sweep, tmp_path):
    compare(sweep, made(tmp_path / "out"))
    assert rows(tmp_path / "out")["option"] == ["beta 1", "beta 4", "beta 0.5"]
    assert rows(tmp_path / "out")["run"] == ["run-0", "run-1", "run-2"]
    assert "wandb" not in (tmp_path / "out" / "table.md").read_text()


def test_runs_that_differ_in_nothing_are_called_by_their_names(tmp_path):
    folders = [write_run(tmp_path / name) for name in ("one", "two")]
    compare(folders, made(tmp_path / "out"))
    assert rows(tmp_path / "out")["option"] == ["one", "two"]


def test_runs_of_the_same_options_beside_another_keep_apart(tmp_path):
    folders = [write_run(tmp_path / name, {"seed": seed}) for name, seed in (("a", 0), ("b", 0), ("c", 1))]
    compare(folders, made(tmp_path / "out"))
    assert rows(tmp_path / "out")["option"] == ["seed 0 (a)", "seed 0 (b)", "seed 1"]


def test_the_best_figure_of_a_row_is_marked_by_its_better_way(sweep, tmp_path):
    compare(sweep, made(tmp_path / "out"))
    found = rows(tmp_path / "out")
    assert found["peak signal-to-noise ratio, dB"] == ["↑ higher", "20", "21", "**22**"]
    assert found["Fréchet distance"] == ["↓ lower", "**10**", "11", "12"]
    assert found["ssim"] == ["", "0.81", "0.81", "0.81"]


def test_figures_taken_otherwise_are_said_not_to_compare_and_none_is_best(sweep, tmp_path, evaluation):
    other = changed(evaluation, psnr=30.0, frechet=1.0)
    other["sections"]["distances"]["protocol"] |= {"network": "own", "weights": "averaged", "seed": 7}
    folder = write_run(tmp_path / "other", {"beta": 8.0}, other)
    compare([*sweep, folder], made(tmp_path / "out"))
    text = (tmp_path / "out" / "table.md").read_text()
    assert (
        "These figures do not compare, since they were not taken alike; network: inception (beta 1; "
        "beta 4; beta 0.5), own (beta 8)." in text
    )
    assert text.count("do not compare") == 1  # weights and seed are a run's own
    assert "**" not in text.split("## Distances")[1]
    assert "**30**" in text


def test_another_pbp_loss_takes_only_its_own_figures_out_of_the_ranking(sweep, tmp_path, evaluation):
    for each, loss in ((evaluation, "bce"), (other := changed(evaluation, psnr=30.0), "mse")):
        part = each["sections"]["reconstruction"]
        part["protocol"]["pbp"] = loss
        part["values"]["pbp"] = 1.0 if loss == "bce" else 2.0
        part["meanings"]["pbp"] = {"text": "the loss", "unit": "", "better": "lower"}
    runs = [
        write_run(tmp_path / loss, {"pbp": loss}, each)
        for each, loss in ((evaluation, "bce"), (other, "mse"))
    ]
    compare(runs, made(tmp_path / "out"))
    found = rows(tmp_path / "out")
    assert found["peak signal-to-noise ratio, dB"][-1] == "**30**"
    assert "**" not in "".join(found["the loss"])
    assert "do not compare" not in (tmp_path / "out" / "table.md").read_text()


def test_runs_with_pixels_of_another_range_are_not_ranked_by_their_losses(sweep, tmp_path, evaluation):
    """The row says so, and so does the panel of the curves."""
    runs = []
    for pixels, psnr, loss in (("01", 20.0, 1.0), ("pm1", 30.0, 4.0)):
        each = changed(evaluation, psnr=psnr)
        part = each["sections"]["reconstruction"]
        part["values"]["pbp"] = loss
        part["meanings"]["pbp"] = {"text": "the loss", "unit": "", "better": "lower"}
        runs.append(write_run(tmp_path / pixels, {"pixel_range": pixels}, each))
    compare(runs, made(tmp_path / "out"))
    found = rows(tmp_path / "out")
    assert found["the loss"] == ["does not compare: other pixel_range", "1", "4"]
    assert found["peak signal-to-noise ratio, dB"] == ["↑ higher", "20", "**30**"]
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "PBP loss, does not compare: other pixel_range; KL divergence." in page


def test_a_run_is_not_best_by_a_network_of_its_own_loss(tmp_path, evaluation):
    runs = []
    for name, frechet in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        each = changed(evaluation, psnr=20.0, frechet=frechet)
        each["sections"]["distances"] |= {"own_judge": True} if name == "b" else {}
        runs.append(write_run(tmp_path / name, {"beta": frechet}, each))
    compare(runs, made(tmp_path / "out"))
    assert rows(tmp_path / "out")["Fréchet distance"] == ["↓ lower", "3", "1 (own judge)", "**2**"]


def test_runs_on_other_data_are_not_ranked(sweep, tmp_path, evaluation):
    folder = write_run(tmp_path / "other", {"dataset": "mnist"}, changed(evaluation, psnr=30.0))
    compare([sweep[0], folder], made(tmp_path / "out"))
    text = (tmp_path / "out" / "table.md").read_text()
    assert "they differ in dataset. Figures do not compare." in text
    assert "**" not in text


def test_a_run_without_an_evaluation_has_its_curves(sweep, tmp_path):
    folder = write_run(tmp_path / "new", {"beta": 2.0}, evaluation=None)
    compare([*sweep, folder], made(tmp_path / "out"))
    assert "Not evaluated yet: beta 2." in (tmp_path / "out" / "table.md").read_text()
    assert rows(tmp_path / "out")["ssim"][-1] == "–"


def test_every_runs_curves_are_on_one_plot(sweep, tmp_path, monkeypatch):
    drawn = []
    plot = Axes.plot

    def noted(self, x, y, *more, **keywords):
        drawn.append((self.get_title(), keywords["label"], list(x), list(y)))
        return plot(self, x, y, *more, **keywords)

    monkeypatch.setattr(Axes, "plot", noted)
    compare(sweep, made(tmp_path / "out"))
    assert ("KL divergence", "beta 4", [1, 2], [2.5, 2.0]) in drawn
    assert ("KL divergence", "beta 0.5", [1, 2], [20.0, 16.0]) in drawn
    assert len(drawn) == 2 * 3  # PBP and KL; nobody has another key
    assert (tmp_path / "out" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_what_one_run_alone_has_gets_no_panel(tmp_path):
    folders = [write_run(tmp_path / name) for name in ("one", "two")]
    for folder in folders:
        (folder / "metrics.jsonl").write_text("")
    with (folders[0] / "metrics.jsonl").open("w") as file:
        file.write('{"epoch": 0, "phase": "solo", "test/gen/kl": 4.0}\n{"epoch": 1, "pha')  # being written
    compare(folders, made(tmp_path / "out"))
    assert not (tmp_path / "out" / "curves.png").exists()


@pytest.mark.slow
def test_a_browser_finds_nothing_wrong_with_the_page(chromium, sweep, tmp_path):
    assert problems(chromium, compare(sweep, made(tmp_path / "out"))) == []
    assert sorted(path.name for path in (made(tmp_path / "out")).iterdir()) == [
        "comparison.html",
        "curves.png",
        "table.md",
    ]


def test_what_cannot_be_compared_is_refused_and_nothing_is_made(sweep, tmp_path):
    out = made(tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: not a run's folder"):
        compare([sweep[0], tmp_path / "empty"], out)
    with pytest.raises(UserError, match="nowhere: no such folder"):
        compare([tmp_path / "nowhere", sweep[0]], out)
    with pytest.raises(UserError, match="named twice"):
        compare([sweep[0], sweep[0]], out)
    with pytest.raises(UserError, match="two runs or more"):
        compare(sweep[:1], out)
    assert not list(out.iterdir())


def test_the_command_makes_a_new_folder_or_none(sweep, tmp_path, capsys):
    """Through `python -m vaegan report`."""
    runs = [str(folder) for folder in sweep]
    (tmp_path / "file").write_text("")
    for out, problem in (
        (sweep[1], "exists already; name a new or an empty folder"),
        (tmp_path / "file", "exists already; name a new or an empty folder"),
        (tmp_path / "file" / "out", "cannot be written (Not a directory)"),
    ):
        assert main(["report", *runs, "--out", str(out)]) == 2
        assert capsys.readouterr().err == f"--out {out}: {problem}\n"
    assert main(["report", *runs[:1], str(tmp_path / "nope"), "--out", str(tmp_path / "new")]) == 2
    assert not (tmp_path / "new").exists()
    (tmp_path / "empty").mkdir()
    assert main(["report", *runs, "--out", str(tmp_path / "empty")]) == 0
    assert sorted(path.name for path in (tmp_path / "empty").iterdir()) == [
        "comparison.html",
        "curves.png",
        "table.md",
    ]
