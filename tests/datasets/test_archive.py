"""Archives of images: the same images, labels and splits as of a folder with the same files."""

import io
import os
import random
import tarfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaegan.datasets.decode
from vaegan.datasets import Request, open_source
from vaegan.datasets.packed import Tar
from vaegan.datasets.store import StoredImages
from vaegan.errors import OptionError

ENDINGS = [".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz"]
PLAIN = [f"{number:02}.png" for number in range(25)]
SORTED = [f"set/{side}/{name}/{i}.png" for side in ("train", "test") for name in "ab" for i in range(4)]


def png(shade: int, size: tuple[int, int] = (8, 8)) -> bytes:
    content = io.BytesIO()
    Image.new("L", size, shade).save(content, format="png")
    return content.getvalue()


def images(names: list[str]) -> dict[str, bytes]:
    """A file for each name, each in a grey of its own."""
    return {name: png(5 * i) for i, name in enumerate(names)}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    """The files in an archive, in an order that is not theirs, as archives of many tools are."""
    names = sorted(files)
    random.Random(0).shuffle(names)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in names:
                archive.writestr(name, files[name])
    else:
        how = {".tar": "", ".tgz": "gz"}.get(path.suffix, path.suffix[1:])
        with tarfile.open(path, f"w:{how}") as archive:
            for name in names:
                info = tarfile.TarInfo(name)
                info.size = len(files[name])
                archive.addfile(info, io.BytesIO(files[name]))
    return path


def unpack(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def source(path: Path, size: int = 8, **more):
    return open_source(Request(str(path), size, **more))


def shades(images) -> list[int]:
    return images[:][:, 0, 0, 0].tolist()


@pytest.mark.parametrize("names", [PLAIN, SORTED], ids=["plain", "split and labelled"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_an_archive_is_the_folder_that_it_holds(tmp_path, ending, names):
    files = images(names) | {"readme.txt": b"hello", "set/broken.png": b"broken"}
    archive = source(pack(tmp_path / f"set{ending}", files))
    folder = source(unpack(tmp_path / "set", files))
    assert archive.describe() == folder.describe()
    ours, theirs = archive.load(), folder.load()
    for one, other in ((ours.train, theirs.train), (ours.test, theirs.test)):
        assert torch.equal(one.images, other.images)
        assert one.classes == other.classes
        assert one.labels is None or torch.equal(one.labels, other.labels)
    assert [reason for _, reason in ours.skipped] == [reason for _, reason in theirs.skipped]
    if names is PLAIN:
        assert [path for path, _ in ours.skipped] == [tmp_path / f"set{ending}/set/broken.png"]
    else:
        assert ours.train.classes == ("a", "b") and len(ours.train) == len(ours.test) == 8


@pytest.mark.parametrize("ending", ENDINGS)
def test_through_the_cache_it_is_the_same_and_a_second_start_decodes_nothing(tmp_path, ending, monkeypatch):
    path = pack(tmp_path / f"set{ending}", images(SORTED) | {"set/train/a/0.png": b"broken"})
    in_memory = source(path).load()
    cached = dict(memory_limit=0, cache_dir=tmp_path / "cache")
    decoded = []
    monkeypatch.setattr(
        "vaegan.datasets.image_files.decode",
        lambda file, square: (decoded.append(file.name), vaegan.datasets.decode.decode(file, square))[1],
    )
    for _ in range(2):
        on_disk = source(path, **cached).load()
        assert isinstance(on_disk.train.images, StoredImages)
        assert shades(on_disk.train.images) == shades(in_memory.train.images)
        assert shades(on_disk.test.images) == shades(in_memory.test.images)
        assert on_disk.skipped == in_memory.skipped
    assert len(decoded) == 16 + 1  # what cannot be read is tried again
    assert {part.name for part in tmp_path.iterdir()} == {path.name, "cache"}  # nothing is unpacked


def test_a_compressed_tar_is_read_from_its_start_to_its_end(tmp_path, monkeypatch):
    path = pack(tmp_path / "set.tar.gz", images(PLAIN))
    places, read = [], Tar._read
    monkeypatch.setattr(Tar, "_read", lambda self, key: (places.append(key), read(self, key))[1])
    source(path).load()
    looked_at, decoded = places[:25], places[25:]  # which have more than 8 bits is asked first
    assert looked_at == sorted(looked_at) == decoded


@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_many_images_are_decoded_in_parallel(tmp_path, ending, monkeypatch):
    monkeypatch.setattr(vaegan.datasets.decode, "WORTH_PROCESSES", 10)
    files = {f"{number:03}.png": png(number) for number in range(200)}
    reader = source(pack(tmp_path / f"set{ending}", files))
    next(reader.decoded([7]))  # an archive that this process holds open is none that the others may use
    found, problems = reader._read()
    assert shades(found) == list(range(200)) and problems == {}


def deep_png(level: int) -> bytes:
    """16 bits in which only 12 are used."""
    content = io.BytesIO()
    Image.fromarray(np.full((8, 8), level, np.uint16)).save(content, format="png")
    return content.getvalue()


@pytest.mark.parametrize("memory_limit", [0, 1024])
@pytest.mark.parametrize("ending", [".zip", ".tar.gz"])
def test_one_range_is_found_for_all_images_of_more_than_8_bits(tmp_path, ending, memory_limit):
    files = {f"{i}.png": deep_png(273 * i) for i in range(16)}
    path = pack(tmp_path / f"set{ending}", files)
    kept = dict(memory_limit=memory_limit, cache_dir=tmp_path / "cache")
    for ends, step in ((None, 17), ((0, 8190), 8.5)):
        splits = source(path, value_range=ends, **kept).load()
        found = sorted(shades(splits.train.images) + shades(splits.test.images))
        assert found == [round(step * i) for i in range(16)]
    (remark,) = source(path, **kept).describe().remarks
    assert "0 becomes black and 4095 white" in remark


@pytest.mark.parametrize("ending", [".zip", ".tar"])
def test_of_a_changed_archive_the_new_images_are_taken(tmp_path, ending):
    files = images(PLAIN)
    path = pack(tmp_path / f"set{ending}", files)
    cached = dict(memory_limit=0, cache_dir=tmp_path / "cache")
    source(path, **cached).load()
    pack(path, files | {"03.png": png(255)})
    os.utime(path, (time.time() + 9,) * 2)  # clocks may be coarse
    splits = source(path, **cached).load()
    now = shades(splits.train.images) + shades(splits.test.images)
    assert sorted(now) == sorted({5 * i for i in range(25)} - {15} | {255})


def test_of_a_zip_only_what_changed_is_decoded(tmp_path, capsys):
    files = images(PLAIN)
    path = pack(tmp_path / "set.zip", files)
    cached = dict(memory_limit=0, cache_dir=tmp_path / "cache")
    source(path, **cached).load()
    pack(path, files | {"03.png": png(255)})
    capsys.readouterr()
    source(path, **cached).load()
    assert "decoding 1 images" in capsys.readouterr().out


def test_hidden_files_those_of_macs_and_runs_of_ours_are_left_out(tmp_path):
    files = images(["a.png", "b.png", ".c.png", ".d/e.png", "__MACOSX/._a.png"])
    run = {f"runs/x/{name}": b"{}" for name in ("config.yaml", "metrics.jsonl")}
    files |= run | {"runs/x/figures/samples.png": png(1), "../up.png": png(2), "photo.heic": b"x"}
    reader = source(pack(tmp_path / "set.zip", files))
    assert reader.names == [tmp_path / "set.zip" / name for name in ("a.png", "b.png", "up.png")]
    remarks = "\n".join(reader.describe().remarks)
    assert "(runs/x)" in remarks and "1 HEIC" in remarks


def test_labels_come_from_a_table_too(tmp_path):
    table = "file,class\n" + "".join(f"{name},{'odd' if int(name[1]) % 2 else 'even'}\n" for name in PLAIN)
    splits = source(pack(tmp_path / "set.tar.gz", images(PLAIN) | {"labels.csv": table.encode()})).load()
    assert splits.train.classes == ("even", "odd")
    odd = [shade // 5 % 10 % 2 for shade in shades(splits.train.images)]
    assert splits.train.labels.tolist() == odd
    assert source(tmp_path / "set.tar.gz", labels="none").load().train.labels is None
    assert len(source(tmp_path / "set.tar.gz", split="60/40").load().train) == 15


def test_links_in_a_tar_lead_to_their_images(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for name, kind, target in (
            ("deep/soft.png", tarfile.SYMTYPE, "../a.png"),  # before what it leads to
            ("a.png", tarfile.REGTYPE, ""),
            ("hard.png", tarfile.LNKTYPE, "a.png"),
            ("loop.png", tarfile.SYMTYPE, "loop.png"),
            ("out.png", tarfile.SYMTYPE, "/etc/passwd"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            info.size = len(png(9)) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(png(9)))
    splits = source(tmp_path / "set.tar").load()
    assert shades(splits.train.images) + shades(splits.test.images) == [9, 9, 9]


def test_the_later_of_two_members_of_one_name_counts(tmp_path):
    with tarfile.open(tmp_path / "set.tar", "w") as archive:
        for shade in (1, 2):
            info = tarfile.TarInfo("./a.png" if shade == 1 else "a.png")
            info.size = len(png(shade))
            archive.addfile(info, io.BytesIO(png(shade)))
    assert shades(source(tmp_path / "set.tar").load().test.images) == [2]


def encrypted(path: Path) -> Path:
    """A zip whose members say that they are encrypted, as by `zip -e`."""
    content = bytearray(path.read_bytes())
    for start, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := content.find(start, place + 1)) >= 0:
            content[place + offset] |= 1
    path.write_bytes(content)
    return path


def test_an_encrypted_archive_is_refused_and_an_encrypted_member_named(tmp_path):
    path = encrypted(pack(tmp_path / "set.zip", images(PLAIN)))
    with pytest.raises(OptionError, match="its images are encrypted; unpack it"):
        source(path).describe()
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("open.png", png(7))
    splits = source(path).load()
    assert len(splits.skipped) == 25
    assert "password" in splits.skipped[0][1]


def test_a_damaged_member_is_named_and_the_others_are_read(tmp_path):
    files = {f"{i}.bmp": png(0) for i in range(3)}
    for i in range(3):
        content = io.BytesIO()
        noise = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        Image.fromarray(noise).save(content, format="bmp")  # without a check sum of its own
        files[f"{i}.bmp"] = content.getvalue()
    path = pack(tmp_path / "set.zip", files)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("1.bmp").header_offset + 300
    path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
    ((file, reason),) = source(path).load().skipped
    assert file == path / "1.bmp"
    assert "BadZipFile" in reason or "error" in reason


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_of_a_tar_that_was_cut_short_the_start_is_read_and_the_loss_named(tmp_path, ending):
    rng = np.random.default_rng(0)
    files = {}
    for i in range(40):
        content = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(content, format="png")
        files[f"{i:02}.png"] = content.getvalue()
    path = pack(tmp_path / f"set{ending}", files)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    splits = source(path).load()
    assert 10 < len(splits.train) + len(splits.test) < 40
    assert any(file == path and "its end is missing" in reason for file, reason in splits.skipped)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("content", [b"", b"not an archive " * 100])
def test_what_is_no_archive_is_refused(tmp_path, ending, content):
    (tmp_path / f"set{ending}").write_bytes(content)
    with pytest.raises(OptionError, match=r"cannot be read as an archive .*download it again") as caught:
        source(tmp_path / f"set{ending}").describe()
    assert "\n" not in caught.value.problem


def test_an_archive_without_images_is_refused(tmp_path):
    path = pack(tmp_path / "set.zip", {"a.txt": b"x", "b.mp4": b"y"})
    with pytest.raises(OptionError, match=r"no image in .*set.zip \(1 other files found\); .*1 video"):
        source(path).describe()


def test_the_command_trains_on_an_archive(tmp_path, command):
    path = pack(tmp_path / "set.zip", images(SORTED))
    flags = "--image-size 8 --batch-size 4 --epochs 1 --vae dense --hidden-dim 8 --latent-dim 2 --device cpu"
    status, out, errors = command(f"--dataset {path} {flags}")
    assert status == 0, errors
    assert "8 training, 8 held out (test)" in out
    assert (tmp_path / "runs/set.zip_dense-1/metrics.jsonl").exists()
