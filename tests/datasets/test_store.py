"""The store: each image is made once, despite interruptions and changes."""

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

import vaegan.datasets.store
from vaegan.datasets.batches import Batches
from vaegan.datasets.store import ImageStore, StoredImages
from vaegan.errors import OptionError

SHAPE = (3, 4, 4)


def picture(number: int) -> np.ndarray:
    return np.full(SHAPE, number, dtype=np.uint8)


class Maker:
    """Makes the pictures of some numbers and keeps account of it."""

    def __init__(self, numbers, stop_after=None):
        self.numbers = numbers
        self.stop_after = stop_after
        self.made = []

    @property
    def keys(self) -> list[bytes]:
        return [str(number).encode() for number in self.numbers]

    def __call__(self, positions):
        for position in positions:
            if self.stop_after is not None and len(self.made) == self.stop_after:
                raise KeyboardInterrupt
            self.made.append(self.numbers[position])
            yield picture(self.numbers[position])


def fetch(folder: Path, maker: Maker) -> list[int]:
    """The numbers of the pictures that the store gives."""
    images, problems = ImageStore(folder, SHAPE).fetch(maker.keys, maker, "making")
    assert problems == {}
    whole = images[:]
    assert (whole == whole[:, :1, :1, :1]).all()
    return whole[:, 0, 0, 0].tolist()


@pytest.fixture
def three_at_once(monkeypatch):
    """The store saves after every three images."""
    monkeypatch.setattr(vaegan.datasets.store, "SAVED_AT_ONCE", 3 * 48)


def test_each_image_is_made_once_and_comes_in_the_order_of_the_keys(tmp_path):
    maker = Maker([5, 3, 9])
    assert fetch(tmp_path, maker) == [5, 3, 9]
    again = Maker([9, 5, 3])
    assert fetch(tmp_path, again) == [9, 5, 3]
    assert (maker.made, again.made) == ([5, 3, 9], [])


def test_only_what_is_new_is_made(tmp_path):
    fetch(tmp_path, Maker([1, 2, 3, 4]))
    changed = Maker([1, 20, 3, 5])
    assert fetch(tmp_path, changed) == [1, 20, 3, 5]
    assert changed.made == [20, 5]


def test_an_interrupted_filling_goes_on_where_it_was_saved(tmp_path, three_at_once):
    numbers = list(range(10))
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, Maker(numbers, stop_after=8))
    rest = Maker(numbers)
    assert fetch(tmp_path, rest) == numbers
    assert rest.made == [6, 7, 8, 9]


def fill_slowly(folder: str) -> None:
    vaegan.datasets.store.SAVED_AT_ONCE = 3 * 48
    maker = Maker(list(range(100)))

    def slowly(positions):
        for image in maker(positions):
            time.sleep(0.02)
            yield image

    ImageStore(Path(folder), SHAPE).fetch(maker.keys, slowly, "making")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_filling_goes_on_too(tmp_path, three_at_once):
    process = multiprocessing.get_context("fork").Process(target=fill_slowly, args=[str(tmp_path)])
    process.start()
    file = tmp_path / "images-0.uint8"
    while not file.exists() or file.stat().st_size < 6 * 48:
        assert process.is_alive()
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    rest = Maker(list(range(100)))
    assert fetch(tmp_path, rest) == list(range(100))
    assert len(rest.made) < 100
    assert rest.made[-1] == 99


def test_two_at_once_share_the_work_and_both_get_all(tmp_path, capsys):
    makers = [Maker(list(range(40))) for _ in range(2)]
    got = {}

    def work(i):
        images, _ = ImageStore(tmp_path, SHAPE).fetch(makers[i].keys, makers[i], "making")
        got[i] = images[:][:, 0, 0, 0].tolist()

    threads = [threading.Thread(target=work, args=[i]) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == {0: list(range(40)), 1: list(range(40))}
    assert sorted(len(maker.made) for maker in makers) == [0, 40]


def test_one_that_waits_says_so(tmp_path, capsys):
    fetch(tmp_path, Maker([1]))
    taken = threading.Event()

    def hold():
        with vaegan.datasets.store.FileLock(tmp_path / "lock"):
            taken.set()
            time.sleep(1.5)

    threading.Thread(target=hold).start()
    taken.wait()
    assert fetch(tmp_path, Maker([1, 2])) == [1, 2]
    assert "waiting for another run" in capsys.readouterr().out


def test_what_is_complete_needs_neither_the_lock_nor_a_folder_that_can_be_written(tmp_path, monkeypatch):
    fetch(tmp_path, Maker([1, 2, 3]))

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(vaegan.datasets.store, "FileLock", refused)
    before = sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())
    assert fetch(tmp_path, Maker([3, 1])) == [3, 1]
    assert before == sorted((path.name, path.stat().st_mtime_ns) for path in tmp_path.iterdir())
    with pytest.raises(OptionError, match=r"--cache-dir: .*Permission denied"):
        fetch(tmp_path, Maker([3, 4]))


def share(folder: str, made) -> None:
    maker = Maker(list(range(60)))
    images, _ = ImageStore(Path(folder), SHAPE).fetch(maker.keys, maker, "making")
    made.put((len(maker.made), images[:][:, 0, 0, 0].tolist()))


@pytest.mark.skipif(sys.platform == "win32", reason="forks")
def test_two_processes_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    made = context.Queue()
    processes = [context.Process(target=share, args=[str(tmp_path), made]) for _ in range(2)]
    for process in processes:
        process.start()
    results = [made.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(count for count, _ in results) == [0, 60]
    assert all(numbers == list(range(60)) for _, numbers in results)


def test_a_disk_that_fills_up_in_between_loses_only_what_was_not_saved(tmp_path, three_at_once, monkeypatch):
    sync, calls = vaegan.datasets.store._sync, []

    def full(file):
        calls.append(file)
        if len(calls) == 3:
            raise OSError(28, "No space left on device")
        sync(file)

    monkeypatch.setattr(vaegan.datasets.store, "_sync", full)
    numbers = list(range(10))
    with pytest.raises(OptionError, match=r"--cache-dir: .*No space left on device"):
        fetch(tmp_path, Maker(numbers))
    monkeypatch.setattr(vaegan.datasets.store, "_sync", sync)
    rest = Maker(numbers)
    assert fetch(tmp_path, rest) == numbers
    assert rest.made == [6, 7, 8, 9]


@pytest.mark.parametrize("when", ["before the index knows", "after it"])
def test_a_stop_while_images_are_moved_leaves_no_file_behind(tmp_path, monkeypatch, when):
    fetch(tmp_path, Maker(list(range(10))))

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if when == "after it":
            patch.setattr(Path, "unlink", stopped)
        else:
            patch.setattr(vaegan.datasets.store, "_sync", stopped)
        with pytest.raises(KeyboardInterrupt):
            fetch(tmp_path, Maker([1, 3, 50]))
    rest = Maker([1, 3, 50])
    assert fetch(tmp_path, rest) == [1, 3, 50]
    assert rest.made == [50]
    assert len(list(tmp_path.glob("*.uint8"))) == 1


def test_a_lost_index_does_not_change_what_others_read(tmp_path):
    maker = Maker([1, 2, 3])
    reader, _ = ImageStore(tmp_path, SHAPE).fetch(maker.keys, maker, "making")
    (tmp_path / "index.sqlite").unlink()
    assert fetch(tmp_path, Maker([7, 8, 9])) == [7, 8, 9]
    assert reader[:][:, 0, 0, 0].tolist() == [1, 2, 3]
    assert len(list(tmp_path.glob("*.uint8"))) == 1


def test_images_of_other_keys_are_dropped_when_they_are_more_and_old_readers_read_on(tmp_path):
    numbers = list(range(10))
    maker = Maker(numbers)
    reader, _ = ImageStore(tmp_path, SHAPE).fetch(maker.keys, maker, "making")
    fetch(tmp_path, Maker([0, 1, 2, 3, 4, 5, 26, 27]))  # 4 of 10 dead: kept
    assert (tmp_path / "images-0.uint8").stat().st_size == 12 * 48
    changed = Maker([1, 3, 50, 51, 52])
    assert fetch(tmp_path, changed) == [1, 3, 50, 51, 52]
    assert changed.made == [50, 51, 52]
    assert sorted(file.name for file in tmp_path.glob("*.uint8")) == ["images-1.uint8"]
    assert (tmp_path / "images-1.uint8").stat().st_size == 5 * 48
    assert reader[:][:, 0, 0, 0].tolist() == numbers


def test_what_could_not_be_made_is_told_by_its_position_and_tried_again(tmp_path):
    def make(positions):
        for position in positions:
            yield "broken" if position == 1 else picture(position)

    store = ImageStore(tmp_path, SHAPE)
    images, problems = store.fetch([b"a", b"b", b"c"], make, "making")
    assert problems == {1: "broken"}
    assert images[:][:, 0, 0, 0].tolist() == [0, 2]
    images, problems = store.fetch([b"a", b"b", b"c"], lambda _: [picture(7)], "making")
    assert (images[:][:, 0, 0, 0].tolist(), problems) == ([0, 7, 2], {})


def test_nothing_that_could_be_made_is_none(tmp_path):
    images, problems = ImageStore(tmp_path, SHAPE).fetch([b"a"], lambda _: ["broken"], "making")
    assert (images, problems) == (None, {0: "broken"})


def test_a_maker_that_makes_too_few_is_our_own_fault(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        ImageStore(tmp_path, SHAPE).fetch([b"a", b"b"], lambda _: [picture(7)], "making")


@pytest.mark.parametrize("damage", ["shortened", "removed"])
def test_a_damaged_file_is_made_anew(tmp_path, damage):
    fetch(tmp_path, Maker([1, 2, 3]))
    file = tmp_path / "images-0.uint8"
    file.unlink() if damage == "removed" else os.truncate(file, 100)
    maker = Maker([1, 2, 3])
    assert fetch(tmp_path, maker) == [1, 2, 3]
    assert maker.made == [1, 2, 3]


def test_a_folder_that_cannot_be_written_is_the_users_to_mend(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"--cache-dir: cannot keep images in .*file/deep"):
        fetch(tmp_path / "file" / "deep", Maker([1]))


def test_a_full_disk_is_told_before_anything_is_made(tmp_path, monkeypatch):
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(0, 0, 100))
    maker = Maker([1, 2, 3])
    with pytest.raises(OptionError, match=r"--cache-dir: .*needed, 0 free"):
        fetch(tmp_path, maker)
    assert maker.made == []


def test_an_index_that_is_none_is_told(tmp_path):
    tmp_path.joinpath("index.sqlite").write_text("not a database " * 100)
    with pytest.raises(OptionError, match=r"--cache-dir: .*not a database"):
        fetch(tmp_path, Maker([1]))


@pytest.fixture
def stored(tmp_path):
    """20 random images on disk, and the same as a tensor."""
    images = torch.randint(0, 256, (20, *SHAPE), dtype=torch.uint8)
    store = ImageStore(tmp_path, SHAPE)
    keys = [str(i).encode() for i in range(20)]
    return store.fetch(keys, lambda _: iter(images.numpy()), "making")[0], images


def test_stored_images_stand_in_for_a_tensor(stored):
    on_disk, images = stored
    assert (len(on_disk), on_disk.shape) == (20, (20, *SHAPE))
    chosen = torch.tensor([3, 19, 3])
    assert torch.equal(on_disk[chosen], images[chosen])
    assert torch.equal(on_disk[2:5], images[2:5])
    part = on_disk.part(torch.tensor([7, 1, 9]))
    assert part.shape == (3, *SHAPE)
    assert torch.equal(part[:], images[[7, 1, 9]])
    assert torch.equal(part[torch.tensor([2])], images[[9]])


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_batches_from_disk_are_those_from_memory(stored, shuffle_seed):
    on_disk, in_memory = (Batches(images, 6, shuffle_seed) for images in stored)
    for epoch in range(2):
        pairs = list(zip(on_disk.epoch(epoch), in_memory.epoch(epoch), strict=True))
        assert [len(a) for a, _ in pairs] == [6, 6, 6, 2]
        assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_reading_does_not_fill_the_memory(tmp_path):
    file, mib = tmp_path / "images", 2**20
    with file.open("wb") as opened:
        opened.truncate(300 * mib)
    images = StoredImages(file, torch.arange(300), (1, 1024, 1024))

    def held() -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("RssFile"))

    before = held()
    for i in range(300):
        images[i : i + 1]
    assert held() - before < 100
