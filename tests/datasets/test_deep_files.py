"""Folders of images with more than 8 bits a value, as cameras, microscopes and scanners give them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from deep_makers import save_png16, save_tiff
from PIL import Image

from vaegan.datasets import Request, open_source
from vaegan.datasets.store import StoredImages

SIZE = 8
SHARES = np.linspace(0, 1, SIZE * SIZE).reshape(SIZE, SIZE)  # of white
GREY = torch.from_numpy((SHARES * 255).round().astype(np.uint8)).expand(3, -1, -1).int()


def source(folder: Path, **more):
    return open_source(Request(str(folder), SIZE, **more))


def read(folder: Path, **more) -> list[torch.Tensor]:
    """All images of the folder, each int [3, H, W], with the darkest first."""
    splits = source(folder, **more).load()
    images = [*splits.train.images[:], *splits.test.images[:]]
    assert splits.skipped == []
    return sorted((image.int() for image in images), key=lambda image: image.sum().item())


def levels(white: int, black: int = 0) -> np.ndarray:
    return (black + SHARES * (white - black)).round()


def colours(white: int) -> np.ndarray:
    return levels(white)[..., None].repeat(3, -1)


def with_alpha(values: np.ndarray, alpha: int) -> np.ndarray:
    values = values[..., None] if values.ndim == 2 else values
    return np.concatenate([values, np.full_like(values[..., :1], alpha)], -1)


def ppm(path: Path, magic: str, values: np.ndarray, most: int) -> None:
    header = f"{magic} {SIZE} {SIZE} {most}\n".encode()
    plain = magic in ("P2", "P3")
    text = " ".join(str(int(value)) for value in values.flat).encode()
    path.write_bytes(header + (text if plain else values.astype(">u2").tobytes()))


KINDS = {
    # what: (file, how it is saved, the range that is found)
    "10 bits": ("a.png", lambda path: save_png16(path, levels(1023)), (0, 1023)),
    "12 bits": ("a.png", lambda path: save_png16(path, levels(4095)), (0, 4095)),
    "14 bits": ("a.png", lambda path: save_png16(path, levels(16383)), (0, 16383)),
    "16 bits": ("a.png", lambda path: save_png16(path, levels(65535)), (0, 65535)),
    "12 bits, grey with alpha": (
        "a.png",
        lambda path: save_png16(path, with_alpha(levels(4095), 65535)),
        (0, 4095),
    ),
    "12 bits in colour": ("a.png", lambda path: save_png16(path, colours(4095)), (0, 4095)),
    "12 bits in colour with alpha": (
        "a.png",
        lambda path: save_png16(path, with_alpha(colours(4095), 4095)),
        (0, 4095),
    ),
    "12-bit TIFF": ("a.tif", lambda path: save_tiff(path, levels(4095).astype("<u2")), (0, 4095)),
    "12-bit TIFF in colour": ("a.tif", lambda path: save_tiff(path, colours(4095).astype("<u2")), (0, 4095)),
    "12-bit TIFF in colour, compressed": (
        "a.tif",
        lambda path: save_tiff(path, colours(4095).astype("<u2"), packed=True),
        (0, 4095),
    ),
    "32-bit integers": (
        "a.tif",
        lambda path: save_tiff(path, levels(2**20 - 1).astype("<i4")),
        (0, 2**20 - 1),
    ),
    "unsigned 32-bit integers": (
        "a.tif",
        lambda path: save_tiff(path, levels(2**32 - 1).astype("<u4")),
        (0, 2**32 - 1),
    ),
    "CT, signed 16 bits": (
        "a.tif",
        lambda path: save_tiff(path, levels(3071, -1024).astype("<i2")),
        (-1024, 3071),
    ),
    "fractions to 1": ("a.tif", lambda path: save_tiff(path, SHARES.astype("<f4")), (0, 1)),
    "fractions around 0": ("a.tif", lambda path: save_tiff(path, (SHARES * 2 - 1).astype("<f4")), (-1, 1)),
    "fractions to 255": ("a.tif", lambda path: save_tiff(path, (SHARES * 255).astype("<f4")), (0, 255)),
    "CT, fractions": (
        "a.tif",
        lambda path: save_tiff(path, levels(1000, -1000).astype("<f4")),
        (-1000, 1000),
    ),
    "PGM of 12 bits in 16": ("a.pgm", lambda path: ppm(path, "P5", levels(4095), 65535), (0, 4095)),
    "PGM that says 12 bits": ("a.pgm", lambda path: ppm(path, "P5", levels(4095), 4095), (0, 65535)),
    "PPM of 12 bits in 16": ("a.ppm", lambda path: ppm(path, "P6", colours(4095), 65535), (0, 4095)),
    "PPM that says 12 bits": ("a.ppm", lambda path: ppm(path, "P6", colours(4095), 4095), (0, 65535)),
    "plain PPM of 12 bits in 16": ("a.ppm", lambda path: ppm(path, "P3", colours(4095), 65535), (0, 4095)),
}


@pytest.mark.parametrize(("name", "save", "value_range"), KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_deep_image_is_read_from_black_to_white(tmp_path, name, save, value_range):
    save(tmp_path / name)
    (image,) = read(tmp_path)
    assert (image - GREY).abs().max() <= 1
    assert source(tmp_path).describe().value_range == value_range


def test_all_images_share_one_range_and_none_has_its_own(tmp_path):
    save_png16(tmp_path / "bright.png", levels(4095))
    save_png16(tmp_path / "dark.png", levels(100))
    Image.fromarray(np.full((SIZE, SIZE), 77, np.uint8)).save(tmp_path / "eight.png")
    dark, eight, bright = read(tmp_path)
    assert dark.max() == round(100 / 4095 * 255)
    assert bright.max() == 255
    assert (eight == 77).all()
    (remark,) = source(tmp_path).describe().remarks
    assert remark.startswith("2 of 3 image files have more than 8 bits a value: 0 becomes black")
    assert remark.endswith("the others stay as they are")


def test_a_given_range_is_taken_and_what_lies_outside_becomes_black_or_white(tmp_path):
    save_tiff(tmp_path / "a.tif", np.array([[-3000, -1000], [0, 1000]], "<i2").repeat(4, 0).repeat(4, 1))
    (image,) = read(tmp_path, value_range=(-1000.0, 1000.0))
    assert image[0, ::4, ::4].tolist() == [[0, 0], [128, 255]]
    (remark,) = source(tmp_path, value_range=(-1000.0, 1000.0)).describe().remarks
    assert "-1000 becomes black and 1000 white (as given)" in remark


def test_a_folder_of_8_bits_says_nothing_and_has_no_range(tmp_path):
    Image.new("RGB", (SIZE, SIZE)).save(tmp_path / "a.png")
    description = source(tmp_path).describe()
    assert (description.value_range, description.remarks) == (None, ())
    given = source(tmp_path, value_range=(0.0, 4095.0)).describe()
    assert given.value_range is None
    assert given.remarks == (
        "no image file has more than 8 bits a value; --value-range 0,4095 changes nothing",
    )


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_value_that_a_png_calls_transparent_becomes_white(tmp_path, n_channels):
    values = np.full((SIZE, SIZE, n_channels), 4000).squeeze()
    values[: SIZE // 2] = 5
    save_png16(tmp_path / "a.png", values, transparent=(5,) * n_channels)
    (image,) = read(tmp_path)
    assert (image[:, : SIZE // 2 - 1] == 255).all()
    assert (image[:, SIZE // 2 + 1 :] == round(4000 / 4095 * 255)).all()


def test_transparent_colours_of_16_bits_lie_over_white(tmp_path):
    save_png16(tmp_path / "a.png", with_alpha(colours(65535), 0))
    (image,) = read(tmp_path)
    assert (image == 255).all()


def turned_png(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(levels(4095).astype(np.uint16)).save(path, exif=exif)


TURNED = {  # by half a turn
    "PNG": turned_png,
    "TIFF": lambda path: save_tiff(path, levels(4095).astype("<u2"), turn=3),
    "TIFF in colour": lambda path: save_tiff(path, colours(4095).astype("<u2"), turn=3),
    "compressed TIFF in colour": lambda path: save_tiff(
        path, colours(4095).astype("<u2"), packed=True, turn=3
    ),
}


@pytest.mark.parametrize("save", TURNED.values(), ids=TURNED.keys())
def test_a_deep_image_is_turned_as_its_tag_says(tmp_path, save):
    save(tmp_path / "a.png")  # the content tells what it is
    (image,) = read(tmp_path)
    assert (image - GREY.flip(1, 2)).abs().max() <= 1


def test_what_is_not_read_or_no_number_is_named_with_the_reason(tmp_path):
    save_png16(tmp_path / "a.png", levels(4095))
    save_tiff(tmp_path / "nan.tif", np.where(SHARES > 0.5, np.nan, SHARES).astype("<f4"))
    save_tiff(tmp_path / "planes.tif", colours(4095).astype("<u2"), planes=True)
    splits = source(tmp_path).load()
    reasons = {path.name: reason for path, reason in splits.skipped}
    assert reasons.keys() == {"nan.tif", "planes.tif"}
    assert "NaN" in reasons["nan.tif"]
    assert "save it as PNG" in reasons["planes.tif"]


def test_integers_beside_fractions_are_said(tmp_path):
    save_png16(tmp_path / "a.png", levels(4095))
    save_tiff(tmp_path / "b.tif", SHARES.astype("<f4"))
    (remark,) = source(tmp_path).describe().remarks
    assert "mixed" in remark


def test_the_range_is_part_of_the_cache_key_and_found_once(tmp_path, monkeypatch):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(5):
        save_png16(folder / f"{i}.png", levels(4095))
    cache = {"memory_limit": 0, "cache_dir": tmp_path / "cache"}
    (*_, image) = read(folder, **cache)
    assert (image - GREY).abs().max() <= 1
    (*_, darker) = read(folder, value_range=(0.0, 65535.0), **cache)
    assert darker.max() == round(4095 / 257)
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("an image was opened"))
    assert source(folder, **cache).describe().value_range == (0, 4095)
    assert isinstance(source(folder, **cache).load().train.images, StoredImages)


def test_a_new_image_in_a_cached_folder_may_change_the_range(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    save_png16(folder / "a.png", levels(4095))
    cache = {"memory_limit": 0, "cache_dir": tmp_path / "cache"}
    read(folder, **cache)
    save_png16(folder / "b.png", levels(5000))
    assert source(folder, **cache).describe().value_range == (0, 8191)
