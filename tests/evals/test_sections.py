"""The sections of an evaluation that are asked for, and those that one lacks."""

import json

import pytest
from tiny_runs import shared_tiny_run

from vaegan.__main__ import main
from vaegan.ablation.metrics import known_metrics
from vaegan.errors import OptionError
from vaegan.evals import sections
from vaegan.evals.sections import NAMES, check_sections, lacking, section_behind, with_those_in


def test_names_are_taken_in_their_own_order_each_once():
    assert check_sections(["all"]) == list(NAMES)
    assert check_sections(["pictures", "distances", "reconstruction", "distances"]) == [
        "reconstruction", "distances", "pictures",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (["reconstrution"], '--sections: no such section of an evaluation; did you mean "reconstruction'),
        (["latents", "picture"], '--sections: picture: no such section of an evaluation; did you mean "pic'),
        (["none"], "--sections: no such section of an evaluation; Known: all, reconstruction, "),
        (["all", "latents"], "--sections: all stands alone"),
        ([], "--sections: names none; Known: all, "),
        ([""], "--sections: names none; Known: all, "),
    ],
)  # fmt: skip
def test_other_names_are_refused(asked, error):
    with pytest.raises(OptionError) as refused:
        check_sections(asked)
    assert str(refused.value).startswith(error)


def test_each_figure_of_an_evaluation_has_a_section_and_each_section_figures():
    behind = {key: section_behind(key) for key in known_metrics()}
    assert behind["distances_random/samples/frechet"] == behind["distances/samples/fid"] == "distances"
    others = [key for key, section in behind.items() if section is None]
    assert {key.partition("/")[0] for key in others if "/" in key} == {"train", "test"}
    assert {*behind.values(), "pictures"} - {None} == set(NAMES)


OLD = {"sections": {"reconstruction": {}, "distances_random": {}}}  # it does not say what it was asked for
SHORT = {"asked": ["latents"], "left_out": ["reconstruction"], "sections": {}}


@pytest.mark.parametrize(
    ("evaluation", "asked", "lacks"),
    [
        (OLD, ["all"], []),
        (OLD, ["pictures", "distances", "reconstruction"], []),
        (OLD, ["reconstruction", "latents"], ["latents"]),
        (SHORT, ["all"], ["reconstruction"]),
        (SHORT, ["latents"], []),  # of a GAN, say, whose evaluation has no such section
        (SHORT, ["latents", "pictures"], ["pictures"]),
        (SHORT, [], []),
        ({"asked": ["latents"], "left_out": [], "sections": {}}, ["all"], []),
    ],
)
def test_an_evaluation_lacks_what_it_was_not_asked_for(evaluation, asked, lacks):
    assert lacking(evaluation, asked) == lacks


def test_those_of_an_evaluation_are_added_to_those_that_are_asked_for():
    assert with_those_in(None, ["pictures"]) == ["pictures"]
    assert with_those_in(SHORT, ["all"]) == ["all"]
    assert with_those_in(SHORT, ["pictures", "reconstruction"]) == ["reconstruction", "latents", "pictures"]
    assert with_those_in(OLD, ["latents"]) == ["reconstruction", "latents", "distances", "pictures"]


FLAGS = "--vae dense --hidden-dim 4 --latent-dim 2 --image-size 16 --train-images 128 --epochs 1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return shared_tiny_run(tmp_path_factory.mktemp("run"), FLAGS)


def evaluated(run, capsys, *flags):
    """The evaluation with these flags in a folder of its own, and the output."""
    out = run.parent / f"evaluated-{len(list(run.parent.iterdir()))}"
    capsys.readouterr()
    assert main(["evaluate", str(run), *flags, "--out", str(out)]) == 0
    return json.loads((out / "evaluation.json").read_text()), capsys.readouterr().out, out


def test_only_those_asked_for_are_evaluated_and_what_is_left_out_is_said(run, capsys, monkeypatch):
    monkeypatch.setattr(sections, "find_classifier", None)  # not needed, and it takes seconds to train
    asked = ("--sections", "distances, reconstruction", "--features", "random")
    evaluation, output, out = evaluated(run, capsys, *asked)
    assert list(evaluation["sections"]) == evaluation["asked"] == ["reconstruction", "distances"]
    left_out = ["perceptual", "likelihood", "latents", "gan_figures", "detectability", "pictures"]
    assert [name for name in evaluation["left_out"] if name in left_out] == left_out
    listed = ", ".join(evaluation["left_out"])
    assert f"  left out by --sections: {listed}\n" in output
    page = (out / "report.html").read_text()
    assert f"Not in this evaluation, which <code>--sections</code> kept short: {listed}." in page
    assert [each["file"] for each in evaluation["pictures"]] == ["curves.png"]
    assert "Losses over the epochs" in page


def test_pictures_alone(run, capsys):
    evaluation, output, out = evaluated(run, capsys, "--sections", "pictures")
    assert evaluation["sections"] == {} and len(evaluation["pictures"]) > 5
    assert "features: " not in output and "classifier: " not in output
    assert (out / "figures" / "prior_samples.png").is_file()


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        ("--sections latnts", '--sections latnts: no such section of an evaluation; did you mean "la'),
        ("--sections latents --features random", "--features random: for the section distances, which --"),
        ("--sections latents --lpips alex", "--lpips alex: for the section perceptual, which --"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(run, capsys, flags, error):
    assert main(["evaluate", str(run), *flags.split()]) == 2
    captured = capsys.readouterr().err
    assert captured.startswith(error) and captured.count("\n") == 1


def test_the_runs_own_are_checked_before_it_trains_and_taken_after_it(command, tmp_path):
    status, _, errors = command(f"{FLAGS} --sections latnts")
    assert status == 2 and errors.startswith("--sections latnts: no such section")
    status, _, _ = command(f"{FLAGS} --sections likelihood,latents --run-name r --evaluate true")
    evaluation = json.loads((tmp_path / "runs" / "r" / "evaluation.json").read_text())
    assert status == 0 and list(evaluation["sections"]) == ["likelihood", "latents"]


def test_a_network_for_a_section_that_the_run_leaves_out_is_refused_by_the_runs_name(tmp_path, capsys):
    short = shared_tiny_run(tmp_path, f"{FLAGS} --sections latents")
    assert main(["evaluate", str(short), "--features", "random"]) == 2
    assert capsys.readouterr().err == (
        "--features random: for the section distances, which the run's own `sections` leave out; "
        "add --sections all\n"
    )
