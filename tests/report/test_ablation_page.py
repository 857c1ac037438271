"""The page of an ablation, and its other files."""

import json

import pytest
import torch
from browser import opened, problems
from run_folders import EVALUATION, write_run

from vaegan.ablation.outputs import write_table
from vaegan.ablation.table import ArmRuns, make_table
from vaegan.figures.grids import save_reconstructions, save_samples
from vaegan.run.reading import read_run

METRICS = ["reconstruction/psnr", "distances/samples/frechet", "test/gen/kl"]


def made(folder, seed, beta, psnr):
    """A run with pictures."""
    evaluation = json.loads(json.dumps(EVALUATION))
    evaluation["sections"]["reconstruction"]["values"]["psnr"] = psnr
    write_run(folder, {"seed": seed, "beta": beta}, evaluation, kl=(psnr / 5, psnr / 4))
    images = torch.rand(10, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    save_reconstructions(folder / "figures" / "reconstructions.png", torch.stack([images, images * 0.7]))
    save_samples(folder / "figures" / "samples.png", torch.rand(64, 1, 16, 16))
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    times = {"time/test_s": 0.5, "time/images_per_s": 100.0}
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(line | times)}\n" for line in lines))
    return read_run(folder)


@pytest.fixture
def written(tmp_path):
    """The folder of a table of two arms with two seeds, one run of which failed."""
    runs = tmp_path / "runs"
    one = {seed: made(runs / "arms" / f"one-{seed}", seed, 1.0, 20.0 + seed) for seed in (0, 1)}
    two = {0: made(runs / "arms" / "two <b> #0", 0, 2.0, 19.0)}
    (runs / "arms" / "two <b> #0" / "fork.json").write_text('{"run": "one-0", "epochs": 1}')
    arms = [ArmRuns("beta 1", one), ArmRuns("beta <b>2</b>", two, {1: "stopped: nan & more"})]
    folder = runs / "beta"
    folder.mkdir()
    (folder / "figures").mkdir()
    (folder / "figures" / "of an earlier time.png").write_bytes(b"")
    write_table(
        folder, make_table("beta", arms, METRICS, "beta 1"), "python -m vaegan ablate beta.yaml", folder
    )
    return folder


def test_it_leaves_the_table_in_three_forms_the_pictures_and_the_page(written):
    files = sorted(str(path.relative_to(written)) for path in written.rglob("*") if path.is_file())
    pictures = ["figures/curves.png", "figures/plane.png", "figures/samples.png", "figures/strips.png"]
    assert files == [*pictures, "report.html", "table.csv", "table.md", "table.tex"]


@pytest.mark.slow
def test_a_browser_finds_nothing_wrong_with_the_page(written, chromium):
    assert problems(chromium, written / "report.html") == []


@pytest.mark.slow
def test_the_page_has_all_arms_figures_pictures_and_what_failed(written, chromium):
    with opened(chromium, written / "report.html") as (page, wrong):
        text = page.inner_text("body")
        cells = page.eval_on_selector_all(
            "#table ~ .box td, #table ~ .box th", "all => all.map(e => e.innerText)"
        )
        shown = page.eval_on_selector_all("figure h3", "all => all.map(e => e.innerText)")
        links = page.eval_on_selector_all("#runs ~ .box a", "all => all.map(e => e.href)")
        assert wrong == []
    assert "python -m vaegan ablate beta.yaml" in text and "beta <b>2</b>" in text
    assert "beta <b>2</b>, seed 1, failed: stopped: nan & more" in text
    assert [cell.split() for cell in cells if "20.50" in cell] == [["20.50", "±", "0.71", "(best)"]]
    assert "1/2" in cells and "beta 1 (baseline)" in cells
    assert "1 epochs of one-0" in text
    assert shown == [
        "Distortion and perception",
        "Reconstructions",
        "Samples",
        "Held-out losses over the epochs",
    ]
    assert len(links) == 3 and links[-1].endswith("/arms/two%20%3Cb%3E%20%230/report.html")
