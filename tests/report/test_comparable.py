"""Reasons why a figure of several runs does not mean the same in all of them."""

from pathlib import Path

import pytest

from vaegan.ablation.metrics import known_metrics
from vaegan.config.schema import config_type
from vaegan.report.comparable import options_behind_figures, unlike
from vaegan.run.reading import RunFiles

BOUNDS = [f"likelihood/{key}" for key in ("pbp", "bound", "nll_bound", "iw_bound")]
LOSSES = ["reconstruction/pbp", "test/gen/pbp", "train/gen/pbp", "test/gen/pbp_excess", *BOUNDS]
OF_D = [f"gan_figures/{key}" for key in ("jsd", "w1", "w1_up_to_scale")]
ESTIMATES = [*OF_D, "test/disc/jsd", "test/disc/w1"]
ALL = ["reconstruction/psnr", "distances/samples/frechet", "detectability/accuracy", "test/gen/kl"]


def run_of(config=(), environment=(), protocol=()):
    sections = {"reconstruction": {"protocol": {"images": "all", **dict(protocol)}}}
    return RunFiles(Path("run"), dict(config), dict(environment), [], {"sections": sections})


def between(one, other):
    """In what two runs differ, by a figure's key."""
    return lambda key: unlike(key, {"a": one, "b": other})


def test_runs_that_differ_in_nothing_have_figures_of_the_same_meaning():
    assert [key for key in known_metrics() if between(run_of(), run_of())(key)] == []
    assert unlike("reconstruction/psnr", {"a": run_of()}) == unlike("reconstruction/psnr", {}) == []


@pytest.mark.parametrize(
    ("option", "values", "keys", "others"),
    [
        ("pixel_range", ("01", "pm1"), [*LOSSES, "gan_figures/w1", "test/disc/r1", "test/gen/total"],
         [*ALL, "likelihood/kl", "likelihood/bits_per_dim", "reconstruction/excess_bce", "gan_figures/jsd"]),
        ("pbp", ("mse", "gaussian"), [*LOSSES, "likelihood/bits_per_dim", "test/gen/total"], ALL),
        ("dataset", ("digits", "mnist"), [*LOSSES, *ESTIMATES, *ALL, "wall_s"], []),
        ("image_size", (16, 32), [*LOSSES, *ESTIMATES, *ALL, "wall_s"], []),
        ("crop", (None, 9), [*LOSSES, *ALL], []),
        ("split_seed", (0, 1), [*LOSSES, *ALL], []),
        ("adv", ("hinge", "wgan"), [*ESTIMATES, "test/gen/adv", "disc_accuracy"], [*ALL, *LOSSES]),
        ("disc_depth", (2, 3), ESTIMATES, [*ALL, *LOSSES, "test/gen/adv"]),
        ("gp", (None, 10.0), ESTIMATES, [*ALL, *LOSSES]),
        ("disc_weight", (1, 10), ["test/gen/total"], [*ALL, *LOSSES, *ESTIMATES, "test/gen/adv"]),
        ("beta", (1, 4), ["test/gen/total"], [*ALL, *LOSSES]),
        ("augment", (None, ["hflip"]), ["train/gen/pbp", "train/gen/kl"], [*ALL, "test/gen/pbp", "wall_s"]),
        ("diffaug", (None, ["colour"]), ["train/disc/adv"], ["train/gen/pbp", "test/disc/adv", *ALL]),
        ("train_images", (None, 9), ["train/gen/kl"], ALL),
        ("test_images", (None, 9), [*LOSSES, *ALL, "wall_s"], []),
        ("seed", (0, 1), [], [*ALL, *LOSSES, *ESTIMATES, "wall_s"]),
        ("epochs", (1, 2), [], [*ALL, *LOSSES, "wall_s"]),
        ("data_dir", ("a", "b"), [], [*ALL, *LOSSES]),
    ],
)  # fmt: skip
def test_a_figure_depends_on_these_options(option, values, keys, others):
    differing = between(*(run_of({option: value}) for value in values))
    assert {key: differing(key) for key in keys} == {key: [option] for key in keys}
    assert [key for key in others if differing(key)] == []


@pytest.mark.parametrize("fact", ["device_name", "threads", "processes"])
def test_times_depend_on_the_machine(fact):
    differing = between(run_of(environment={fact: 1}), run_of(environment={fact: 2}))
    assert differing("wall_s") == differing("images_per_s") == [fact]
    assert [key for key in [*ALL, *LOSSES] if differing(key)] == []


def test_a_section_depends_on_how_it_was_taken_but_for_what_is_a_run_s_own():
    more = {"images": "the first 100", "seed": 3, "weights": "averaged", "pbp": "mse"}
    differing = between(run_of(), run_of(protocol=more))
    assert differing("reconstruction/psnr") == ["images"]
    assert [key for key in ("test/gen/pbp", "likelihood/kl", "wall_s") if differing(key)] == []


def test_all_options_that_figures_depend_on_are_options():
    known = {*config_type().model_fields}
    assert {option for options in options_behind_figures().values() for option in options} <= known
