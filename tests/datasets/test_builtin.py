"""Built-in data sets: descriptions equal the loaded data, and missing files are named."""

import gzip
import hashlib
import shutil
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from sklearn.datasets import load_digits

from vaegan.datasets import Request, cifar10, open_source
from vaegan.datasets.torchvision_files import read_torchvision
from vaegan.errors import OptionError

MNIST_FILES = [
    f"{part}-ubyte.gz"
    for part in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
]
CIFAR_FILES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whatever asks for an address is told that there is no network."""

    def refuse(*_, **__):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Every path below the folder, with size and time of change."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def load_as_described(request: Request):
    """The loaded data set, after a check that it matches its description."""
    description = open_source(request).describe()
    splits = open_source(request).load()
    assert splits.train.images.shape == (description.n_train, *description.shape)
    assert splits.test.images.shape == (description.n_test, *description.shape)
    for part in (splits.train, splits.test):
        assert part.images.dtype == torch.uint8
        assert part.labels is None or (part.labels.shape == (len(part),) and part.labels.dtype == torch.int64)
    assert splits.skipped == []
    return splits


def test_the_folder_of_cifar10_is_named_as_torchvision_names_it():
    assert torchvision.datasets.CIFAR10.base_folder == cifar10.FOLDER


@pytest.mark.parametrize("size", [None, 8, 16, 28, 33])
def test_digits_are_what_they_describe_at_every_size(size):
    splits = load_as_described(Request("digits", size))
    side = size or 32
    assert splits.train.images.shape == (1437, 1, side, side)
    assert splits.test.images.shape == (360, 1, side, side)
    assert splits.train.images.max() == 255
    assert splits.train.images.min() == 0


def test_digits_at_their_own_size_are_sklearns_each_with_its_label():
    digits = load_digits()
    grey = (digits.images * 255 / 16).round().astype(np.uint8)
    expected = Counter(
        (image.tobytes(), int(label)) for image, label in zip(grey, digits.target, strict=True)
    )
    splits = open_source(Request("digits", 8)).load()
    found = Counter(
        (image.numpy().tobytes(), int(label))
        for part in (splits.train, splits.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert found == expected


def test_digits_are_split_by_the_split_seed():
    first, again, other = (open_source(Request("digits", 8, split_seed=s)).load() for s in (0, 0, 1))
    assert torch.equal(first.test.images, again.test.images)
    assert not torch.equal(first.test.images, other.test.images)


@pytest.fixture
def mnist(data_dir, tmp_path) -> Path:
    """A data folder with MNIST's archives alone: copies, so that no mistake can reach the real ones."""
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for name in MNIST_FILES:
        if not (data_dir / "MNIST/raw" / name).is_file():
            pytest.skip(f"no {name}")
        shutil.copy(data_dir / "MNIST/raw" / name, raw)
    return tmp_path


def test_mnist_resized_is_what_it_describes(mnist):
    splits = load_as_described(Request("mnist", 32, mnist))
    assert splits.train.images.shape == (60_000, 1, 32, 32)


def test_mnist_is_read_from_its_archives_and_leaves_their_folder_alone(mnist):
    raw = mnist / "MNIST/raw"
    before = contents(mnist)
    splits = load_as_described(Request("mnist", data_dir=mnist))
    assert contents(mnist) == before
    pixels = np.frombuffer(gzip.decompress((raw / MNIST_FILES[2]).read_bytes())[16:], np.uint8)
    assert torch.equal(splits.test.images, torch.from_numpy(pixels.copy()).view(10_000, 1, 28, 28))
    labels = np.frombuffer(gzip.decompress((raw / MNIST_FILES[3]).read_bytes())[8:], np.uint8)
    assert splits.test.labels.tolist() == labels.tolist()


@pytest.fixture
def cifar10_files(data_dir, tmp_path) -> Path:
    """A data folder with links to CIFAR-10's files: none can be added to the real folder."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for file in (data_dir / folder.name).iterdir():
        (folder / file.name).symlink_to(file)
    return tmp_path


def test_cifar10_is_what_torchvision_reads(cifar10_files, monkeypatch):
    dataset = torchvision.datasets.CIFAR10
    monkeypatch.setattr(dataset, "train_list", dataset.train_list[:2])  # the batches that the test data has
    splits = open_source(Request("cifar10", data_dir=cifar10_files)).load()
    assert splits.train.images.shape == (20_000, 3, 32, 32)
    assert splits.test.images.shape == (10_000, 3, 32, 32)
    reference = dataset(cifar10_files, train=True)
    for index in (0, 7, 19_999):
        image, label = reference[index]
        assert torch.equal(splits.train.images[index], torch.from_numpy(np.array(image)).permute(2, 0, 1))
        assert splits.train.labels[index] == label
    assert Counter(splits.test.labels.tolist()) == dict.fromkeys(range(10), 1000)


@pytest.mark.parametrize("size", [None, 16])
def test_cifar10_describes_itself_without_files(tmp_path, size):
    description = open_source(Request("cifar10", size, tmp_path)).describe()
    assert description.shape == (3, size or 32, size or 32)
    assert (description.n_train, description.n_test) == (50_000, 10_000)


def test_faces_are_what_they_describe(data_dir):
    splits = load_as_described(Request("faces", data_dir=data_dir))
    assert splits.train.images.shape == (3200, 3, 64, 64)
    assert splits.test.images.shape == (800, 3, 64, 64)


def test_faces_without_their_folder_describe_a_shape_but_no_count(tmp_path):
    description = open_source(Request("faces", 32, tmp_path)).describe()
    assert description.shape == (3, 32, 32)
    assert description.n_train is None
    assert str(tmp_path / "anime_faces") in description.note


def test_faces_without_their_folder_cannot_be_loaded(tmp_path):
    with pytest.raises(OptionError) as caught:
        open_source(Request("faces", data_dir=tmp_path)).load()
    assert caught.value.option == "dataset"
    for part in (f"no folder {tmp_path / 'anime_faces'}", "--dataset PATH", "--data-dir"):
        assert part in caught.value.problem


@pytest.mark.parametrize(
    ("name", "folder", "files"),
    [("mnist", "MNIST/raw", MNIST_FILES), ("cifar10", "cifar-10-batches-py", CIFAR_FILES)],
)
def test_missing_files_are_named_and_nothing_is_made(tmp_path, name, folder, files):
    with pytest.raises(OptionError) as caught:
        open_source(Request(name, data_dir=tmp_path)).load()
    assert caught.value.option == "dataset"
    named = ", ".join(f"{folder}/{file}" for file in files)
    assert caught.value.problem.startswith(
        f"missing or damaged in {tmp_path}: {named}; the download failed ("
    )
    assert "no network in tests" in caught.value.problem
    assert "--data-dir" in caught.value.problem
    assert "\n" not in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_damaged_archives_are_named_and_left_as_they_are(tmp_path):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for name in MNIST_FILES[:3]:
        (raw / name).write_bytes(b"damaged")
    before = contents(tmp_path)
    with pytest.raises(OptionError, match="missing or damaged") as caught:
        open_source(Request("mnist", data_dir=tmp_path)).load()
    assert all(name in caught.value.problem for name in MNIST_FILES)
    assert contents(tmp_path) == before


def test_damaged_unpacked_files_are_passed_over_for_the_archives(data_dir, tmp_path):
    raw = tmp_path / "MNIST/raw"
    raw.mkdir(parents=True)
    for name in MNIST_FILES:
        (raw / name).symlink_to((data_dir / "MNIST/raw" / name).resolve())
        (raw / name.removesuffix(".gz")).write_bytes(b"")
    splits = open_source(Request("mnist", data_dir=tmp_path)).load()
    assert len(splits.train) == 60_000


class Toy:
    """Reads and downloads as torchvision's classes do: `a.gz` and `b.gz`, unpacked beside themselves."""

    downloads = 0

    def __init__(self, root: Path, train: bool = True, download: bool = False):
        folder = Path(root) / "Toy/raw"
        if download:
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("a", "b"):
                if not (folder / f"{name}.gz").exists():
                    type(self).downloads += 1
                    print("downloading", name)
                    (folder / f"{name}.gz").write_text(name)
                (folder / name).write_text((folder / f"{name}.gz").read_text())
        if not (folder / "a").exists() or not (folder / "b").exists():
            raise RuntimeError("Dataset not found.")
        self.data = (folder / ("a" if train else "b")).read_text()


@pytest.fixture
def toy(monkeypatch) -> type[Toy]:
    monkeypatch.setattr(Toy, "downloads", 0)
    return Toy


def read_toy(toy: type[Toy], data_dir: Path) -> list[str]:
    archives = {f"Toy/raw/{name}.gz": hashlib.md5(f"{name}".encode()).hexdigest() for name in ("a", "b")}
    return [part.data for part in read_torchvision(toy, data_dir, archives)]


def test_a_download_is_announced_in_one_line_and_kept_for_the_next_time(toy, tmp_path, capsys):
    assert read_toy(toy, tmp_path) == ["a", "b"]
    assert toy.downloads == 2
    announced = f"downloading Toy/raw/a.gz, Toy/raw/b.gz to {tmp_path}\n"
    assert capsys.readouterr() == (announced, "")
    assert {path.name for path in (tmp_path / "Toy/raw").iterdir()} >= {"a", "b"}
    assert read_toy(toy, tmp_path) == ["a", "b"]
    assert toy.downloads == 2


def test_archives_that_are_all_there_are_unpacked_elsewhere(toy, tmp_path):
    (tmp_path / "Toy/raw").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / "Toy/raw" / f"{name}.gz").write_text(name)
    before = contents(tmp_path)
    assert read_toy(toy, tmp_path) == ["a", "b"]
    assert toy.downloads == 0
    assert contents(tmp_path) == before


@pytest.mark.parametrize("present", [None, "damaged"])
def test_only_the_archive_that_is_missing_or_damaged_is_downloaded(toy, tmp_path, present):
    (tmp_path / "Toy/raw").mkdir(parents=True)
    (tmp_path / "Toy/raw/a.gz").write_text("a")
    if present:
        (tmp_path / "Toy/raw/b.gz").write_text(present)
    assert read_toy(toy, tmp_path) == ["a", "b"]
    assert toy.downloads == 1
    assert (tmp_path / "Toy/raw/b.gz").read_text() == "b"


def test_a_data_folder_that_cannot_be_written_is_a_users_error(toy, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="--data-dir: cannot save the downloaded files"):
        read_toy(toy, tmp_path / "file")
