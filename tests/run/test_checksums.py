"""Checksums of images: one per image, the same in memory and on disk."""

import sqlite3

import numpy as np
import pytest
import torch

from vaegan.datasets.store import ImageStore
from vaegan.run.checksums import as_text, checksums, difference

SHAPE = (3, 5, 7)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 256, (40, *SHAPE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def stored(folder, images: torch.Tensor):
    keys = [str(i).encode() for i in range(len(images))]
    return ImageStore(folder, SHAPE).fetch(keys, lambda at: (images[i].numpy() for i in at), "making")[0]


def test_one_pixel_changes_the_checksum_of_its_image_alone(images):
    before = checksums(images)
    images[17, 2, 4, 6] ^= 1
    assert (checksums(images) != before).nonzero()[0].tolist() == [17]


def test_images_in_several_portions_and_not_in_one_piece_have_the_same(images, monkeypatch):
    expected = checksums(images)
    monkeypatch.setattr("vaegan.run.checksums.AT_ONCE", 1000)
    assert np.array_equal(checksums(images.mT.contiguous().mT), expected)
    assert len(checksums(images[:0])) == 0


def test_images_in_the_store_have_the_same_and_are_not_read_for_it(images, tmp_path, monkeypatch):
    order = torch.randperm(40)
    for _ in range(2):  # as they are made, and when they are there
        part = stored(tmp_path, images).part(order)
        assert torch.equal(part[:], images[order])
        with monkeypatch.context() as patch:
            patch.setattr(type(part), "__getitem__", lambda *_: pytest.fail("read"))
            assert np.array_equal(checksums(part), checksums(images[order]))


def test_a_store_from_before_there_were_any_is_read_for_them(images, tmp_path):
    stored(tmp_path, images)
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        index.execute("DROP TABLE checksums")
    assert np.array_equal(checksums(stored(tmp_path, images)), checksums(images))


def test_what_leaves_the_store_takes_its_checksum_along(images, tmp_path):
    stored(tmp_path, images)
    few = ImageStore(tmp_path, SHAPE).fetch([b"3", b"new"], lambda _: [images[0].numpy()], "making")[0]
    assert np.array_equal(checksums(few), checksums(images[[3, 0]]))
    with sqlite3.connect(tmp_path / "index.sqlite") as index:
        assert index.execute("SELECT COUNT(*) FROM checksums").fetchone() == (2,)


def test_the_difference_is_said_in_words(images):
    def text(images):
        return as_text(checksums(images))

    before = text(images)
    assert difference(text(images.clone()), before) is None
    assert difference(text(images.flip(0)), before) == "the same images in another order"
    assert difference(text(images[:39]), before) == "39, but there were 40"
    images[[5, 7]] += 1
    assert difference(text(images), before) == "2 of 40"
