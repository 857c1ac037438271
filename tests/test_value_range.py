"""A run on images of more than 8 bits: its range of values is printed, saved, and used for new images."""

from dataclasses import replace

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_runs import DENSE, tiny_run, typed

import train_vaegan
from vaegan.cli.flags import parse
from vaegan.commands.inputs.images import read_image
from vaegan.datasets import Request, open_source
from vaegan.run.trained import open_run

SIZE = 16


def save(file, white: int) -> None:
    """A random image of whole numbers up to that one."""
    values = np.random.default_rng(white).integers(0, white + 1, (SIZE, SIZE), dtype=np.uint16)
    values[0, 0] = white
    Image.fromarray(values).save(file)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """12 images of 12 bits, in files of 16."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(12):
        save(folder / f"{i:02}.png", 4095 - i)
    return folder


@pytest.fixture(scope="module")
def run_folder(pictures, tmp_path_factory):
    flags = f"{DENSE} --dataset {pictures} --batch-size 4 --device cpu"
    return tiny_run(tmp_path_factory.mktemp("runs"), flags)


def test_the_plan_says_the_range_and_the_config_has_it(pictures, command):
    status, output, _ = command(f"{DENSE} --dataset {pictures} --batch-size 4 --dry-run")
    assert status == 0
    assert "12 of 12 image files have more than 8 bits a value: 0 becomes black and 4095 white" in output
    assert "value_range:\n- 0.0\n- 4095.0\n" in output


def test_the_runs_config_keeps_what_was_found(run_folder):
    assert yaml.safe_load((run_folder / "config.yaml").read_text())["value_range"] == [0, 4095]


def test_evaluation_reads_the_images_by_the_runs_range(run_folder, pictures):
    options = open_run(run_folder, "cpu").config.to_dict()
    save(pictures / "00.png", 200)  # from here on the greatest value is another
    try:
        splits = open_source(Request.of(options)).load()
        darkest = min(int(image.max()) for image in (*splits.train.images, *splits.test.images))
        assert darkest == round(200 / 4095 * 255)
    finally:
        save(pictures / "00.png", 4095)


def test_a_run_goes_on_with_its_range_and_with_no_other(run_folder, capsys):
    assert train_vaegan.main(["--resume", str(run_folder), "--value-range", "0,65535"]) == 2
    assert capsys.readouterr().err.startswith("--value-range 0,65535: the run was made with [0.0, 4095.0]")
    assert train_vaegan.main(["--resume", str(run_folder), "--dry-run"]) == 0


def test_a_new_image_is_read_by_the_runs_range(run_folder, tmp_path):
    save(tmp_path / "dark.png", 400)
    image = read_image(open_run(run_folder, "cpu"), tmp_path / "dark.png")
    assert image.max() == round(400 / 4095 * 255)


def test_a_deep_image_is_refused_alone_where_the_run_has_no_range(run_folder, tmp_path):
    trained = open_run(run_folder, "cpu")
    of_8_bits = replace(trained, config=trained.config.model_copy(update={"value_range": None}))
    save(tmp_path / "dark.png", 400)
    assert "more than 8 bits" in read_image(of_8_bits, tmp_path / "dark.png")


def test_reconstructing_says_the_range(run_folder, tmp_path, capfd):
    (tmp_path / "new").mkdir()
    save(tmp_path / "new" / "dark.png", 400)
    status, output, errors = typed(
        capfd, "reconstruct", run_folder, tmp_path / "new", "--out", tmp_path / "out"
    )
    assert (status, errors) == (0, "")
    assert "4095 white (as given)" in output


def test_other_images_than_a_files_do_not_take_its_range(tmp_path):
    (tmp_path / "run.yaml").write_text("dataset: deep\nvalue_range: [0.0, 4095.0]\n")

    def asked(*flags: str):
        given = parse(["--config", str(tmp_path / "run.yaml"), *flags], prog="test", datasets=[])
        return given.config().value_range

    assert asked() == asked("--lr", "0.1") == (0, 4095)
    assert asked("--dataset", "digits") is None
    assert asked("--dataset", "other", "--value-range", "0,255") == (0, 255)
