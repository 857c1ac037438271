"""Information from the paths of images: ready-made splits, class folders, labels.csv."""

import unicodedata
from pathlib import PurePath

import pytest

from vaegan.datasets import Request
from vaegan.datasets.layout import read_layout


def layout(*names: str, tables: dict[str, str] | None = None, **options):
    """The layout of images of these names; "a/{}.png*3" stands for a/0.png, a/1.png and a/2.png."""
    paths = [PurePath(name) for given in names for name in _several(given)]
    tables = {PurePath(place): text for place, text in (tables or {}).items()}
    return paths, read_layout(paths, tables, **options)


def _several(given: str) -> list[str]:
    name, _, count = given.partition("*")
    return [name.format(i) for i in range(int(count or 1))]


def held_out(paths, found) -> list[str]:
    return [str(paths[i]) for i, out in zip(found.kept, found.held_out.tolist(), strict=True) if out]


def classes(paths, found) -> dict[str, str]:
    """The class name of each image."""
    codes, names = found.labels
    return {str(paths[i]): names[code] for i, code in zip(found.kept, codes.tolist(), strict=True)}


@pytest.mark.parametrize("train", ["train", "Training"])
@pytest.mark.parametrize("test", ["test", "TEST", "val", "Valid", "validation"])
@pytest.mark.parametrize("above", ["", "set/", "set/images/"])
def test_two_folders_are_a_split_as_they_are(train, test, above):
    paths, found = layout(f"{above}{train}/{{}}.png*3", f"{above}{test}/{{}}.png*2")
    assert held_out(paths, found) == [f"{above}{test}/0.png", f"{above}{test}/1.png"]
    assert found.labels is None
    (remark,) = found.remarks
    assert remark.startswith("split as in the folders: 3 training, 2 held out (")
    assert "--split 80/20" in remark


def test_beside_a_test_folder_validation_images_are_left_out_and_so_are_all_others():
    paths, found = layout("train/{}.png*3", "test/{}.png*2", "val/{}.png*4", "more/a.png", "b.png")
    assert held_out(paths, found) == ["test/0.png", "test/1.png"]
    assert len(found.kept) == 5
    assert "left out: 4 in val and 2 outside them" in found.remarks[0]


def test_a_new_split_takes_all_images():
    _, found = layout("train/{}.png*3", "test/{}.png*2", "b.png", new_split=True)
    assert found.held_out is None
    assert found.kept == list(range(6))


@pytest.mark.parametrize(
    "names", [["train/{}.png*3"], ["train/a/{}.png*3", "train/b/{}.png*3"], ["test/a.png"]]
)
def test_one_side_alone_is_no_split_and_is_said(names):
    _, found = layout(*names)
    assert found.held_out is None
    assert "has no counterpart" in found.remarks[0]


@pytest.mark.parametrize("above", ["", "set/", "train/"])
def test_folders_are_classes(above):
    _, found = layout(*(f"{above}{name}/{{}}.png*2" for name in ("dog", "cat", "cat/kittens")))
    assert found.labels[1] == ("cat", "dog")
    assert found.labels[0].tolist() == [1, 1, 0, 0, 0, 0]
    assert "labels: 2 class folders (cat 4, dog 2); --labels none" in found.remarks[-1]


def test_folders_of_a_split_are_classes_too():
    paths, found = layout("train/cat/{}.png*2", "train/dog/{}.png*2", "test/dog/{}.png*2", "test/cat/a.png")
    assert set(found.labels[1]) == {"cat", "dog"}
    assert all(name in path for path, name in classes(paths, found).items())


def test_numbers_are_in_their_own_order():
    _, found = layout(*(f"{i}/{{}}.png*2" for i in (10, 9, 1)), "other/{}.png*2")
    assert found.labels[1] == ("1", "9", "10", "other")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        (["{}.png*9"], None),
        (["a/{}.png*9"], None),
        (
            ["a/{}.png*9", "b/{}.png*9", "c.png"],
            "no labels: 2 folders could be classes, but images (1) lie next to them",
        ),
        ([f"{i}/a.png" for i in range(30)], "no labels: 30 class folders for 30 images"),
        ([f"{i}/{{}}.png*3" for i in range(1001)], "no labels: 1,001 class folders"),
    ],
)
def test_what_cannot_be_classes_is_said(names, why):
    _, found = layout(*names)
    assert found.labels is None
    assert [remark[: len(why)] for remark in found.remarks] == [why] if why else not found.remarks


def test_labels_that_are_not_wanted_are_not_there():
    _, found = layout("a/{}.png*2", "b/{}.png*2", tables={"labels.csv": "file,class\n"}, labelled=False)
    assert found.labels is None
    assert found.remarks == ()


FILES = ("a.png", "b/c.png", "b/d.png", "b/e.png")
CLASSES = ("cat", "dog", "cat", "dog")
TABLES = {
    "commas": "file,class\na.png,cat\nb/c.png,dog\nb/d.png,cat\nb/e.png,dog\n",
    "semicolons": "class;image\r\ncat;./a.png\r\ndog;b\\c.png\r\ncat;b/d.png\r\n\r\ndog;b/e.png\r\n",
    "tabs and other columns": "n\tFilename\tLabel\n3\ta.png\tcat\n4\tc.png\tdog\n\td.png\tcat\n\te.png\tdog",
    "no endings": 'id,class\na,"cat"\nb/c,dog\nb/d,cat\ne,dog\n',
}


@pytest.mark.parametrize("text", TABLES.values(), ids=TABLES)
def test_a_table_names_the_classes(text):
    paths, found = layout(*FILES, tables={"labels.csv": text})
    assert classes(paths, found) == dict(zip(FILES, CLASSES, strict=True))
    (remark,) = found.remarks
    assert remark.startswith("labels: 2 classes from labels.csv (cat 2, dog 2); ")


def test_a_table_lies_where_its_files_do_and_there_may_be_several():
    tables = {
        "set/train/labels.csv": "file,class\n0.png,cat\n1.png,dog\n",
        "set/test/labels.csv": "file,class\n0.png,dog\n1.png,cat\n",
    }
    paths, found = layout("set/train/{}.png*2", "set/test/{}.png*2", tables=tables)
    assert list(classes(paths, found).values()) == ["cat", "dog", "dog", "cat"]


def test_what_is_odd_in_a_table_is_said():
    text = "file,class\na.png,cat\nb/c.png,dog\nb/d.png,cat\na.png,dog\ngone.png,dog\n"
    paths, found = layout(*FILES, "f.png", "g.png", tables={"labels.csv": text})
    assert classes(paths, found) == {
        **dict(zip(FILES, CLASSES, strict=True)),
        **dict.fromkeys(("b/e.png", "f.png", "g.png"), "no label"),
    }
    assert [remark.partition(" labels.csv")[0] for remark in found.remarks][:3] == [
        "1 rows of",
        "1 rows of",
        "3 images that",
    ]


@pytest.mark.parametrize("text", ["", "a.png,cat\n", "file,size\na.png,3\n"])
def test_a_table_without_the_two_columns_is_not_used_and_named(text):
    _, found = layout(*FILES, tables={"labels.csv": text})
    assert found.labels is None
    assert found.remarks[0].startswith("labels.csv is not used: its first line needs")


@pytest.mark.parametrize(("split", "share"), [(None, 0.8), ("80/20", 0.8), ("90/10", 0.9), ("2/1", 2 / 3)])
def test_the_share_of_training_images(split, share):
    assert Request("x", split=split).train_share == share


@pytest.mark.parametrize(
    "names",
    [
        ("set/train/{}.png*4", "set/val/{}.png*2", "stray.png"),
        ("a/train/{}.png*3", "b/train/{}.png*3", "a/test/c.png"),
    ],
)
def test_a_split_that_lies_deeper_is_said_and_not_taken(names):
    _, found = layout(*names)
    assert found.held_out is None
    assert any("are not used as a ready-made split" in remark for remark in found.remarks)


def test_a_table_and_the_files_may_write_accents_in_two_ways():
    names = [f"é{i}.png" for i in range(4)]
    table = "file,class\n" + "".join(f"{name},{'ab'[i % 2]}\n" for i, name in enumerate(names))
    on_a_mac = [unicodedata.normalize("NFD", name) for name in names]
    assert on_a_mac != names
    paths, found = layout(*on_a_mac, tables={"labels.csv": table})
    assert list(classes(paths, found).values()) == ["a", "b", "a", "b"]
