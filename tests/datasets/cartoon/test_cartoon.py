"""The data set of cartoon faces: counts, cache, and the factors of each image."""

import pytest
import torch

from vaegan.datasets import Request, StoredImages, open_source
from vaegan.datasets.cartoon import source
from vaegan.datasets.cartoon.drawing import draw, sample_factors
from vaegan.errors import OptionError


@pytest.fixture
def cartoon(tmp_path):
    """Opens the data set with a cache of the test's own."""
    return lambda name="cartoon:40", size=16, **more: open_source(
        Request(name, size, cache_dir=tmp_path / "cache", **more)
    )


def test_there_are_10_000_faces_of_32_unless_said_otherwise():
    description = open_source(Request("cartoon")).describe()
    assert description.shape == (3, 32, 32)
    assert (description.n_train, description.n_test) == (8000, 2000)
    assert open_source(Request("cartoon:50")).describe().n_train == 40


def test_each_image_is_what_its_factors_draw(cartoon):
    splits = cartoon().load()
    assert (len(splits.train), len(splits.test)) == (32, 8)
    for part in (splits.train, splits.test):
        assert torch.equal(part.images, draw(part.factors, 16))
        assert part.labels is None
    together = torch.cat([splits.train.factors.continuous, splits.test.factors.continuous])
    assert torch.equal(together.sort(0).values, sample_factors(40, 0).continuous.sort(0).values)


def test_the_split_follows_the_split_seed(cartoon):
    first, again, other = (cartoon(split_seed=seed).load().test.images for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_faces_are_drawn_once_and_a_larger_set_adds_to_a_smaller(cartoon, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        source,
        "draw",
        lambda factors, size: (drawn.append(len(factors)), draw(factors, size))[1],
    )
    for name in ("cartoon:40", "cartoon:40", "cartoon:10", "cartoon:60"):
        cartoon(name).load()
    assert sum(drawn) == 60
    cartoon(size=24).load()
    assert sum(drawn) == 100


def test_another_way_of_drawing_is_another_cache(cartoon, monkeypatch):
    before = cartoon().load().train.images
    monkeypatch.setattr(source, "draw", lambda factors, size: draw(factors, size) // 2)
    assert torch.equal(cartoon().load().train.images, before)
    monkeypatch.setattr(source, "_version", lambda: "other")
    assert torch.equal(cartoon().load().train.images, before // 2)


def test_a_large_set_stays_on_disk(cartoon):
    splits = cartoon(memory_limit=0).load()
    assert isinstance(splits.train.images, StoredImages)
    assert torch.equal(splits.train.images[:], cartoon().load().train.images)
    assert len(splits.train.factors) == 32


def test_many_are_drawn_in_parallel(cartoon, monkeypatch):
    alone = cartoon("cartoon:60").load().train.images
    monkeypatch.setattr(source, "_version", lambda: "again")
    monkeypatch.setattr(source, "AT_ONCE", 2)
    monkeypatch.setattr("vaegan.datasets.decode.WORTH_PROCESSES", 64)
    assert torch.equal(cartoon("cartoon:60").load().train.images, alone)


@pytest.mark.parametrize("count", ["", "1", "0", "-5", "many", "1.5", "9" * 20])
def test_a_count_that_is_none_is_refused(count):
    with pytest.raises(
        OptionError, match="--dataset: the number of faces is a whole number from 2 to 10,000,000"
    ):
        open_source(Request(f"cartoon:{count}"))


@pytest.mark.parametrize("size", [8, 300])
def test_sizes_that_cannot_be_drawn_are_refused(size):
    with pytest.raises(OptionError, match="--image-size: cartoon faces have from 16 to 256 pixels a side"):
        open_source(Request("cartoon", size))


def test_a_run_on_cartoon_faces(command, tmp_path):
    status, _, errors = command(
        f"--dataset cartoon:40 --image-size 16 --batch-size 8 --epochs 1 --vae dense --hidden-dim 8 "
        f"--cache-dir {tmp_path / 'cache'}"
    )
    assert status == 0, errors
