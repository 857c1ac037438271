"""A long run spends little time on its files and writes few; a short run writes all."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from vaegan.config.make import make_config, resolved
from vaegan.figures import grids
from vaegan.run.folder import Run
from vaegan.training import budget
from vaegan.training.budget import SHARE, Budget
from vaegan.training.checkpoint import Checkpoints, Progress
from vaegan.training.pictures import Pictures


class Clock:
    """Stands still but for what is added to it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(budget, "time", clock)
    return clock


def test_a_budget_is_a_share_of_the_time(clock):
    saving = Budget()
    assert saving.allows()  # the first time
    with saving.spend():
        clock.now += 1
    assert not saving.allows()
    clock.now += 2 / SHARE - 1.01
    assert not saving.allows()
    clock.now += 0.02
    assert saving.allows()


def drawn(folder: Path, clock, epochs, seconds, cost, monkeypatch, **options) -> list[int]:
    """The epochs after which there are samples of a run whose epochs and pictures take so many seconds."""

    def draw(path, samples):
        clock.now += cost
        path.write_bytes(b"")

    monkeypatch.setattr("vaegan.run.folder.save_samples", draw)
    run = Run(folder, resolved(make_config({"epochs": epochs, **options}), 16))
    for epoch in range(epochs):
        clock.now += seconds
        run.on_epoch({"epoch": epoch}, Pictures(torch.zeros(1), None))
    run.close()
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == epochs
    return [int(path.stem.removeprefix("epoch-")) for path in sorted(run.paths.samples.iterdir())]


@pytest.mark.parametrize(
    ("epochs", "seconds", "cost", "options", "expected"),
    [
        (20, 0.1, 1, {}, list(range(1, 21))),  # few: all
        (120, 100, 1, {}, list(range(4, 121, 4))),  # time for 30
        (120, 0.1, 0.2, {}, []),  # time for some
        (120, 0.1, 1, {"figure_epochs": [1, 2, 3]}, [1, 2, 3, 120]),
    ],
)
def test_grids_are_thinned(epochs, seconds, cost, options, expected, clock, tmp_path, monkeypatch):
    found = drawn(tmp_path / "run", clock, epochs, seconds, cost, monkeypatch, **options)
    assert found[-1] == epochs
    if expected:
        assert found == expected
    else:  # the last is drawn whatever it takes
        assert 1 < len(found) <= 1 + SHARE * clock.now / cost


def saved(clock, seconds, cost, folder, **options) -> list[int]:
    """The epochs whose ends are worth a checkpoint that takes so many seconds."""
    config = resolved(make_config(options), 16)
    checkpoints = Checkpoints(folder, config, {})
    found, records = [], []
    for epoch in range(1, config.epochs + 1):
        clock.now += seconds
        records = [*records, {"test/gen/pbp": -epoch if epoch < 5 else 0}]
        if checkpoints.is_worth(Progress(epoch, 0, epoch, records=records)):
            found.append(epoch)
            with checkpoints._budget.spend():
                clock.now += cost
    return found


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"epochs": 20}, list(range(1, 21))),
        ({"epochs": 25, "save_every": "10min"}, list(range(1, 26))),
        ({"epochs": 25}, [1, 25]),
        ({"epochs": 25, "keep_epochs": [7]}, [1, 7, 25]),
        ({"epochs": 25, "keep_best": "test/gen/pbp"}, [1, 2, 3, 4, 25]),
    ],
)
def test_the_ends_of_epochs_that_are_saved(options, expected, clock, tmp_path):
    assert saved(clock, 0.1, 1, tmp_path, **options) == expected
    if expected == [1, 25]:  # epochs that take long are all saved
        assert saved(clock, 100, 1, tmp_path, **options) == list(range(1, 26))


def test_an_animation_of_large_pictures_stays_small(tmp_path, monkeypatch):
    monkeypatch.setattr(grids, "LARGEST_ANIMATION", 50_000)
    generator = torch.Generator().manual_seed(0)
    paths = [tmp_path / f"{n}.png" for n in range(4)]
    for path in paths:
        noise = torch.randint(256, (120, 200, 3), generator=generator).byte()
        Image.fromarray(noise.numpy()).save(path)
    grids.save_animation(tmp_path / "a.gif", paths)
    assert 20_000 < (tmp_path / "a.gif").stat().st_size <= 50_000
    with Image.open(tmp_path / "a.gif") as animation:
        assert animation.n_frames == 4
        assert animation.width / animation.height == pytest.approx(200 / 120, rel=0.05)


def test_a_long_run_that_lost_epochs_since_its_checkpoint_makes_them_again(command, tmp_path, monkeypatch):
    monkeypatch.setattr(Budget, "allows", lambda self: False)
    flags = "--vae dense --hidden-dim 4 --latent-dim 2 --image-size 16 --batch-size 700 --epochs 21"
    assert command(flags, "--run-name", "whole", "--keep-epochs", "3")[0] == 0
    folder = tmp_path / "runs" / "whole"
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    names = sorted(path.stem for path in (folder / "checkpoints").iterdir())
    assert names == ["epoch-0003", "step-00000009", "step-00000063"]
    (folder / "checkpoints" / "step-00000063.safetensors").unlink()
    (folder / "metrics.jsonl").write_text("".join(f"{line}\n" for line in lines[:9]))  # killed in epoch 10
    status, output, errors = command(f"--resume {folder}")
    assert status == 0, errors
    assert "going on from step-00000009.safetensors: epoch 4, step 10" in output
    again = (folder / "metrics.jsonl").read_text().splitlines()
    assert list(map(figures_of, again)) == list(map(figures_of, lines))


def figures_of(line: str) -> dict[str, float]:
    """An epoch's record without what differs between equal runs."""
    record = json.loads(line)
    return {key: value for key, value in record.items() if not key.startswith(("time/", "memory/"))}
