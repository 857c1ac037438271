"""Data sets given by a path: the reader that accepts it, and the message if none does."""

from pathlib import Path

import pytest
from PIL import Image

from vaegan.datasets import Request, open_source, readers, register_reader
from vaegan.datasets.folder import Folder
from vaegan.errors import OptionError

# a file's name, what it is called, what to do
UNREAD = [
    ("photo.png", "one image", "the folder that contains it"),
    ("photo.heic", "HEIC", "convert"),
    ("faces.7z", "packed archive", "unpack"),
    ("faces.rar", "packed archive", "unpack"),
    ("faces.gz", "compressed file", "unpack"),
    ("set.h5", "HDF5", "numpy.savez"),  # Pillow has a name for its ending, and does not read it
    ("set.mat", "MATLAB", "numpy.savez"),
    ("set.tfrecord", "TensorFlow", "numpy.savez"),
    ("set.pt", "PyTorch", "numpy.savez"),
    ("set.PKL", "pickled", "numpy.savez"),
    ("set.csv", "table", "folder of images"),
    ("film.mp4", "video", "extract images"),
    ("run.yaml", "config", "--config"),
    ("anything", "not read", "numpy.savez"),
]


@pytest.mark.parametrize(("name", "what", "todo"), UNREAD)
def test_a_file_that_is_not_read_is_answered_with_what_it_is_and_what_to_do(tmp_path, name, what, todo):
    (tmp_path / name).write_bytes(b"x" * 100)
    with pytest.raises(OptionError) as caught:
        open_source(Request(str(tmp_path / name)))
    assert caught.value.option == "dataset"
    said, _, read = caught.value.problem.partition(". What is read: ")
    assert what in said and todo in said
    assert read.startswith("a folder of images")
    assert "\n" not in caught.value.problem


def test_content_tells_an_image_without_an_ending(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "photo", format="png")
    with pytest.raises(OptionError, match="one image; give the folder"):
        open_source(Request(str(tmp_path / "photo")))


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    (tmp_path / "set.zip").symlink_to(tmp_path / "gone.zip")
    with pytest.raises(OptionError, match="a link that leads nowhere"):
        open_source(Request(str(tmp_path / "set.zip")))


@pytest.mark.parametrize("name", ["", "nowhere", "n" * 300, "a\0b"])
def test_where_there_is_nothing_the_known_ones_are_listed(name):
    with pytest.raises(
        OptionError, match=r"neither a data set nor a folder or file; .*digits.*of a folder of"
    ):
        open_source(Request(name))


def test_a_new_reader_is_asked_before_the_folder_and_named_in_messages(tmp_path, monkeypatch):
    monkeypatch.setattr(readers, "_readers", [*readers._readers])

    @register_reader("a folder of toys", lambda path: (path / "toys").exists())
    class Toys(Folder):
        pass

    (tmp_path / "toys").touch()
    assert isinstance(open_source(Request(str(tmp_path))), Toys)
    (tmp_path / "toys").unlink()
    assert type(open_source(Request(str(tmp_path)))) is Folder
    with pytest.raises(OptionError, match="a folder of toys"):
        open_source(Request(str(Path("nowhere"))))
