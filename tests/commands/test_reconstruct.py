"""reconstruct: from a folder of images to a folder of their reconstructions."""

from pathlib import PurePosixPath

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_runs import DENSE, GAN, refused, typed

from vaegan.commands.reconstruct import png_names
from vaegan.run.trained import open_run


@pytest.fixture(scope="module")
def runs(shared_run, tmp_path_factory):
    """Runs by what they are."""
    colour = tmp_path_factory.mktemp("colour")
    for i in range(10):
        noise(i, (40, 30)).save(colour / f"{i}.png")
    flags = {"grey": DENSE, "colour": f"{DENSE} --dataset {colour} --crop 20 --batch-size 4", "gan": GAN}
    return {name: shared_run(each) for name, each in flags.items()}


def noise(seed: int, size=(16, 16)) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def expected(run, *images: Image.Image) -> np.ndarray:
    """The networks' own results for images of the run's size, [N, H, W] or [N, H, W, 3]."""
    players = open_run(run, "cpu").players
    x = torch.stack([torch.from_numpy(np.array(image)).float() / 255 for image in images])
    x = x.unsqueeze(1) if x.ndim == 3 else x.movedim(3, 1)
    mu, _ = players.encoder(x)
    x_hat = torch.sigmoid(players.decoder(mu)).movedim(1, 3).squeeze(3)
    return (x_hat * 255).round().numpy()


def difference(file, image) -> float:
    return np.abs(np.array(Image.open(file)).astype(float) - image).max()


def test_each_image_as_the_run_sees_it(runs, tmp_path, capfd):
    source = tmp_path / "images"
    (source / "deep" / "er").mkdir(parents=True)
    noise(1, (40, 30)).save(source / "a.png")
    noise(2, (40, 30)).save(source / "deep" / "er" / "b.webp", lossless=True)
    status, output, errors = typed(capfd, "reconstruct", runs["colour"], source, "--out", tmp_path / "out")
    assert (status, errors) == (0, "")
    made = [path.relative_to(tmp_path / "out") for path in sorted((tmp_path / "out").rglob("*.png"))]
    assert list(map(str, made)) == ["a.png", "deep/er/b.png"]
    cut = [
        noise(i, (40, 30)).crop((10, 5, 30, 25)).resize((16, 16), Image.Resampling.BICUBIC) for i in (1, 2)
    ]
    images = expected(runs["colour"], *cut)
    assert np.abs(images[0] - images[1]).max() > 5
    for file, image in zip(made, images, strict=True):
        assert difference(tmp_path / "out" / file, image) <= 1
    assert f"2 of 2 images, in {tmp_path / 'out'}" in output


def test_a_run_on_grey_images_takes_colours_in_grey(runs, tmp_path, capfd):
    (tmp_path / "images").mkdir()
    noise(1).save(tmp_path / "images" / "colour.png")
    noise(2).convert("L").save(tmp_path / "images" / "grey.png")
    assert typed(capfd, "reconstruct", runs["grey"], tmp_path / "images", "--out", tmp_path / "out")[0] == 0
    colour, grey = expected(runs["grey"], noise(1).convert("L"), noise(2).convert("L"))
    assert Image.open(tmp_path / "out" / "colour.png").mode == "L"
    assert difference(tmp_path / "out" / "colour.png", colour) <= 1
    assert difference(tmp_path / "out" / "grey.png", grey) <= 1


def test_more_than_a_batch_with_broken_files_among_them(runs, tmp_path, capfd):
    source = tmp_path / "images"
    source.mkdir()
    for i in range(300):
        noise(i).convert("L").save(source / f"{i:03}.png")
    for i in (7, 299):
        (source / f"{i:03}.png").write_text("no image")
    status, output, _ = typed(capfd, "reconstruct", runs["grey"], source, "--out", tmp_path / "out")
    assert status == 0
    assert "unreadable       007.png: " in output and "unreadable       299.png: " in output
    assert f"298 of 300 images, in {tmp_path / 'out'}" in output
    assert len(list((tmp_path / "out").glob("*.png"))) == 298
    shown = (6, 8, 298)
    images = expected(runs["grey"], *(noise(i).convert("L") for i in shown))
    for i, image in zip(shown, images, strict=True):
        assert difference(tmp_path / "out" / f"{i:03}.png", image) <= 1


def test_all_sides_of_a_split_and_what_is_not_read_is_said(runs, tmp_path, capfd):
    for side in ("train", "test", "val"):
        (tmp_path / "images" / side).mkdir(parents=True)
        noise(1).save(tmp_path / "images" / side / "a.png")
    (tmp_path / "images" / "b.heic").write_text("x")
    _, output, _ = typed(capfd, "reconstruct", runs["colour"], tmp_path / "images", "--out", tmp_path / "out")
    assert f"3 of 3 images, in {tmp_path / 'out'}" in output
    assert "note             not read: 1 HEIC; " in output


def test_names_that_would_be_the_same():
    given = ["a.jpg", "a.png", "a.webp", "b.JPG", "B.png", "deep/a.gif", "a.jpg.png", "c.tar.jpg"]
    wanted = ["a-2.png", "a.png", "a.webp.png", "b.JPG.png", "B.png", "deep/a.png", "a.jpg.png", "c.tar.png"]
    assert list(map(str, png_names(list(map(PurePosixPath, given))))) == wanted


def test_a_new_folder_elsewhere(runs, tmp_path, capfd):
    source = tmp_path / "images"
    source.mkdir()
    noise(1).save(source / "a.png")
    run = ("reconstruct", runs["grey"], source, "--out")
    line = refused(capfd, *run, source / "out")
    assert line == f"--out {source / 'out'}: lies inside the folder of images; name a folder elsewhere"
    assert "exists already" in refused(capfd, *run, tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "images"]


def test_without_a_name_the_runs_is_taken(runs, tmp_path, capfd, monkeypatch):
    (tmp_path / "images").mkdir()
    noise(1).save(tmp_path / "images" / "a.png")
    monkeypatch.chdir(tmp_path)
    for number in ("", "-2"):
        assert typed(capfd, "reconstruct", runs["grey"], "images")[0] == 0
        folder = tmp_path / f"{runs['grey'].name}-reconstructions{number}"
        assert [path.name for path in folder.glob("*.png")] == ["a.png"]


def test_mistakes_leave_nothing(runs, tmp_path, capfd):
    (tmp_path / "images").mkdir()
    out = ("--out", tmp_path / "out")
    images = tmp_path / "images"
    assert "no image in" in refused(capfd, "reconstruct", runs["grey"], images, *out)
    (images / "a.png").write_text("no image")
    line = refused(capfd, "reconstruct", runs["grey"], images, *out)
    assert line == f"{images}: none of the 1 image files can be read"
    line = refused(capfd, "reconstruct", runs["gan"], images, *out)
    assert line == f"{runs['gan']}: a GAN has no encoder and cannot reconstruct; name a VAE's run"
    gone = tmp_path / "gone"
    assert refused(capfd, "reconstruct", runs["grey"], gone, *out) == f"{gone}: no such folder"
    file = images / "a.png"
    assert refused(capfd, "reconstruct", runs["grey"], file, *out) == (
        f"{file}: a file; only folders of image files are accepted"
    )
    assert list(tmp_path.iterdir()) == [images]
