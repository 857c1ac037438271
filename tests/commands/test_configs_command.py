"""The published configs: listed, and found by name from any folder."""

from pathlib import Path

import pytest

from vaegan.__main__ import main
from vaegan.ablation.spec import read_spec
from vaegan.cli.flags import parse
from vaegan.config import presets
from vaegan.config.published import FOLDER, find_config, names
from vaegan.errors import UserError


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch) -> Path:
    """A working directory that has nothing to do with the project."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def given(*arguments: str):
    return parse([*arguments], prog="vaegan train", datasets=[])


def test_all_are_listed_with_their_kind_and_first_line(capsys):
    assert main(["configs"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    rows = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines}
    assert [name for name in rows if name not in names()] == presets.names()
    assert set(names()) <= set(rows)
    assert rows["larsen"][0] == "preset"
    assert rows["learned_loss/conv_resnet"] == [
        "run",
        "Conv VAE on faces beside ResNet-18: the baseline of the ablations.",
    ]
    assert rows["ablations/disc_weight"][0] == "ablation"
    assert rows["learned_loss/base"][0] == "base"


@pytest.mark.parametrize("way", ["{}", "{}.yaml", "configs/{}.yaml"])
def test_a_run_finds_one_by_its_name_with_what_lies_below_it(way):
    found = given("--config", way.format("learned_loss/conv_resnet")).values
    assert (found["disc"], found["vae"], found["dataset"]) == ("resnet", "conv", "faces")


def test_a_file_at_the_typed_path_comes_first(elsewhere):
    (elsewhere / "learned_loss").mkdir()
    (elsewhere / "learned_loss" / "conv_resnet").write_text("vae: dense\n")
    assert given("--config", "learned_loss/conv_resnet").values == {"vae": "dense"}


def test_a_file_of_the_user_s_has_one_as_its_base(elsewhere):
    (elsewhere / "own.yaml").write_text("base: learned_loss/conv_resnet\nlr: 1\n")
    found = given("--config", "own.yaml").values
    assert (found["disc"], found["lr"]) == ("resnet", 1)


@pytest.mark.parametrize("typed", ["disc_weight", "ablations/disc_weight", "small/disc_weight"])
def test_an_ablation_is_found_in_its_group(typed):
    file = find_config(typed, origin=typed, group="ablations")
    assert "disc weight 10" in [arm.label for arm in read_spec(file, {}).arms]
    assert file.is_relative_to(FOLDER / "ablations")


def test_a_wrong_name_is_refused_with_the_nearest(capsys):
    with pytest.raises(UserError) as refused:
        given("--config", "learned_loss/conv_resnt")
    assert str(refused.value).startswith("--config learned_loss/conv_resnt: cannot read the file (")
    assert 'did you mean "learned_loss/conv_resnet"?' in str(refused.value)
    assert main(["ablate", "disc_wieght"]) == 2
    assert 'did you mean "disc_weight"?' in capsys.readouterr().err
