"""Image files below a folder: links, other names, files that are not read, files that vaegan made."""

import os
from pathlib import Path

import pytest
from PIL import Image

from vaegan.datasets.kinds import content_kind, kind_of
from vaegan.datasets.listing import Listing, list_images
from vaegan.marks import mark_folder


def images(folder: Path, *names: str) -> Path:
    """The folder with an image for each name, in whatever format its content is then."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name, format="PNG")
    return folder


def files(folder: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def run_folder(folder: Path) -> Path:
    """A run's folder with two pictures."""
    files(folder, "config.yaml", "metrics.jsonl", "environment.json", "checkpoints/step-1.safetensors")
    return images(folder, "figures/samples.png", "figures/samples/epoch-0001.png")


def found(listing: Listing) -> list[str]:
    return [path.relative_to(listing.root).as_posix() for path in listing.images]


def only_remark(listing: Listing) -> str:
    (remark,) = listing.remarks()
    return remark


def test_linked_class_folders_are_read(tmp_path):
    images(tmp_path / "elsewhere", "cat/a.png", "dog/b.png")
    root = images(tmp_path / "set", "fox/c.png")
    for name in ("cat", "dog"):
        (root / name).symlink_to(tmp_path / "elsewhere" / name)
    listing = list_images(root)
    assert found(listing) == ["cat/a.png", "dog/b.png", "fox/c.png"]
    assert not list(listing.remarks())


@pytest.mark.parametrize("target", [".", "..", "../..", "../b", "loop", "/"])
def test_links_that_lead_around_end(tmp_path, target):
    root = images(tmp_path / "set", "a/1.png", "b/2.png")
    (root / "a" / "loop").symlink_to(target)
    listing = list_images(root)
    assert found(listing) == ["a/1.png", "b/2.png"]
    if target != "loop":
        assert only_remark(listing).startswith("left out: links to folders that are read already")


def test_each_file_is_read_once_where_it_lies(tmp_path):
    outside = images(tmp_path / "outside", "x.png", "y.png")
    root = images(tmp_path / "set", "z/1.png", "z/2.png")
    (root / "again").symlink_to("z")
    (root / "0.png").symlink_to(root / "z" / "1.png")
    (root / "first.png").symlink_to(outside / "x.png")
    (root / "second.png").symlink_to(outside / "x.png")
    listing = list_images(root)
    assert found(listing) == ["first.png", "z/1.png", "z/2.png"]
    assert list(listing.remarks()) == [
        "left out: links to images that are there already, 2",
        "left out: links to folders that are read already or contain this one, 1 (again)",
    ]


def test_copies_by_hard_links_stay(tmp_path):
    images(tmp_path, "a.png")
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    assert found(list_images(tmp_path)) == ["a.png", "b.png"]


def test_content_decides_and_not_the_ending(tmp_path):
    images(tmp_path, "photo", "photo.dat", "notes.txt", "a.JPG", "really a jpeg.heic", "clip.mp4")
    files(tmp_path, "README", "more.txt", "Thumbs.db")
    listing = list_images(tmp_path)
    assert len(listing.images) == 6
    assert listing.others == 3
    assert not listing.unread


HEADS = {
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0",
    "JPEG XL": b"\xff\x0a\xfa",
    "SVG": b"<svg xmlns=",
    "RAW": b"\0\0\0\x18ftypcrx \0\0\0\1",
    "video": b"\0\0\0\x18ftypisom\0\0\0\1",
}
NAMES = {"HEIC": "IMG_1.HEIC", "JPEG XL": "a.jxl", "SVG": "a.svg", "RAW": "a.NEF", "video": "a.MOV"}


def test_what_looks_like_images_and_is_not_read_is_counted_by_kind(tmp_path):
    images(tmp_path, "a.png")
    for kind, head in HEADS.items():
        files(tmp_path, f"{kind}/{NAMES[kind]}", f"{kind}/other {NAMES[kind]}")
        files(tmp_path, f"{kind}/no ending", content=head + bytes(64))
    files(tmp_path, "photo.dng", content=b"II*\0" + bytes(64))  # a TIFF, of a thumbnail
    files(tmp_path, "old.mpg")
    listing = list_images(tmp_path)
    assert found(listing) == ["a.png"]
    assert listing.unread == {kind: 3 for kind in HEADS} | {"RAW": 4, "video": 4}
    assert "not read: 3 HEIC; convert them to JPEG or PNG" in listing.remarks()
    assert len(list(listing.remarks())) == len(HEADS)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PSD", "QOI"])
def test_what_pillow_writes_is_known_again(tmp_path, format):
    if format == "PSD":
        content = b"8BPS\0\1"
    else:
        Image.new("RGB", (40, 40)).save(tmp_path / "a", format=format)
        content = (tmp_path / "a").read_bytes()
    assert content_kind(content[:64]) == "image"


@pytest.mark.parametrize(
    "head", [b"", b"BMW is a car", b"\0\0\0\x18ftypM4A ", b"RIFF\0\0\0\0WAVE", b"%PDF", b"\xff"]
)
def test_other_files_are_no_images(head):
    assert content_kind(head) is None


def test_files_called_as_images_are_not_opened():
    assert kind_of("a.PNG", lambda: pytest.fail("opened")) == "image"


@pytest.mark.parametrize("place", ["runs/digits-1", "a", "deep/down/here"])
def test_runs_are_left_out_wherever_they_lie(tmp_path, place):
    images(tmp_path, "a.png", "z/b.png")
    run_folder(tmp_path / place)
    listing = list_images(tmp_path)
    assert found(listing) == ["a.png", "z/b.png"]
    assert only_remark(listing) == f"left out: folders of runs, 1 ({place})"


def test_a_run_that_has_just_begun_is_one():
    from vaegan.marks import what_made

    assert what_made(["config.yaml", "checkpoints", "figures", ".lock"]) == "run"
    assert what_made(["config.yaml", "images"]) is None


@pytest.mark.parametrize("link", ["folder", "samples", "file"])
def test_links_into_runs_are_left_out(tmp_path, link):
    root = images(tmp_path / "set", "a.png")
    run = run_folder(tmp_path / "runs" / "digits-1")
    target = {"folder": run, "samples": run / "figures" / "samples", "file": run / "figures" / "samples.png"}
    (root / "link.png").symlink_to(target[link])
    listing = list_images(root)
    assert found(listing) == ["a.png"]
    assert only_remark(listing) == "left out: folders of runs, 1 (link.png)"


def test_ablations_and_filled_folders_are_left_out(tmp_path):
    images(tmp_path, "a.png", "study/plane.png", "samples/0.png", "samples/deep/1.png")
    files(tmp_path, "study/ablation.json")
    mark_folder(tmp_path / "samples", "samples")
    listing = list_images(tmp_path)
    assert found(listing) == ["a.png"]
    assert list(listing.remarks()) == [
        "left out: folders of ablations, 1 (study)",
        "left out: folders that vaegan has filled, 1 (samples)",
    ]


def test_what_is_asked_for_is_read_whatever_it_is(tmp_path):
    run = run_folder(tmp_path / "digits-1")
    listing = list_images(run)
    assert len(listing.images) == 2
    assert "is one of the folders of runs; its images are read, as requested" in only_remark(listing)
    assert len(list_images(run / "figures" / "samples").images) == 1
