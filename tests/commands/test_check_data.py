"""check-data: its counts, names and pictures."""

import os
import sys

import numpy as np
import pytest
from PIL import Image, ImageFilter

from vaegan.__main__ import main
from vaegan.datasets import Request, open_source


def noise(seed: int, size=(40, 32)) -> Image.Image:
    """A coarse random picture in colour, like no other seed's."""
    cells = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture
def folder(tmp_path):
    """40 images, all different."""
    path = tmp_path / "my faces"
    path.mkdir()
    for i in range(40):
        noise(i).save(path / f"{i:02}.png")
    return path


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """Runs the command in the test's folder; returns (exit status, output, errors)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["check-data", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run


def line(output: str, start: str) -> str:
    (found,) = [row for row in output.splitlines() if row.startswith(start)]
    return found


def test_counts_formats_modes_and_sizes(folder, check):
    noise(100).convert("L").save(folder / "grey.jpg")
    pale = noise(101)
    pale.putalpha(128)
    pale.save(folder / "alpha.webp", lossless=True)
    noise(102, (300, 20)).save(folder / "wide.png")
    status, output, _ = check(folder)
    assert status == 0
    assert line(output, "image files").endswith("43, of which 43 can be read")
    assert "PNG: 41" in line(output, "formats") and "JPEG: 1" in line(output, "formats")
    assert line(output, "modes").split(maxsplit=1)[1] == "RGB: 41, RGBA: 1, L: 1"
    assert "40 x 32: 42, 300 x 20: 1" in line(output, "sizes")
    assert line(output, "shorter sides").endswith("20 to 32, median 32")
    assert line(output, "split").endswith("34 training, 9 held out (seed 0)")


@pytest.mark.parametrize(
    ("flags", "brightest", "said"),
    [((), 255, "0 becomes black and 4095 white"), (("--value-range", "-1,65535"), 16, "65535 white")],
)
def test_images_of_12_bits_are_shown_by_one_range(check, tmp_path, flags, brightest, said):
    (tmp_path / "deep").mkdir()
    for i in range(2):
        Image.fromarray(np.full((64, 64), 4095 >> i, np.uint16)).save(tmp_path / "deep" / f"{i}.png")
    status, output, errors = check("deep", *flags)
    assert (status, errors) == (0, "")
    assert said in line(output, "note")
    sheet = np.array(Image.open(tmp_path / "deep-contact-sheet.png"))[30:, :132]
    assert abs(int(sheet[40, 40, 0]) - brightest) <= 1
    assert abs(int(sheet[40, 110, 0]) - brightest / 2) <= 1


def test_every_broken_file_is_named_with_the_reason(folder, check):
    whole = (folder / "00.png").read_bytes()
    (folder / "cut ö.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    status, output, _ = check(folder)
    assert status == 0
    assert "42, of which 40 can be read" in output
    assert "cannot identify" in line(output, "unreadable     empty.jpg: ")
    assert "truncated" in line(output, "unreadable     cut ö.png: ")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_name_that_is_no_text_is_shown_escaped(folder, check):
    (folder / os.fsdecode(b"broken \xff.png")).touch()
    status, output, _ = check(folder)
    assert status == 0
    assert "cannot identify" in line(output, "unreadable     broken \\udcff.png: ")


def test_no_duplicates_where_there_are_none(folder, check):
    _, output, _ = check(folder)
    assert line(output, "copies").split()[1] == "0"
    assert line(output, "exact").split()[1] == "0"
    assert line(output, "near").split()[1] == "0"


def test_exact_duplicates_across_the_split_whatever_their_files_are(folder, check):
    """Copies in another format and mode of writing; every original has one, so some lie across the split."""
    for i in range(40):
        noise(i).save(folder / f"copy {i:02}.bmp")
    _, output, _ = check(folder)
    assert line(output, "copies").split()[1] == "40"
    n_across = int(line(output, "exact").split()[1])
    assert 5 < n_across <= 16
    pairs = [row for row in output.splitlines() if " ~ " in row]
    assert len(pairs) == min(n_across, 10)
    for pair in pairs:
        ours, theirs = pair.strip().split(" ~ ")
        assert ours[-6:-4] == theirs[-6:-4] and ours != theirs
    assert line(output, "near").split()[1] == "0"


def test_near_duplicates_across_the_split(folder, check):
    """Blurred, paler copies, saved at a low quality and another size."""
    for i in range(40):
        copy = noise(i, (60, 48)).filter(ImageFilter.GaussianBlur(1)).point(lambda v: 60 + 0.6 * v)
        copy.save(folder / f"copy {i:02}.jpg", quality=30)
    _, output, _ = check(folder)
    assert line(output, "copies").split()[1] == "0"
    assert line(output, "exact").split()[1] == "0"
    n_across = int(line(output, "near").split()[1])
    assert 5 < n_across <= 16
    for pair in [row for row in output.splitlines() if " ~ " in row]:
        ours, theirs = pair.split(" (likeness")[0].strip().split(" ~ ")
        assert ours[-6:-4] == theirs[-6:-4]


def test_different_faces_of_one_composition_are_no_near_copies(check, tmp_path, capsys):
    assert main(["draw-cartoon", str(tmp_path / "faces"), "--count", "100"]) == 0
    capsys.readouterr()
    _, output, _ = check("faces")
    assert line(output, "near").split()[1] == "0"


def test_the_split_is_that_of_training(folder, check):
    """The one pair lies across the split for some seeds and not for others, as in the data set."""
    noise(0).save(folder / "zz copy.png")
    across = {}
    for seed in range(6):
        _, output, _ = check(folder, "--split-seed", seed)
        across[seed] = int(line(output, "exact").split()[1])
        splits = open_source(Request(str(folder), 32, split_seed=seed)).load()
        held_out = {bytes(image.numpy()) for image in splits.test.images}
        trained_on = {bytes(image.numpy()) for image in splits.train.images}
        assert across[seed] == len(held_out & trained_on)
    assert set(across.values()) == {0, 1}


def test_a_ready_made_split_is_looked_at_as_it_is(folder, check, tmp_path):
    """Only the copy on the other side is one across the split; --split pools both sides."""
    for name, count in (("train", 30), ("Val", 10)):
        (tmp_path / "ready" / name).mkdir(parents=True)
        for i in range(count):
            noise(i + len(name)).save(tmp_path / "ready" / name / f"{i:02}.png")
    noise(5).save(tmp_path / "ready" / "train" / "copy.png")
    for i in range(3, 5):
        (tmp_path / "ready" / "Val" / f"{i}.png").write_text("broken")
    _, output, _ = check("ready")
    assert line(output, "split").endswith("31 training, 10 held out (as in the folders)")
    assert "31 training, 12 held out (val); --split 80/20 makes a new split" in line(output, "note")
    held_out = {bytes(noise(i + 3).tobytes()) for i in range(10)}
    trained_on = {bytes(noise(i + 5).tobytes()) for i in range(30)}
    assert int(line(output, "exact").split()[1]) == len(held_out & trained_on) == 8
    _, output, _ = check("ready", "--split", "60/40")
    assert line(output, "split").endswith("24 training, 17 held out (seed 0)")


def test_the_contact_sheet_shows_images_and_the_pairs_most_alike(folder, check, tmp_path):
    for i in range(40):
        noise(i).save(folder / f"copy {i:02}.bmp")
    _, output, _ = check(folder)
    assert line(output, "contact sheet").endswith("my faces-contact-sheet.png")
    sheet = Image.open(tmp_path / "my faces-contact-sheet.png")
    assert sheet.mode == "RGB"
    tile, first = 66, 26  # pixels from one image to the next; of the caption and the margin
    corner = sheet.crop((2, first, 66, first + 64))
    expected = noise(0).crop((4, 0, 36, 32)).resize((64, 64), Image.Resampling.BICUBIC)
    difference = np.asarray(corner, dtype=float) - np.asarray(expected, dtype=float)
    assert np.abs(difference[8:-8, 8:-8]).mean() < 3
    below = sheet.height - 2 - 64
    for column in range(3):
        box = (2 + tile * column, below, 2 + tile * column + 64, below + 64)
        theirs = sheet.crop(box)
        ours = sheet.crop((box[0], box[1] - tile - 2, box[2], box[3] - tile - 2))
        assert theirs.tobytes() == ours.tobytes()


def test_nothing_is_overwritten(folder, check, tmp_path):
    check(folder)
    check(folder)
    assert sorted(path.name for path in tmp_path.glob("*.png")) == [
        "my faces-contact-sheet-2.png",
        "my faces-contact-sheet.png",
    ]
    sheet = tmp_path / "a.png"
    sheet.write_text("mine")
    status, output, errors = check(folder, "--sheet", sheet)
    assert (status, output) == (2, "")
    assert errors == f"--sheet {sheet}: exists already; name another file\n"
    assert sheet.read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no such folder"),
        (["empty"], "empty: no image in empty (1 other files found)"),
        (["broken"], "broken: none of the 1 image files can be read"),
        ([], "the following arguments are required: PATH"),
        (["empty", "--crop", "0"], "--crop 0: not a whole number of at least 1"),
        (["empty", "--value-range", "9,1"], "--value-range 9,1: not two numbers, the lower one first"),
        (["empty", "--value-range", "-1"], "--value-range -1: not two numbers"),
        (["fine", "--sheet", "no/such/a.png"], "--sheet no/such/a.png: no folder no/such"),
        (["fine", "--sheet", "fine/b.png"], "--sheet fine/b.png: would be one of the folder's images"),
        (["."], "--sheet "),
        (["fine/a.png"], "fine/a.png: a file; only folders of image files are accepted"),
        (["fine", "--split", "80"], "--split 80: the shares to train on and to hold out are accepted"),
        (["fine", "--split-seed", "9" * 30], f"--split-seed {'9' * 30}: not a whole number of at least 0"),
    ],
)
def test_mistakes(check, tmp_path, arguments, message):
    for name, file in (("empty", "a.txt"), ("broken", "a.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    (tmp_path / "fine").mkdir()
    noise(0).save(tmp_path / "fine" / "a.png")
    status, _, errors = check(*arguments)
    assert status == 2
    assert errors.startswith(message)
    assert errors.count("\n") == 1
    assert not list(tmp_path.glob("*.png"))


def test_a_single_image_has_no_pairs(check, tmp_path):
    (tmp_path / "one").mkdir()
    noise(0).save(tmp_path / "one" / "a.png")
    status, output, _ = check("one")
    assert status == 0
    assert line(output, "split").endswith("0 training, 1 held out (seed 0)")
