"""Images in .npy and .npz files: shapes, ranges of values, labels, splits, and refused files."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vaegan.datasets import Request, StoredImages, open_source
from vaegan.datasets.array_file import Rows, stored_arrays
from vaegan.errors import OptionError

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (20, 8, 8), dtype=np.uint8)
COLOUR = RNG.integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)


def source(path: Path, size: int | None = None, **more):
    return open_source(Request(str(path), size, **more))


def saved(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def together(splits) -> torch.Tensor:
    """All images, in the order of their first pixels' values, so that the split does not matter."""
    images = torch.cat([splits.train.images[:], splits.test.images[:]])
    return images[np.lexsort(images.flatten(1).T.numpy()[::-1])]


def in_order(images: np.ndarray) -> torch.Tensor:
    """[N, C, H, W] in the same order."""
    return torch.from_numpy(images[np.lexsort(images.reshape(len(images), -1).T[::-1])])


@pytest.mark.parametrize(
    "save",
    [
        lambda file, images: np.save(file, images),
        lambda file, images: np.save(file, np.asfortranarray(images)),
        lambda file, images: np.savez(file, images=images),
        lambda file, images: np.savez_compressed(file, x=images),
        lambda file, images: np.savez_compressed(file, anything=np.asfortranarray(images)),
    ],
    ids=["npy", "npy in Fortran's order", "npz", "compressed npz", "compressed npz in Fortran's order"],
)
@pytest.mark.parametrize("memory_limit", [0, 1024])
def test_images_at_their_own_size_keep_their_pixels(tmp_path, save, memory_limit):
    for images, expected in ((GREY, GREY[:, None]), (COLOUR, COLOUR.transpose(0, 3, 1, 2))):
        save(tmp_path / "set", images)
        (file,) = tmp_path.glob("set*.np?")
        reader = source(file, memory_limit=memory_limit, cache_dir=tmp_path / "cache")
        description, splits = reader.describe(), reader.load()
        assert description.shape == expected.shape[1:] == splits.train.images.shape[1:]
        assert (description.n_train, description.n_test) == (len(splits.train), len(splits.test)) == (16, 4)
        assert isinstance(splits.train.images, StoredImages) == (memory_limit == 0)
        assert torch.equal(together(splits), in_order(expected))


def test_channels_may_come_first_which_is_said(tmp_path):
    reader = source(saved(tmp_path / "a.npy", COLOUR.transpose(0, 3, 1, 2)))
    assert any("taken as [N, C, H, W]" in remark for remark in reader.describe().remarks)
    assert torch.equal(together(reader.load()), in_order(COLOUR.transpose(0, 3, 1, 2)))


def test_transparency_becomes_white_and_one_channel_is_grey(tmp_path):
    images = np.zeros((5, 8, 8, 4), np.uint8)
    assert (source(saved(tmp_path / "a.npy", images)).load().train.images == 255).all()
    assert source(saved(tmp_path / "b.npy", GREY[..., None])).describe().shape == (1, 8, 8)


def test_images_are_cut_and_resized_as_those_of_a_folder(tmp_path):
    images = RNG.integers(0, 256, (5, 30, 20, 3), dtype=np.uint8)
    (tmp_path / "folder").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / f"folder/{i}.png")
    path = saved(tmp_path / "a.npy", images)
    assert source(path).describe().shape == (3, 64, 64)  # none of their own: they are not square
    for crop in (None, 10):
        ours, theirs = (source(place, 16, crop=crop).load() for place in (path, tmp_path / "folder"))
        assert torch.equal(ours.train.images, theirs.train.images)


SHARES = RNG.random((20, 8, 8))
SHARES[0, 0, :2] = 0, 1
RANGES = {
    # what: (an array, the values that become black and white)
    "[0, 1]": (SHARES.astype(np.float32), (0, 1)),
    "[-1, 1]": (SHARES.astype(np.float16) * 2 - 1, (-1, 1)),
    "[0, 255]": (SHARES * 255, (0, 255)),
    "any": (SHARES * 16, (0, 16)),
    "12 bits": ((SHARES * 4095).astype(np.uint16), (0, 4095)),
    "8 bits in whole numbers": ((SHARES * 255).astype(np.int64), (0, 255)),
    "big-endian": ((SHARES * 255).astype(">i4"), (0, 255)),
    "true and false": (SHARES > 0.5, (0, 1)),
}


@pytest.mark.parametrize(("images", "ends"), RANGES.values(), ids=RANGES.keys())
def test_one_range_is_found_over_all_images(tmp_path, images, ends):
    reader = source(saved(tmp_path / "a.npy", images))
    assert reader.value_range == ends
    expected = ((images.astype(np.float64) - ends[0]) / (ends[1] - ends[0]) * 255).round().astype(np.uint8)
    assert torch.equal(together(reader.load()), in_order(expected[:, None]))
    if images.dtype != bool:
        (remark,) = reader.describe().remarks
        assert f"{ends[0]} becomes black and {ends[1]} white" in remark


def test_a_given_range_goes_before_and_is_of_the_caches_key(tmp_path):
    path = saved(tmp_path / "a.npy", np.full((10, 8, 8), 0.5))
    for ends, level in ((None, 128), ((0, 2), 64), ((0, 0.5), 255)):
        splits = source(path, value_range=ends, memory_limit=0, cache_dir=tmp_path / "cache").load()
        assert splits.train.images[:].unique().tolist() == [level]


def test_8_bits_are_taken_as_they_are_and_dark_ones_remarked_on(tmp_path):
    path = saved(tmp_path / "a.npy", (SHARES > 0.5).astype(np.uint8))
    (remark,) = source(path).describe().remarks
    assert "no value above 1" in remark and "--value-range 0,1" in remark
    assert source(path).load().train.images.max() == 1
    assert source(path, value_range=(0, 1)).load().train.images.max() == 255
    assert source(path, value_range=(0, 1)).describe().remarks == ("0 becomes black and 1 white, as given",)
    assert source(saved(tmp_path / "b.npy", GREY)).describe().remarks == ()


def test_images_with_values_that_are_no_numbers_are_named(tmp_path):
    images = SHARES.copy()
    images[3, 0, 0], images[5, 1, 1] = np.nan, np.inf
    splits = source(saved(tmp_path / "a.npy", images)).load()
    assert [str(file) for file, _ in splits.skipped] == [f"{tmp_path}/a.npy[3]", f"{tmp_path}/a.npy[5]"]
    assert "not finite" in splits.skipped[0][1]
    assert len(splits.train) + len(splits.test) == 18


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (np.arange(20) % 3, ("0", "1", "2")),
        (np.arange(20)[:, None] % 3 + 5.0, ("5", "6", "7")),
        (np.array(["ü", "b"] * 10), ("b", "ü")),
    ],
    ids=["whole numbers", "a column of floats", "texts"],
)
@pytest.mark.parametrize("name", ["labels", "y"])
def test_labels_belong_to_their_images(tmp_path, labels, classes, name):
    images = np.broadcast_to(np.arange(20, dtype=np.uint8)[:, None, None], (20, 8, 8))
    np.savez(tmp_path / "a.npz", **{"images" if name == "labels" else "x": images, name: labels})
    splits = source(tmp_path / "a.npz").load()
    assert splits.train.classes == classes
    for part in (splits.train, splits.test):
        names = [str(labels.reshape(-1)[i]).removesuffix(".0") for i in part.images[:, 0, 0, 0]]
        assert [classes[label] for label in part.labels] == names
    assert source(tmp_path / "a.npz", labels="none").load().train.labels is None


@pytest.mark.parametrize(
    ("labels", "why"), [(RNG.random(20), "fractions"), (np.zeros((20, 40)), "one label per image")]
)
def test_labels_that_are_no_classes_are_left_out_and_said(tmp_path, labels, why):
    np.savez(tmp_path / "a.npz", images=GREY, labels=labels)
    assert any("no labels" in each and why in each for each in source(tmp_path / "a.npz").describe().remarks)
    assert source(tmp_path / "a.npz").load().train.labels is None


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
    ],
)
def test_a_ready_made_split_is_kept(tmp_path, names):
    x, y, x_test, y_test = names
    arrays = {x: GREY[:12], y: np.arange(12) % 2, x_test: GREY[12:], y_test: np.arange(8) % 2}
    np.savez(tmp_path / "a.npz", **arrays, val_images=GREY[:3])
    reader = source(tmp_path / "a.npz")
    said = "\n".join(reader.describe().remarks)
    assert "12 training, 8 held out" in said and "left out: val_images" in said
    splits = reader.load()
    assert torch.equal(splits.train.images[:, 0], torch.from_numpy(GREY[:12]))
    assert torch.equal(splits.test.images[:, 0], torch.from_numpy(GREY[12:]))
    assert splits.test.labels.tolist() == [0, 1] * 4
    anew = source(tmp_path / "a.npz", split="50/50")
    assert any("new split" in remark for remark in anew.describe().remarks)
    assert len(anew.load().train) == 10


REFUSED = {
    # what: (the arrays, what is said)
    "objects": (dict(images=np.array([GREY[0], GREY[0, :4]], object)), "Python objects, .*one size"),
    "flat": (dict(images=np.zeros((5, 784))), r"float64 \[5, 784\]; read is \[N, H, W\] .*reshape"),
    "one image": (dict(images=COLOUR[0]), r"looks like one image"),
    "two channels": (dict(images=np.zeros((5, 8, 8, 2))), "C 1, 3 or 4"),
    "none": (dict(images=GREY[:0]), "without any value"),
    "texts": (dict(images=np.full((5, 8, 8), "a")), "whole numbers or floats"),
    "complex numbers": (dict(images=np.zeros((5, 8, 8), complex)), "whole numbers or floats"),
    "two that could be it": (dict(a=GREY, b=GREY), r"no single one could .*a uint8 \[20, 8, 8\], b"),
    "other labels": (dict(images=GREY, labels=np.arange(7)), r"labels is int64 \[7\] for 20 images"),
    "two sizes": (dict(x_train=GREY, x_test=GREY[:, :4]), "x_test differs from x_train in shape"),
    "no numbers": (dict(images=np.full((5, 8, 8), np.nan)), "no finite value"),
}


@pytest.mark.parametrize(("arrays", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_array_of_images_is_refused(tmp_path, arrays, why):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(OptionError, match=why) as caught:
        source(tmp_path / "a.npz").describe()
    assert caught.value.option == "dataset" and "\n" not in caught.value.problem


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("content", [b"", b"PK\3\4 not whole", b"\x93NUMPY\1\0", b"hello " * 99, None])
def test_a_damaged_file_is_refused(tmp_path, name, content):
    if content is None:  # cut short
        np.savez(tmp_path / name, images=GREY) if name == "a.npz" else np.save(tmp_path / name, GREY)
        content = (tmp_path / name).read_bytes()[:900]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(OptionError, match=r"cannot be read .*copy it or save it again") as caught:
        source(tmp_path / name).describe()
    assert "\n" not in caught.value.problem


def test_a_changed_file_is_read_anew(tmp_path):
    cached = dict(memory_limit=0, cache_dir=tmp_path / "cache")
    for level in (10, 20):
        path = saved(tmp_path / "a.npy", np.full((10, 8, 8), level, np.uint8))
        os.utime(path, (time.time() + level,) * 2)  # clocks may be coarse
        assert source(path, **cached).load().train.images[:].unique().tolist() == [level]


def test_describing_8_bits_reads_no_more_than_the_first_images(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "a.npz", images=np.zeros((2000, 8, 8), np.uint8))
    read, counts = Rows.read, []
    monkeypatch.setattr(Rows, "read", lambda self, first, n=1: (counts.append(n), read(self, first, n))[1])
    source(tmp_path / "a.npz").describe()
    assert sum(counts) <= 256
    assert stored_arrays(tmp_path / "a.npz")["images"].shape == (2000, 8, 8)


def test_the_command_trains_on_an_array(tmp_path, command):
    path = saved(tmp_path / "a.npy", SHARES * 16)
    flags = "--batch-size 4 --epochs 1 --vae dense --hidden-dim 8 --latent-dim 2 --device cpu"
    status, out, errors = command(f"--dataset {path} {flags}")
    assert status == 0, errors
    assert "0 becomes black and 16 white" in out
