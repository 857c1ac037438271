"""draw-cartoon: a folder of PNGs and their factors."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from vaegan.__main__ import main
from vaegan.commands import draw_cartoon
from vaegan.datasets import Request, open_source
from vaegan.datasets.cartoon.drawing import draw, sample_factors


def run(capsys, *arguments) -> tuple[int, str, str]:
    status = main(["draw-cartoon", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_writes_each_face_and_its_factors(tmp_path, capsys):
    folder = tmp_path / "new" / "faces"
    status, output, _ = run(capsys, folder, "--count", 12, "--size", 32, "--seed", 5)
    assert status == 0
    assert output == f"12 faces of 32 x 32 and factors.csv in {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{i:02}.png" for i in range(12)),
        "factors.csv",
    ]
    factors = sample_factors(12, 5)
    for i, face in enumerate(draw(factors, 32)):
        assert torch.equal(
            face, torch.from_numpy(np.array(Image.open(folder / f"{i:02}.png"))).permute(2, 0, 1)
        )
    with (folder / "factors.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["file", *factors.continuous_names, *factors.categories]
    for i, row in enumerate(rows):
        assert row["file"] == f"{i:02}.png"
        for name, value in zip(factors.continuous_names, factors.continuous[i].tolist(), strict=True):
            assert float(row[name]) == pytest.approx(value, rel=1e-5)
        for (name, words), kind in zip(factors.categories.items(), factors.discrete[i].tolist(), strict=True):
            assert row[name] == words[kind]


def test_the_folder_is_a_data_set(tmp_path, capsys):
    run(capsys, tmp_path / "faces", "--count", 20, "--size", 16)
    splits = open_source(Request(str(tmp_path / "faces"), 16)).load()
    assert (len(splits.train), len(splits.test), splits.skipped) == (16, 4, [])


def test_an_empty_folder_is_taken_and_a_full_one_is_left_alone(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(capsys, tmp_path / "empty", "--count", 1, "--size", 16)[0] == 0
    before = sorted(tmp_path.rglob("*"))
    status, _, errors = run(capsys, tmp_path / "empty", "--count", 3, "--size", 16)
    assert status == 2
    assert errors == f"{tmp_path / 'empty'}: exists already; name a new or an empty folder\n"
    assert sorted(tmp_path.rglob("*")) == before


def test_an_interruption_leaves_nothing(tmp_path, capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaegan.commands.draw_cartoon.write_factors", interrupted)
    assert run(capsys, tmp_path / "faces", "--count", 3, "--size", 16)[0] == 130
    assert list(tmp_path.iterdir()) == []


def test_two_into_one_folder_do_not_take_each_others_faces_away(tmp_path, capsys, monkeypatch):
    """The second is started while the first has drawn all; the later to finish is refused."""

    def meanwhile(file, names, factors):
        monkeypatch.setattr(draw_cartoon, "write_factors", write_factors)
        assert main(["draw-cartoon", str(tmp_path / "faces"), "--count", "3", "--size", "16"]) == 0
        write_factors(file, names, factors)

    write_factors = draw_cartoon.write_factors
    monkeypatch.setattr(draw_cartoon, "write_factors", meanwhile)
    status, _, errors = run(capsys, tmp_path / "faces", "--count", 5, "--size", 16)
    assert status == 2
    assert errors.startswith(f"{tmp_path / 'faces'}: cannot be written (")
    assert [path.name for path in tmp_path.iterdir()] == ["faces"]
    assert len(list((tmp_path / "faces").glob("*.png"))) == 3


def test_the_current_folder_when_it_is_empty(tmp_path, capsys, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run(capsys, ".", "--count", 2, "--size", 16)[0] == 0
    assert len(list((tmp_path / "here").glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: FOLDER"),
        (["x", "--count", "0"], "--count 0: not a whole number of at least 1 and at most 10000000"),
        (["x" * 300, "--count", "1"], f"{'x' * 300}: cannot be written (File name too long)"),
        (["x", "--size", "300"], "--size 300: not a whole number of at least 16 and at most 256"),
        (["x", "--count"], "--count: expected one argument"),
        (["file/x"], "file/x: cannot be written (Not a directory)"),
    ],
)
def test_mistakes(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    status, _, errors = run(capsys, *arguments)
    assert (status, errors) == (2, message + "\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
