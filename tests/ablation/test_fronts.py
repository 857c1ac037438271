"""Fronts of groups of arms: areas of hand-made points, their text and their picture."""

import csv as csv_format
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from vaegan.ablation import front_formats
from vaegan.ablation.front_picture import APART, save_fronts, spread, width
from vaegan.ablation.fronts import is_perception, make_fronts, makes_a_plane
from vaegan.ablation.table import ArmRuns, make_table
from vaegan.run.reading import RunFiles

PSNR, SSIM, EDGES = (f"reconstruction/{key}" for key in ("psnr", "ssim", "edge_correlation"))
OF_RECONSTRUCTIONS, OF_SAMPLES = (f"distances/{of}/frechet" for of in ("reconstructions", "samples"))
GROUPS = {"alone": ["beta 1", "beta 2"], "steered": ["share 0.1", "share 0.3"]}


def run_of(psnr, distance, *, seed=0, network="random", own_judge=False, ssim=None):
    """A run with these figures; its samples have ten times the distance."""
    values = {"psnr": psnr} | ({} if ssim is None else {"ssim": ssim, "edge_correlation": ssim / 2})
    distances = {"reconstructions/frechet": distance, "samples/frechet": 10 * distance}
    sections = {
        "reconstruction": {"protocol": {}, "values": values},
        "distances": {"protocol": {"network": network}, "values": distances, "own_judge": own_judge},
    }
    return RunFiles(Path("run"), {"seed": seed}, {}, [], {"sections": sections})


def arm(label, *points, **options):
    return ArmRuns(label, {seed: run_of(*point, seed=seed, **options) for seed, point in enumerate(points)})


# the corners of the plane: PSNR from 20 to 30 dB, distances from 100 to 1
WORST, BEST = arm("worst", (20, 100)), arm("best", (30, 1))


def fronts_of(*arms, groups=GROUPS, metrics=(PSNR, OF_RECONSTRUCTIONS)):
    table = make_table("name", arms, metrics, arms[0].label)
    return make_fronts(arms, table.columns, groups)


def areas(fronts):
    (plane,) = fronts.planes
    return {area.group: area for area in plane.areas}


def test_areas_are_in_scaled_axes_and_distances_on_a_logarithmic_one():
    """10 is half way from 100 to 1. In parts of the axes: alone (0.6, 0.5), steered (0.5, 1) and (1, 0)."""
    fronts = fronts_of(
        *(WORST, BEST, arm("beta 1", (26, 10)), arm("beta 2", (25, 20))),
        *(arm("share 0.1", (25, 1)), arm("share 0.3", (30, 100))),
    )
    (plane,) = fronts.planes
    assert (plane.distortion.worst, plane.distortion.best) == (20, 30)
    assert (plane.perception.worst, plane.perception.best) == (100, 1)
    assert plane.perception.scaled(10) == pytest.approx(0.5)
    found = areas(fronts)
    alone, steered = found["alone"], found["steered"]
    assert alone.hypervolume.mean == pytest.approx(0.3)
    assert (alone.hypervolume.difference, alone.gained) == (None, None)
    assert steered.hypervolume.mean == pytest.approx(0.5)
    assert steered.hypervolume.difference == pytest.approx(0.2)
    assert steered.gained.mean == pytest.approx(0.5 + 0.1 * 0.5 - 0.3)
    assert (steered.gained.deviation, steered.gained.low) == (None, None)  # of a single seed
    assert fronts.remarks == []


def test_a_group_behind_the_first_one_gains_nothing():
    behind = [arm("share 0.1", (24, 20)), arm("share 0.3", (23, 12))]
    found = areas(fronts_of(WORST, BEST, arm("beta 1", (26, 10)), arm("beta 2", (25, 20)), *behind))
    assert found["steered"].hypervolume.difference < 0
    assert found["steered"].gained.mean == 0


def test_over_seeds_there_are_deviations_and_intervals_of_what_is_paired():
    arms = [
        *(arm("beta 1", (25, 10), (30, 10)), arm("beta 2", (22, 50), (22, 50))),  # areas of 0.25 and 0.5
        *(arm("share 0.1", (30, 10), (30, 1)), arm("share 0.3", (20, 100), (20, 100))),  # of 0.5 and 1
    ]
    found = areas(fronts_of(*arms))
    assert found["alone"].hypervolume.values == pytest.approx({0: 0.25, 1: 0.5})
    assert found["alone"].hypervolume.deviation == pytest.approx(0.25 / 2**0.5)
    steered = found["steered"]
    assert steered.hypervolume.values == pytest.approx({0: 0.5, 1: 1.0})
    for entry in (steered.hypervolume, steered.gained):
        assert entry.difference == pytest.approx(0.375)
        assert (entry.low, entry.high) == pytest.approx((0.25, 0.5))


def test_seeds_and_arms_that_are_not_there_are_said():
    arms = [
        *(WORST, BEST, arm("beta 1", (26, 10), (26, 10)), arm("beta 2", (25, 20))),
        *(ArmRuns("share 0.1", {}, {0: "nan"}), arm("share 0.3", (25, 1), (25, 1))),
    ]
    fronts = fronts_of(*arms, metrics=(PSNR, OF_RECONSTRUCTIONS, OF_SAMPLES))
    for plane in fronts.planes:
        alone, steered = plane.areas
        assert list(alone.hypervolume.values) == list(steered.gained.values) == [0]
        assert list(steered.hypervolume.values) == [0, 1]
    assert fronts.remarks == [
        "alone is without seed 1, which only some of its arms have, in all planes.",
        "steered is without share 0.1, of which no run is there, in all planes.",
    ]


def test_a_group_without_any_run_has_no_area():
    fronts = fronts_of(WORST, BEST, arm("beta 1", (26, 10)), arm("beta 2", (25, 20)))
    steered = areas(fronts)["steered"]
    assert (steered.hypervolume, steered.gained) == (None, None)
    assert front_formats.rows(fronts)[0][2:] == ["–", "–", "–"]


def test_runs_are_left_out_of_planes_by_their_own_judge():
    arms = [WORST, BEST, arm("beta 1", (26, 10)), arm("share 0.1", (29, 1.1), own_judge=True)]
    fronts = fronts_of(*arms)
    assert "share 0.1" not in fronts.planes[0].points
    assert "steered is without share 0.1, of which no run is there, in all planes." in fronts.remarks


@pytest.mark.parametrize(
    ("other", "options", "problem"),
    [
        ((26, 10), {"network": "inception"}, "of reconstructions does not compare: other network"),
        ((26, 0.0), {}, "is not positive in all runs, and the axis is logarithmic"),
        ((30, 1), {}, "PSNR is the same in all runs"),
    ],
)
def test_planes_that_cannot_be_are_left_out_with_the_reason(other, options, problem):
    fronts = fronts_of(BEST, arm("beta 1", (30, 5)), arm("share 0.1", other, **options))
    assert fronts.planes == []
    (remark,) = fronts.remarks
    assert remark.startswith("No front in PSNR × ") and problem in remark
    assert "No front in" in front_formats.markdown(fronts)


def test_planes_are_pairs_of_a_distortion_and_a_distance():
    assert is_perception("distances_random/samples/frechet") and is_perception("distances/samples/fid")
    for key in ("distances/training/frechet", "distances/samples/kernel", PSNR, "test/gen/kl"):
        assert not is_perception(key)
    assert makes_a_plane([EDGES, OF_SAMPLES])
    assert not makes_a_plane([PSNR, SSIM]) and not makes_a_plane([OF_SAMPLES, "reconstruction/mse"])
    arms = [arm("beta 1", (20, 4), ssim=0.5), arm("share 0.1", (21, 2), ssim=0.6)]
    metrics = ["reconstruction/mse", PSNR, SSIM, EDGES, OF_RECONSTRUCTIONS, OF_SAMPLES, "test/gen/kl"]
    planes = fronts_of(*arms, metrics=metrics).planes
    assert [plane.key for plane in planes] == [
        f"{distortion} x {perception}"
        for perception in (OF_RECONSTRUCTIONS, OF_SAMPLES)
        for distortion in (PSNR, SSIM, EDGES)
    ]


@pytest.fixture
def both():
    """Two seeds, and names that Markdown and LaTeX would take for signs."""
    arms = [
        *(arm("beta 1", (25, 10), (30, 10)), arm("share | 5%", (30, 10), (30, 1)), arm("w_10", (20, 100))),
    ]
    return fronts_of(*arms, groups={"the VAE & co": ["beta 1"], "steered": ["share | 5%"]})


def test_markdown(both):
    text = front_formats.markdown(both)
    assert text.startswith("\n## Fronts\n\n- the VAE & co: beta 1\n- steered: share | 5%\n\n| plane |")
    assert (
        "| PSNR × Fréchet distance of reconstructions | 0.375 ± 0.177 | 0.750 ± 0.354 | "
        "+0.375 [+0.250, +0.500] | +0.375 [+0.250, +0.500] |\n"
    ) in text
    assert "Difference: to the area of the VAE & co with the same seed." in text
    assert text.endswith("- PSNR × Fréchet distance of reconstructions: 20 to 30 dB; 100 to 1\n")


def test_csv_has_the_columns_of_the_table(both):
    head = ["arm", "figure", "unit", "better", "n", "mean", "deviation", "difference", "low", "high", "best"]
    rows = list(csv_format.DictReader(io.StringIO(front_formats.csv(both)), fieldnames=[*head, "values"]))
    plane = f"{PSNR} x {OF_RECONSTRUCTIONS}"
    assert [(row["arm"], row["figure"]) for row in rows] == [
        ("the VAE & co", f"area in {plane}"),
        ("steered", f"area in {plane}"),
        ("steered", f"area gained in {plane}"),
    ]
    assert float(rows[2]["low"]) == pytest.approx(0.25)
    assert rows[1]["values"] == "0:0.5;1:1.0"


def test_latex_is_set_by_latex(both, tmp_path):
    text = front_formats.latex(both, "a_b", "a-b")
    assert r"\label{tab:a-b-fronts}" in text and r"the VAE \& co: area" in text
    if not shutil.which("pdflatex"):
        pytest.skip("needs pdflatex")
    document = "\\documentclass{article}\\usepackage{booktabs, graphicx}\n\\begin{document}\n"
    (tmp_path / "page.tex").write_text(f"{document}{text}\\end{{document}}", encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout


def test_the_picture_has_a_panel_for_each_plane_of_psnr_and_ssim(tmp_path):
    arms = [
        *(arm("beta 1", (25, 10), (30, 10), ssim=0.5), arm("beta 2", (22, 50), (22, 50), ssim=0.6)),
        *(arm("share 0.1", (30, 10), (30, 1), ssim=0.7), arm("share 0.3", (20, 100), ssim=0.4)),
        arm("published", (24, 30), (26, 30), ssim=0.3),
    ]
    fronts = fronts_of(*arms, metrics=(PSNR, SSIM, EDGES, OF_RECONSTRUCTIONS, OF_SAMPLES))
    titles = [
        f"{distortion} × Fréchet distance of {of}"
        for of in ("reconstructions", "samples")
        for distortion in ("PSNR", "SSIM")
    ]
    assert save_fronts(tmp_path / "fronts.png", fronts) == titles
    with Image.open(tmp_path / "fronts.png") as image:
        colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 24)}
        assert image.width > 1000 and image.height > 900
    assert {(31, 119, 180), (255, 127, 14)} <= colours  # the first two of matplotlib's, one a group
    small = fronts_of(*arms, metrics=(PSNR, OF_SAMPLES))
    assert save_fronts(tmp_path / "small.png", small) == titles[2:3]


def test_nothing_is_drawn_without_psnr_and_ssim(tmp_path):
    arms = [arm("beta 1", (25, 10), ssim=0.5), arm("share 0.1", (22, 50), ssim=0.6)]
    fronts = fronts_of(*arms, metrics=(EDGES, OF_SAMPLES))
    assert len(fronts.planes) == 1
    assert save_fronts(tmp_path / "fronts.png", fronts) == []
    assert not (tmp_path / "fronts.png").exists()


def test_a_panel_is_as_wide_as_the_groups():
    arms = [arm("beta 1", (25, 10), (30, 10)), arm("share 0.1", (20, 50)), arm("published", (5, 30))]
    fronts = fronts_of(*arms, metrics=(PSNR, OF_SAMPLES))
    assert width(fronts.planes[0], fronts) == (19.5, 30.5)
    alone = fronts_of(*arms[1:], metrics=(PSNR, OF_SAMPLES))
    assert width(alone.planes[0], alone) == (19.95, 20.05)


def test_names_of_arms_that_would_overlap_are_below_each_other_and_above_the_bottom():
    wanted = {"far": (0, 9, 200.0), "close": (0, 9, 101.0), "closer": (5, 20, 100.0), "closest": (0, 9, 99.5)}
    placed = spread(wanted, 0)
    assert placed == {"far": 200, "close": 101, "closer": 101 - APART, "closest": 101 - 2 * APART}
    risen = spread(wanted, 99)
    assert risen == {"far": 200, "close": 101, "closer": 101 + APART, "closest": 101 + 2 * APART}
    assert spread({"left": (0, 9, 50.0), "right": (10, 20, 50.0)}, 0) == {"left": 50, "right": 50}
