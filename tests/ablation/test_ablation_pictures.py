"""Pictures of an ablation, cut out of its runs' own and drawn from their figures."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from vaegan.ablation.pictures import (
    PERCEPTION,
    save_arm_curves,
    save_arm_samples,
    save_plane,
    save_strips,
)
from vaegan.ablation.table import ArmRuns
from vaegan.figures.grids import save_reconstructions, save_samples
from vaegan.run.reading import RunFiles

ORIGINALS = torch.rand(10, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def run_of(folder: Path, psnr=20.0, distance=1.0, records=(), network="random") -> RunFiles:
    values = {"psnr": psnr}
    distances = {PERCEPTION.removeprefix("distances/"): distance}
    sections = {
        "reconstruction": {"protocol": {}, "values": values},
        "distances": {"protocol": {"network": network}, "values": distances},
    }
    return RunFiles(folder, {"seed": 0}, {}, list(records), {"sections": sections})


def drawn(folder: Path, originals=ORIGINALS, shade=0.5) -> RunFiles:
    """A run whose reconstructions and samples all have one shade."""
    (folder / "figures").mkdir(parents=True)
    pairs = torch.stack([originals, torch.full_like(originals, shade)])
    save_reconstructions(folder / "figures" / "reconstructions.png", pairs)
    save_samples(folder / "figures" / "samples.png", torch.full((64, 3, 32, 32), shade))
    return run_of(folder)


def shades(path: Path) -> list[int]:
    """The values at the right end of a picture's rows, with equal neighbours taken together."""
    with Image.open(path) as image:
        column = [image.getpixel((image.width - 20, y))[0] for y in range(image.height)]
    return [value for i, value in enumerate(column) if i == 0 or column[i - 1] != value]


def test_strips_have_the_originals_once_and_each_arms_reconstructions_below(tmp_path):
    arms = [
        ArmRuns("one", {1: drawn(tmp_path / "b", shade=0.9), 0: drawn(tmp_path / "a", shade=0.2)}),
        ArmRuns("two", {0: drawn(tmp_path / "c", shade=0.6)}),
        ArmRuns("none", {}, {0: "failed"}),
    ]
    assert save_strips(tmp_path / "strips.png", arms) == ["one", "two"]
    of_arms = [value for value in shades(tmp_path / "strips.png") if value != 255][-2:]
    assert of_arms == [51, 153]  # the least seed's, of each
    with (
        Image.open(tmp_path / "strips.png") as image,
        Image.open(tmp_path / "a/figures/reconstructions.png") as own,
    ):
        wide = image.width - own.width
        tile = own.crop((0, 0, own.width, own.height // 2 - 2))
        assert image.crop((wide, 0, image.width, tile.height)).tobytes() == tile.convert("RGB").tobytes()


def test_an_arm_with_other_reference_images_has_no_strip(tmp_path):
    arms = [
        ArmRuns("one", {0: drawn(tmp_path / "a")}),
        ArmRuns("two", {0: drawn(tmp_path / "b", originals=ORIGINALS.flip(0))}),
    ]
    assert save_strips(tmp_path / "strips.png", arms) == ["one"]


def test_gans_have_no_strips(tmp_path):
    assert save_strips(tmp_path / "strips.png", [ArmRuns("gan", {0: run_of(tmp_path / "a")})]) == []
    assert not (tmp_path / "strips.png").exists()


def test_samples_have_a_row_an_arm(tmp_path):
    arms = [ArmRuns(str(shade), {0: drawn(tmp_path / str(shade), shade=shade)}) for shade in (0.2, 0.6)]
    assert save_arm_samples(tmp_path / "samples.png", arms) == ["0.2", "0.6"]
    assert [value for value in shades(tmp_path / "samples.png") if value != 255] == [51, 153]


def test_curves_are_means_over_the_seeds(tmp_path, monkeypatch):
    handed = {}
    monkeypatch.setattr(
        "vaegan.ablation.pictures.save_comparison", lambda path, runs, doubt: handed.update(runs) or ["KL"]
    )
    records = [
        [{"epoch": e, "phase": "solo", "test/gen/kl": kl} for e, kl in enumerate(kls)]
        for kls in ([1, 2], [3])
    ]
    arms = [ArmRuns("a", {seed: run_of(tmp_path, records=each) for seed, each in enumerate(records)})]
    assert save_arm_curves(tmp_path / "curves.png", [*arms, ArmRuns("none", {})]) == ["KL"]
    assert [(r["epoch"], r["test/gen/kl"]) for r in handed["a"]] == [(0, 2.0), (1, 2.0)]
    assert list(handed) == ["a"]


@pytest.mark.parametrize(
    ("points", "front"),
    [
        ({"a": [(20, 1.0)], "b": [(19, 2.0)]}, ["a"]),
        ({"a": [(20, 2.0)], "b": [(19, 1.0)], "c": [(18, 1.5)]}, ["a", "b"]),
        ({"a": [(20, 2.0), (18, 3.0)], "b": [(20, 2.0)]}, ["a", "b"]),
    ],
)
def test_the_plane_names_the_arms_on_the_front(tmp_path, points, front):
    """More dB and less distance are better."""
    arms = [
        ArmRuns(label, {i: run_of(tmp_path, psnr, distance) for i, (psnr, distance) in enumerate(each)})
        for label, each in points.items()
    ]
    assert sorted(save_plane(tmp_path / "plane.png", arms)) == front
    assert (tmp_path / "plane.png").exists()


def test_distances_in_other_features_have_no_plane(tmp_path):
    arms = [ArmRuns(name, {0: run_of(tmp_path, network=name)}) for name in ("random", "inception")]
    assert save_plane(tmp_path / "plane.png", arms) == []
    assert not (tmp_path / "plane.png").exists()


def test_without_distances_there_is_no_plane(tmp_path):
    arms = [ArmRuns("a", {i: run_of(tmp_path, distance=None) for i in range(2)})]
    assert save_plane(tmp_path / "plane.png", arms) == []
    assert not (tmp_path / "plane.png").exists()
