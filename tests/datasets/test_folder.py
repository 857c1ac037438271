"""Folders of images as users have them: mixed formats, modes and sizes, broken files, other files."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaegan.datasets.decode
import vaegan.datasets.image_files
from vaegan.datasets import Request, open_source
from vaegan.datasets.decode import decode
from vaegan.datasets.store import StoredImages
from vaegan.errors import OptionError

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
ORIENTATION = 0x0112  # EXIF tag; 6: to be turned a quarter clockwise
NOT_IMAGES = ["notes.txt", "labels.csv", "Thumbs.db", "README", "archive.zip"]
HIDDEN = [".hidden.png", ".cache/thumb.png", "faces/.trash/old.jpg"]


def source(folder: Path, size: int = 16, split_seed: int = 0):
    return open_source(Request(str(folder), size, split_seed=split_seed))


def halves(left: tuple, right: tuple, mode: str = "RGB") -> Image.Image:
    """32 x 32, the left half in one colour and the right half in another."""
    image = Image.new(mode, (32, 32), left)
    image.paste(right, (16, 0, 32, 32))
    return image


def turned_jpeg(path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    halves(RED, BLUE).save(path, exif=exif, quality=95, subsampling=0)


def animated_gif(path: Path) -> None:
    halves(RED, GREEN).save(path, save_all=True, append_images=[Image.new("RGB", (32, 32), BLUE)])


def palette_with_transparency(path: Path) -> None:
    image = halves(RED, BLUE).quantize(4)
    image.save(path, transparency=image.getpixel((31, 0)))


def strip(width: int, height: int):
    """Blue in the central square, red on both sides of it."""
    image, side = Image.new("RGB", (width, height), RED), min(width, height)
    image.paste(BLUE, ((width - side) // 2, (height - side) // 2, (width + side) // 2, (height + side) // 2))
    return image.save


ROW = [(8, 3), (8, 12)]  # pixels (y, x) of a 16 x 16 image in its left and right half
COLUMN = [(3, 8), (12, 8)]
CORNERS = [(1, 1), (1, 14), (14, 1), (14, 14)]  # one in: resizing blends the outermost with what is cut off
READABLE = {
    # what: (file name, how it is saved, {pixel of the 16 x 16 image read: its colour})
    "RGB PNG": ("a.png", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "upper-case ending": ("A.PNG", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "WebP": ("a.webp", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "nested": ("a/b/c.png", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "name with spaces": ("my face 1.bmp", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "non-ASCII name": ("é/顔.png", halves(RED, BLUE).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "grey JPEG": ("a.jpg", halves(40, 200, "L").save, {ROW[0]: (40,) * 3, ROW[1]: (200,) * 3}),
    "1-bit PNG": ("a.png", halves(0, 1, "1").save, {ROW[0]: (0, 0, 0), ROW[1]: WHITE}),
    "CMYK JPEG": (
        "a.jpeg",
        halves((0, 255, 255, 0), (255, 255, 0, 0), "CMYK").save,
        dict(zip(ROW, (RED, BLUE), strict=True)),
    ),
    "palette GIF": ("a.gif", halves(RED, BLUE).quantize(4).save, dict(zip(ROW, (RED, BLUE), strict=True))),
    "animated GIF: first frame": ("a.gif", animated_gif, dict(zip(ROW, (RED, GREEN), strict=True))),
    "transparent RGBA over white": (
        "a.png",
        halves((0, 0, 0, 0), (0, 0, 255, 128), "RGBA").save,
        {ROW[0]: WHITE, ROW[1]: (127, 127, 255)},
    ),
    "transparent grey over white": (
        "a.png",
        halves((0, 0), (100, 255), "LA").save,
        {ROW[0]: WHITE, ROW[1]: (100,) * 3},
    ),
    "transparent palette over white": (
        "a.png",
        palette_with_transparency,
        dict(zip(ROW, (RED, WHITE), strict=True)),
    ),
    "turned by EXIF": ("a.jpg", turned_jpeg, dict(zip(COLUMN, (RED, BLUE), strict=True))),
    "1 x 1": ("a.png", Image.new("RGB", (1, 1), GREEN).save, dict.fromkeys([*ROW, *CORNERS], GREEN)),
    "wide, cut to its centre": ("a.png", strip(2000, 50), dict.fromkeys([*ROW, *CORNERS], BLUE)),
    "tall, cut to its centre": ("a.png", strip(50, 2000), dict.fromkeys([*ROW, *CORNERS], BLUE)),
}


@pytest.mark.parametrize(("name", "save", "colours"), READABLE.values(), ids=READABLE.keys())
def test_every_kind_of_image_is_read_in_its_colours(tmp_path, name, save, colours):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    save(file)
    splits = source(tmp_path).load()
    assert splits.skipped == []
    (image,) = [*splits.train.images, *splits.test.images]
    assert image.shape == (3, 16, 16)
    assert image.dtype == torch.uint8
    for (y, x), colour in colours.items():
        assert image[:, y, x].tolist() == pytest.approx(colour, abs=6), (y, x)


def test_sixteen_bits_are_scaled_not_clipped(tmp_path):
    levels = np.arange(256, dtype=np.uint16).reshape(16, 16)
    Image.fromarray(levels * 257).save(tmp_path / "a.png")
    (image,) = source(tmp_path).load().test.images
    assert (image == torch.from_numpy(levels.astype(np.uint8))).all()


def test_images_keep_their_pixels_at_their_own_size(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    (image,) = source(tmp_path).load().test.images
    assert torch.equal(image.permute(1, 2, 0), torch.from_numpy(pixels))


@pytest.fixture
def broken(tmp_path) -> dict[Path, str]:
    """Broken files in `mess`, each with a word of why it cannot be read."""
    mess = tmp_path / "mess"
    (mess / "deep").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(mess / "deep/truncated ö.jpg")
    whole = (mess / "deep/truncated ö.jpg").read_bytes()
    (mess / "deep/truncated ö.jpg").write_bytes(whole[: len(whole) // 2])
    (mess / "empty.jpg").touch()
    (mess / "text.png").write_text("not a picture\n")
    return {
        mess / "deep/truncated ö.jpg": "truncated",
        mess / "empty.jpg": "cannot identify",
        mess / "text.png": "cannot identify",
    }


@pytest.fixture
def mess(tmp_path, broken) -> Path:
    """One folder of every readable kind, broken files, hidden files and files that are no images."""
    folder = tmp_path / "mess"
    for number, (name, save, _) in enumerate(READABLE.values()):
        file = folder / str(number) / name
        file.parent.mkdir(parents=True)
        save(file)
    for name in HIDDEN:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), RED).save(file)
    for name in NOT_IMAGES:
        (folder / name).write_text("x")
    return folder


def test_a_messy_folder_is_read_and_what_is_broken_is_named_with_the_reason(mess, broken):
    splits = source(mess).load()
    assert len(splits.train) + len(splits.test) == len(READABLE)
    skipped = dict(splits.skipped)
    assert skipped.keys() == broken.keys()
    for file, why in broken.items():
        assert why in skipped[file]
        assert str(mess) not in skipped[file]  # the path stands beside it


def test_describe_counts_the_image_files_whether_or_not_they_can_be_read(mess, broken):
    description = source(mess, 24).describe()
    assert description.shape == (3, 24, 24)
    assert description.n_train + description.n_test == len(READABLE) + len(broken)


def test_the_command_goes_on_without_broken_files_and_names_them(mess, broken, command):
    status, out, _ = command(
        f"--dataset {mess} --image-size 8 --batch-size 4 --epochs 1 --device cpu "
        "--vae dense --hidden-dim 8 --latent-dim 2"
    )
    assert status == 0
    for file, why in broken.items():
        assert any(line.startswith(f"skipped {file}: ") and why in line for line in out.splitlines())


def shades(images: torch.Tensor) -> list[int]:
    """Values that identify the images of `many`, in their order."""
    return images[:, 0, 0, 0].tolist()


@pytest.fixture
def many(tmp_path) -> Path:
    """25 images, each in a grey of its own."""
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(25):
        Image.new("L", (8, 8), 10 * number).save(folder / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("split_seed", [0, 1])
def test_a_fifth_is_held_out_and_no_image_is_lost_or_on_both_sides(many, split_seed):
    splits = source(many, split_seed=split_seed).load()
    assert (len(splits.train), len(splits.test)) == (20, 5)
    together = shades(splits.train.images) + shades(splits.test.images)
    assert sorted(together) == [10 * number for number in range(25)]


def test_the_split_follows_the_split_seed(many):
    first, second = (set(shades(source(many, split_seed=seed).load().test.images)) for seed in (0, 1))
    assert first != second


def test_the_split_follows_nothing_but_the_split_seed(many, tmp_path, monkeypatch):
    expected = shades(source(many).load().test.images)
    torch.manual_seed(123)
    listed = Path.rglob
    monkeypatch.setattr(
        Path, "rglob", lambda *path: reversed(list(listed(*path)))
    )  # as another disk may list
    moved = many.rename(tmp_path / "elsewhere")
    assert shades(source(moved, size=4).load().test.images) == expected


def test_loading_leaves_the_global_generator_alone(many):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    source(many).load()
    assert torch.equal(torch.get_rng_state(), before)


def test_the_first_ten_test_images_are_the_same_at_every_load(tmp_path):
    generator = np.random.default_rng(0)
    for number in range(60):
        Image.fromarray(generator.integers(0, 256, (8, 8), dtype=np.uint8)).save(tmp_path / f"{number}.png")
    first, second = (source(tmp_path, 8).load().test.images[:10] for _ in range(2))
    assert len(first) == 10
    assert torch.equal(first, second)


def test_a_missing_folder_is_refused_with_the_known_data_sets(tmp_path):
    with pytest.raises(OptionError, match=r"neither a data set nor a folder.*digits.*path of a folder"):
        source(tmp_path / "nowhere")


@pytest.mark.parametrize("ask", ["describe", "load"])
def test_a_folder_without_images_is_refused_saying_what_was_found(tmp_path, ask):
    for name in NOT_IMAGES:
        (tmp_path / name).write_text("x")
    Image.new("RGB", (8, 8)).save(tmp_path / ".hidden.png")
    with pytest.raises(OptionError) as caught:
        getattr(source(tmp_path), ask)()
    assert caught.value.option == "dataset"
    assert caught.value.problem == f"no image in {tmp_path} ({len(NOT_IMAGES)} other files found)"


def test_a_folder_of_broken_images_is_refused(broken, tmp_path):
    with pytest.raises(OptionError, match=f"none of the 3 image files in {tmp_path / 'mess'} can be read"):
        source(tmp_path / "mess").load()


@pytest.fixture
def cached(tmp_path):
    """A source that keeps its images in a cache, however few they are."""

    def make(folder: Path, size: int = 16, **more):
        request = Request(str(folder), size, memory_limit=0, cache_dir=tmp_path / "cache", **more)
        return open_source(request)

    return make


@pytest.fixture
def opened(monkeypatch) -> list[str]:
    """The names of the files that are decoded."""
    names = []
    monkeypatch.setattr(
        vaegan.datasets.image_files,
        "decode",
        lambda file, square: (names.append(file.name), decode(file, square))[1],
    )
    return names


def test_a_messy_folder_through_the_cache_is_the_same_as_in_memory(mess, broken, cached):
    in_memory, on_disk = source(mess).load(), cached(mess).load()
    assert isinstance(on_disk.train.images, StoredImages)
    assert torch.equal(on_disk.train.images[:], in_memory.train.images)
    assert torch.equal(on_disk.test.images[:], in_memory.test.images)
    assert on_disk.skipped == in_memory.skipped


def test_a_second_start_opens_no_image(many, cached, opened):
    first = cached(many).load()
    assert len(opened) == 25
    second = cached(many).load()
    assert len(opened) == 25
    assert torch.equal(first.train.images[:], second.train.images[:])


def test_of_a_changed_folder_only_the_changes_are_opened(many, cached, opened):
    cached(many).load()
    opened.clear()
    Image.new("L", (8, 8), 255).save(many / "03.png")
    Image.new("L", (8, 8), 7).save(many / "new.png")
    (many / "04.png").unlink()
    splits = cached(many).load()
    assert sorted(opened) == ["03.png", "new.png"]
    now = shades(splits.train.images[:]) + shades(splits.test.images[:])
    assert sorted(now) == sorted({10 * i for i in range(25)} - {30, 40} | {255, 7})
    assert torch.equal(splits.test.images[:], source(many).load().test.images)


def test_size_and_crop_have_caches_of_their_own(many, cached, opened):
    for options in ({}, {"size": 8}, {"crop": 4}):
        cached(many, **options).load()
    assert len(opened) == 75
    cached(many, crop=4).load()
    assert len(opened) == 75


def test_the_limit_decides_between_memory_and_disk(many, tmp_path):
    bytes_in_all = 25 * 3 * 256 * 256

    def images(limit: int):
        request = Request(str(many), 256, memory_limit=limit, cache_dir=tmp_path / "cache")
        return open_source(request).load().train.images

    def note(limit: int):
        return open_source(Request(str(many), 256, memory_limit=limit)).describe().note

    assert bytes_in_all < 5 * 2**20
    assert note(5).endswith("be read from memory")
    assert note(4).endswith("be read from the cache")
    assert isinstance(images(5), torch.Tensor)
    assert isinstance(images(4), StoredImages)


@pytest.mark.parametrize(("crop", "middle"), [(None, 0.1), (10, 1.0), (500, 0.1)])
def test_crop_cuts_a_square_out_of_the_middle(tmp_path, crop, middle):
    """A blue square of 10 in a red one of 100 x 140; a crop larger than the image is the largest there is."""
    image = Image.new("RGB", (140, 100), RED)
    image.paste(BLUE, (65, 45, 75, 55))
    image.save(tmp_path / "a.png")
    (read,) = open_source(Request(str(tmp_path), 100, crop=crop)).load().test.images
    blue = (read[2] > 64).float().mean().item()  # at its edge it is blended with what is cut off
    assert blue == pytest.approx(middle**2, abs=0.002)


def test_many_files_are_decoded_in_parallel_in_their_order(tmp_path, monkeypatch):
    monkeypatch.setattr(vaegan.datasets.decode, "WORTH_PROCESSES", 10)
    for number in range(200):
        Image.new("L", (8, 8), number).save(tmp_path / f"{number:03}.png")
    (tmp_path / "050.png").write_text("broken")
    folder = source(tmp_path, 8)
    images, problems = folder._read()
    assert shades(images) == [number for number in range(200) if number != 50]
    assert list(problems) == [50]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_no_text_is_read_and_cached(tmp_path, cached, opened):
    (tmp_path / "faces").mkdir()
    halves(RED, BLUE).save(tmp_path / "faces" / os.fsdecode(b"\xff.png"), format="png")
    for _ in range(2):
        assert len(cached(tmp_path / "faces").load().test) == 1
    assert len(opened) == 1


def test_a_link_that_leads_nowhere_is_named(many):
    (many / "lost.png").symlink_to(many / "nowhere.png")
    splits = source(many).load()
    ((file, reason),) = splits.skipped
    assert file == many / "lost.png"
    assert "No such file" in reason


@pytest.fixture
def ready(tmp_path) -> Path:
    """12 training and 3 held-out images in two classes, whose greys tell where they lie."""
    folder = tmp_path / "ready"
    for grey, name in enumerate(
        [*(f"train/{i % 2}/{i}" for i in range(12)), *(f"Test/1/{i}" for i in range(3))]
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 10 * grey).save(folder / f"{name}.png")
    return folder


@pytest.mark.parametrize("memory_limit", [1024, 0])
def test_a_ready_made_split_is_taken_as_it_is(ready, tmp_path, memory_limit):
    for seed in (0, 1):
        request = Request(
            str(ready), 8, split_seed=seed, memory_limit=memory_limit, cache_dir=tmp_path / "cache"
        )
        description, splits = open_source(request).describe(), open_source(request).load()
        assert sorted(shades(splits.train.images[:])) == [10 * i for i in range(12)]
        assert sorted(shades(splits.test.images[:])) == [120, 130, 140]
        assert (description.n_train, description.n_test) == (12, 3)
        assert "split as in the folders: 12 training, 3 held out (test)" in description.remarks[0]
        assert splits.test.labels.tolist() == [1, 1, 1]
        pairs = zip(shades(splits.train.images[:]), splits.train.labels.tolist(), strict=True)
        assert all(label == grey // 10 % 2 for grey, label in pairs)
        assert splits.train.classes == ("0", "1")


def test_another_split_pools_it_and_takes_the_shares_that_are_asked_for(ready):
    for split, counts in (("80/20", (12, 3)), ("60/40", (9, 6))):
        source = open_source(Request(str(ready), 8, split=split))
        splits = source.load()
        assert (len(splits.train), len(splits.test)) == counts
        assert source.describe().n_train == counts[0]
        assert set(shades(splits.test.images)) != {120, 130, 140}
        assert splits.train.classes == ("0", "1")


def test_fewer_training_images_leave_the_held_out_ones_of_a_ready_made_split(ready):
    splits = open_source(Request(str(ready), 8, train_images=5)).load()
    assert len(splits.train) == 5
    assert sorted(shades(splits.test.images)) == [120, 130, 140]


def test_a_ready_made_split_with_a_side_that_cannot_be_read_is_refused(ready):
    for file in ready.glob("Test/*/*.png"):
        file.write_text("broken")
    with pytest.raises(
        OptionError, match=r"none of the held-out images of the ready-made split.*--split 80/20"
    ):
        source(ready, 8).load()


def test_labels_follow_the_images_past_broken_files_and_the_shuffle(ready):
    (ready / "train" / "0" / "0.png").write_text("broken")
    splits = open_source(Request(str(ready), 8, split="80/20")).load()
    for part in (splits.train, splits.test):
        for grey, label in zip(shades(part.images), part.labels.tolist(), strict=True):
            assert label == (1 if grey >= 120 else grey // 10 % 2)


def test_labels_can_be_left_out(ready):
    source = open_source(Request(str(ready), 8, labels="none"))
    assert source.load().train.labels is None
    assert len(source.describe().remarks) == 1


def test_a_table_that_cannot_be_read_is_named(ready):
    (ready / "labels.csv").write_bytes(b"")
    assert any("labels.csv is not used" in remark for remark in source(ready).describe().remarks)


@pytest.mark.parametrize("option", [{"crop": 4}, {"split": "80/20"}, {"labels": "none"}])
def test_what_is_for_folders_is_refused_elsewhere(option):
    with pytest.raises(OptionError, match="for folders of images and the like only; digits is none"):
        open_source(Request("digits", **option))


MEASURED = ["time/epoch_s", "time/test_s", "time/images_per_s", "memory/peak_mib"]


def test_training_from_disk_gives_the_figures_of_training_from_memory(many, command, tmp_path):
    flags = f"--dataset {many} --image-size 16 --batch-size 8 --epochs 2 --vae dense --hidden-dim 8"
    records = []
    for name, where in (("memory", ""), ("disk", f"--memory-limit 0 --cache-dir {tmp_path / 'cache'}")):
        status, _, errors = command(f"{flags} --disc dense --run-name {name} {where}")
        assert status == 0, errors
        lines = (tmp_path / "runs" / name / "metrics.jsonl").read_text().splitlines()
        records.append([json.loads(line) | dict.fromkeys(MEASURED) for line in lines])
    assert records[0] == records[1]
    assert (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_listed_is_not_called_empty(many, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(OptionError, match=r"cannot be listed \(Permission denied\)"):
        source(many).describe()
