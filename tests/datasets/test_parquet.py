"""Hugging Face's parquet files: columns, labels, splits by file name, and rows that hold no image."""

import io
import json
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import vaegan.datasets.decode
from vaegan.datasets import Request, StoredImages, open_source
from vaegan.errors import OptionError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
FEATURES = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}


def png(shade: int) -> bytes:
    content = io.BytesIO()
    Image.new("L", (8, 8), shade).save(content, format="png")
    return content.getvalue()


def write(file: Path, shades: range, features: dict | None = FEATURES, **columns) -> Path:
    """Images in greys and their labels, as `Dataset.to_parquet` writes them, 4 rows in a group."""
    file.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": png(shade), "path": f"{shade}.png"} for shade in shades]
    table = pa.table({"image": images, "label": [shade % 2 for shade in shades]} | columns)
    if features is not None:
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, file, row_group_size=4)
    return file


def source(path: Path, size: int = 8, **more):
    return open_source(Request(str(path), size, **more))


def shades(images) -> list[int]:
    return images[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("memory_limit", [0, 1024])
def test_a_file_is_read_with_its_labels(tmp_path, memory_limit):
    path = write(tmp_path / "a.parquet", range(25))
    reader = source(path, memory_limit=memory_limit, cache_dir=tmp_path / "cache")
    assert (reader.describe().n_train, reader.describe().n_test) == (20, 5)
    for _ in range(2):
        splits = reader.load()
        assert isinstance(splits.train.images, StoredImages) == (memory_limit == 0)
        assert splits.train.classes == ("cat", "dog")
        for part in (splits.train, splits.test):
            assert part.labels.tolist() == [shade % 2 for shade in shades(part.images)]
        assert sorted(shades(splits.train.images) + shades(splits.test.images)) == list(range(25))
    assert source(path, labels="none").load().train.labels is None


@pytest.mark.parametrize("place", ["", "data"])
def test_a_folder_is_split_by_the_names_of_its_files(tmp_path, place):
    folder = tmp_path / "set"
    write(folder / place / "train-00000-of-00002.parquet", range(6))
    write(folder / place / "train-00001-of-00002-0a1b.parquet", range(6, 10))
    write(folder / place / "test-00000-of-00001.parquet", range(10, 13))
    write(folder / place / "validation-00000-of-00001.parquet", range(13, 15))
    (folder / "README.md").write_text("about")
    reader = source(folder)
    said = "\n".join(reader.describe().remarks)
    assert "10 training, 3 held out (test); left out: validation-00000-of-00001.parquet" in said
    splits = reader.load()
    assert (shades(splits.train.images), shades(splits.test.images)) == ([*range(10)], [10, 11, 12])
    anew = source(folder, split="80/20")
    assert "new split" in "\n".join(anew.describe().remarks)
    assert len(anew.load().train) == 12


def test_rows_without_an_image_are_named(tmp_path):
    images = [{"bytes": png(1), "path": None}, {"bytes": None, "path": "x.png"}, None]
    images += [{"bytes": b"broken", "path": None}] + [{"bytes": png(2), "path": None}] * 3
    path = write(tmp_path / "a.parquet", range(7), image=images)
    splits = source(path).load()
    assert [str(file.relative_to(tmp_path)) for file, _ in splits.skipped] == [
        f"a.parquet[{i}]" for i in (1, 2, 3)
    ]
    for (_, reason), part in zip(splits.skipped, ("the path x.png", "no image", "identify"), strict=True):
        assert part in reason
    assert sorted(shades(splits.train.images) + shades(splits.test.images)) == [1, 2, 2, 2]


def test_other_columns_and_labels_are_left_out_and_said(tmp_path):
    features = FEATURES | {"mask": {"_type": "Image"}, "coarse": {"_type": "ClassLabel", "names": ["x"]}}
    more = {"mask": [{"bytes": png(0), "path": None}] * 25, "coarse": [0] * 25}
    said = "\n".join(source(write(tmp_path / "a.parquet", range(25), features, **more)).describe().remarks)
    assert "column image; left out: mask" in said
    assert "column label; left out: coarse" in said


def test_without_hugging_faces_notes_columns_are_found_by_their_types(tmp_path):
    path = write(tmp_path / "a.parquet", range(25), None, label=["b", "a"] * 12 + [None])
    splits = source(path).load()
    assert len(splits.train) == 20 and splits.train.classes == ("a", "b", "no label")
    table = pa.table({"img": [png(i) for i in range(25)]})
    pq.write_table(table, tmp_path / "b.parquet")
    assert len(source(tmp_path / "b.parquet").load().train) == 20


def test_many_rows_are_decoded_in_parallel(tmp_path, monkeypatch):
    monkeypatch.setattr(vaegan.datasets.decode, "WORTH_PROCESSES", 10)
    reader = source(write(tmp_path / "a.parquet", range(200)))
    next(reader.decoded([7]))
    images, problems = reader._read()
    assert shades(images) == list(range(200)) and problems == {}


def test_images_win_over_parquet_files_beside_them_which_are_counted(tmp_path):
    write(tmp_path / "set/metadata.parquet", range(5))
    Image.new("L", (8, 8)).save(tmp_path / "set/a.png")
    reader = source(tmp_path / "set")
    assert len(reader.load().test) == 1
    assert any("1 parquet" in remark for remark in reader.describe().remarks)


def test_a_file_without_images_is_refused_with_its_columns(tmp_path):
    pq.write_table(pa.table({"text": ["a"], "n": [1]}), tmp_path / "a.parquet")
    with pytest.raises(OptionError, match=r"no column of images in a.parquet \(columns: text, n\)"):
        source(tmp_path / "a.parquet")


@pytest.mark.parametrize("content", [b"", b"hello " * 99])
def test_a_damaged_file_is_refused(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(OptionError, match=r"a\.parquet cannot be read") as caught:
        source(tmp_path / "a.parquet").describe()
    assert "\n" not in caught.value.problem


def test_without_pyarrow_it_is_said_what_to_install(tmp_path, monkeypatch):
    write(tmp_path / "a.parquet", range(5))
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(OptionError, match=r"pyarrow, .* is missing; pip install 'vaegan\[parquet\]'"):
        source(tmp_path / "a.parquet")


def test_a_changed_file_is_read_anew(tmp_path):
    cached = dict(memory_limit=0, cache_dir=tmp_path / "cache")
    for first in (0, 100):
        path = write(tmp_path / "a.parquet", range(first, first + 10 + first // 100))
        splits = source(path, **cached).load()
        assert min(shades(splits.train.images) + shades(splits.test.images)) == first
    assert torch.equal(splits.train.labels, torch.tensor([s % 2 for s in shades(splits.train.images)]))
