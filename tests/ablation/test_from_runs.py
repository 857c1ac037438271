"""Existing runs, sorted into the arms of a table."""

import json

import pytest
import yaml

from vaegan.ablation.from_runs import arms_of
from vaegan.errors import UserError


@pytest.fixture
def write(tmp_path):
    """Writes the folder of a run with these options; evaluated or not."""

    def writer(name, evaluated=True, **options):
        folder = tmp_path / name
        folder.mkdir()
        config = {"vae": "dense", "beta": 1.0, "seed": 0, "runs_dir": name, "wandb_group": name, **options}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        (folder / "environment.json").write_text("{}")
        if evaluated:
            (folder / "evaluation.json").write_text('{"sections": {}}')
        return folder

    return writer


def sorted_out(*folders):
    """The names of the runs by seed, of each arm."""
    return {arm.label: {seed: run.name for seed, run in arm.runs.items()} for arm in arms_of(folders)}


def test_runs_that_differ_in_their_seed_alone_are_one_arm(write):
    runs = [write("a", beta=4.0), write("b"), write("c", seed=7), write("d", beta=4.0, seed=3)]
    assert sorted_out(*runs) == {"beta 4": {0: "a", 3: "d"}, "beta 1": {0: "b", 7: "c"}}


def test_an_option_that_one_of_them_lacks_tells_arms_apart(write):
    runs = [write("a"), write("b", disc="dense"), write("c", disc="dense", seed=1)]
    assert sorted_out(*runs) == {"disc none": {0: "a"}, "disc dense": {0: "b", 1: "c"}}


def test_arms_of_different_seeds_are_not_called_by_them(write):
    assert sorted_out(write("a", seed=1), write("b", seed=2, beta=2.0)) == {
        "beta 1": {1: "a"},
        "beta 2": {2: "b"},
    }


def test_a_single_arm_goes_by_the_name_of_its_first_run(write):
    assert sorted_out(write("a", seed=5), write("b")) == {"a": {5: "a", 0: "b"}}
    assert sorted_out(write("c")) == {"c": {0: "c"}}


def test_nobody_failed(write):
    (arm,) = arms_of([write("a")])
    assert arm.failures == {}


def test_two_runs_that_differ_in_nothing_are_refused(write):
    one, other = write("a"), write("b")
    for twice in (one, other):
        with pytest.raises(UserError) as refused:
            arms_of([one, twice])
        assert str(refused.value) == f"{twice}: the same options and seed as {one}; name only one of them"


def test_folders_without_an_evaluated_run_are_refused(write, tmp_path):
    bare = write("bare", evaluated=False)
    damaged = write("damaged")
    (damaged / "evaluation.json").write_text(json.dumps({"sections": {}})[:-2])
    (tmp_path / "empty").mkdir()
    for folder, problem in (
        (bare, f"not evaluated yet; run python -m vaegan evaluate {bare}"),
        (tmp_path / "none", "no such folder"),
        (tmp_path / "empty", "not a run's folder: it has no config.yaml and no environment.json"),
        (damaged, "one of its files is damaged: "),
    ):
        with pytest.raises(UserError) as refused:
            arms_of([write(f"fine beside {folder.name}"), folder])
        assert str(refused.value).startswith(f"{folder}: {problem}")
