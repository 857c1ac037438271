"""Search for data sets: a data folder one level off, and a folder with the name of a data set."""

import shutil
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from vaegan.__main__ import main
from vaegan.config.make import make_config
from vaegan.config.schema import natures
from vaegan.datasets import Request, namesake, open_source, title
from vaegan.errors import OptionError
from vaegan.run.names import describe

INSIDE = {"mnist": "MNIST/raw", "cifar10": "cifar-10-batches-py", "faces": "anime_faces"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """The working directory, with a folder of real-looking data sets."""
    monkeypatch.chdir(tmp_path)
    for inside in INSIDE.values():
        (tmp_path / "all/data" / inside).mkdir(parents=True)
    return tmp_path


def photos(folder: Path, count: int = 12) -> Path:
    """A folder of small images, no two the same."""
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (8, 8), (20 * i, 100, 255 - 20 * i)).save(folder / f"{i:02}.png")
    return folder


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("mnist", "all/data/MNIST"),
        ("mnist", "all/data/MNIST/raw"),
        ("mnist", "all"),
        ("cifar10", "all/data/cifar-10-batches-py"),
        ("cifar10", "all"),
        ("faces", "all/data/anime_faces"),
        ("faces", "all"),
    ],
)
def test_a_data_folder_one_level_off_is_named_before_anything_is_downloaded(name, given, here):
    with pytest.raises(OptionError) as caught:
        open_source(Request(name, data_dir=Path(given)))
    assert str(caught.value) == (f"--data-dir: did you mean all/data? It contains {INSIDE[name]}")


def test_from_within_the_folder_the_right_one_is_named_whole(here, monkeypatch):
    monkeypatch.chdir(here / "all/data/MNIST")
    with pytest.raises(OptionError, match=f"did you mean {here.resolve()}/all/data\\? "):
        open_source(Request("mnist", data_dir=Path(".")))


@pytest.mark.parametrize("name", INSIDE)
def test_the_right_folder_and_one_that_is_to_be_made_are_taken(name, here):
    open_source(Request(name, data_dir=Path("all/data")))
    open_source(Request(name, data_dir=Path("new")))
    shutil.rmtree("all")
    Path("MNIST").mkdir()  # nothing lies there yet
    open_source(Request(name, data_dir=Path("MNIST")))


@pytest.mark.parametrize("name", ["digits", "mnist", "faces", "cartoon", "cifar10", "cartoon:40"])
def test_a_folder_called_like_a_data_set_is_spoken_of(name, here):
    assert namesake(name) is None
    photos(here / name)
    note = (
        f"--dataset {name}: the built-in data set, not the folder here; --dataset ./{name} takes the folder"
    )
    assert namesake(name) == note
    for path in (f"./{name}", str(here / name), "all"):
        assert namesake(path) is None


def test_training_says_which_was_taken_and_names_the_runs_apart(command, here):
    photos(here / "digits", 40)
    _, output, _ = command("--dataset digits --vae dense --dry-run")
    assert output.startswith("--dataset digits: the built-in data set, not the folder here; ")
    assert output.rstrip().endswith("runs/digits_dense-1")
    _, output, errors = command("--dataset ./digits --vae dense --batch-size 8 --dry-run")
    assert "built-in" not in output, errors
    assert output.rstrip().endswith("runs/digits-folder_dense-1")


@pytest.mark.parametrize(
    ("dataset", "beginning"),
    [
        *(
            ("cartoon:40", "cartoon-40_"),
            ("./cartoon:40", "cartoon-40-folder_"),
            ("digits/", "digits-folder_"),
        ),
        *(("pics", "pics_"), (".", "folder_"), ("/a/mnist", "mnist-folder_")),
    ],
)
def test_a_run_s_name_tells_a_folder_from_a_data_set(dataset, beginning):
    assert describe(make_config({"dataset": dataset}), title(dataset)).startswith(beginning)


def test_checking_such_a_folder_says_how_training_takes_it(here, capsys):
    photos(here / "digits")
    assert main(["check-data", "digits"]) == 0
    note = "note           --dataset digits is a built-in data set; --dataset ./digits takes a folder here"
    assert note in capsys.readouterr().out.splitlines()


def test_a_request_takes_every_option_that_decides_which_images_there_are():
    """All but the augmentation, which changes images as they are trained on."""
    asked = {each.name for each in fields(Request)} - {"name"} | {"dataset"}
    of_images = {name for name, nature in natures().items() if nature.images is not None}
    assert of_images - asked == {"augment"}


def test_a_request_of_options_holds_what_they_say():
    options = make_config({"dataset": "faces", "crop": 9, "value_range": [0, 5], "train_images": 7}).to_dict()
    request = Request.of(options | {"data_dir": "there"})
    assert (request.name, request.data_dir, request.crop) == ("faces", Path("there"), 9)
    assert (request.value_range, request.train_images, request.split) == ((0.0, 5.0), 7, None)
