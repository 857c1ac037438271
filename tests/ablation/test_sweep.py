"""An ablation as a sweep: the command lines of W&B's agent are accepted by our program."""

from itertools import product
from pathlib import Path

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args, load_sweep_config
from wandb.wandb_agent import Agent

from vaegan.ablation.folder import Folder
from vaegan.ablation.metrics import DEFAULT_METRICS
from vaegan.ablation.spec import Arm, Spec
from vaegan.ablation.sweep import write_sweep
from vaegan.cli.flags import parse
from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionError

ARMS = {
    "plain": {"vae": "dense", "lr": 1e-3, "augment": ["hflip", "rotate:20"]},
    "D: weight 1e-05, «ä»": {"vae": "dense", "disc": "dense", "disc_weight": 1e-5, "dataset": "my faces"},
}


def spec_of(name="weights", metrics=DEFAULT_METRICS, seeds=(0, 3)):
    arms = [Arm(label, options) for label, options in ARMS.items()]
    return Spec(name, Path(f"{name}.yaml"), arms, list(seeds), list(metrics), True, "plain")


@pytest.fixture
def sweep(tmp_path):
    """Writes a sweep beside its arms' files and returns it as W&B reads it, with the arms' configs."""

    def maker(spec=None):
        configs = {label: resolved(make_config(options), 16) for label, options in ARMS.items()}
        folder = Folder(tmp_path / "out here")
        folder.note()
        files = folder.write_arms(configs)
        path = tmp_path / "out here" / "sweep.yaml"
        write_sweep(path, spec or spec_of(), files, "project")
        return load_sweep_config(str(path)), configs

    return maker


def command_lines(sweep):
    """The commands that an agent starts for each point of the grid, built as in its `_command_run`."""
    names = list(sweep["parameters"])
    values = [each.get("values", [each.get("value")]) for each in sweep["parameters"].values()]
    for point in product(*values):
        args = {name: {"value": value} for name, value in zip(names, point, strict=True)}
        parts = create_sweep_command_args({"args": args}) | {
            "env": ["/usr/bin/env"],
            "interpreter": ["python"],
            "program": [sweep["program"]],
        }
        command = create_sweep_command(list(sweep["command"]))
        yield [word for part in command for word in (parts[part[2:-1]] if part[:2] == "${" else [part])]


def test_an_agent_s_commands_are_every_arm_with_every_seed(sweep):
    made, configs = sweep()
    found = []
    for words in command_lines(made):
        assert words[:4] == ["/usr/bin/env", "python", "vaegan", "train"]
        given = parse(words[4:], prog="train_vaegan.py", datasets=[])
        assert given.values["wandb_group"] == "weights"
        found.append(given.config().to_dict())
    expected = [
        config.to_dict() | {"seed": seed, "wandb_group": "weights"}
        for config in configs.values()
        for seed in (0, 3)
    ]
    assert found == expected


def test_the_command_and_method_are_those_that_wandb_knows(sweep):
    made, _ = sweep()
    assert [part for part in made["command"] if part != "train"] == Agent.DEFAULT_SWEEP_COMMAND
    assert (made["method"], made["name"], made["project"]) == ("grid", "weights", "project")


@pytest.mark.parametrize("name", ["on", "12", "a: b", "{x}", "# no", "ä 'b' \"c\"", "=1"])
def test_values_are_kept_whatever_they_look_like(sweep, name):
    made, _ = sweep(spec_of(name))
    assert made["parameters"]["wandb-group"] == {"value": name}
    (words, *_) = command_lines(made)
    assert parse(words[4:], prog="", datasets=[]).values["wandb_group"] == name


@pytest.mark.parametrize(
    ("metrics", "goal"),
    [
        (
            ["reconstruction/sharpness", "reconstruction/psnr"],
            {"name": "eval/reconstruction/psnr", "goal": "maximize"},
        ),
        (["distances/samples/frechet"], {"name": "eval/distances/samples/frechet", "goal": "minimize"}),
        (["test/gen/kl", "test/gen/pbp"], {"name": "test/gen/pbp", "goal": "minimize"}),
        (["wall_s", "reconstruction/mse"], {"name": "eval/reconstruction/mse", "goal": "minimize"}),
        (["wall_s", "images_per_s", "disc_accuracy", "test/gen/kl"], None),
    ],
)
def test_the_metric_is_the_first_of_the_table_that_wandb_has_and_of_which_one_way_is_better(
    sweep, metrics, goal
):
    made, _ = sweep(spec_of(metrics=metrics))
    assert made.get("metric") == goal


def test_the_arms_files_are_numbered_named_after_them_and_say_so(sweep, tmp_path):
    stale = tmp_path / "out here" / "arms" / "09_gone.yaml"
    sweep()
    stale.touch()
    made, _ = sweep()
    files = sorted(stale.parent.iterdir())
    assert [file.name for file in files] == ["01_plain.yaml", "02_d_weight_1e_05.yaml"]
    assert made["parameters"]["config"]["values"] == [str(file) for file in files]
    assert files[1].read_text(encoding="utf-8").startswith("# D: weight 1e-05, «ä»\n")
    assert "seed" not in yaml.safe_load(files[1].read_text(encoding="utf-8"))


def test_a_folder_keeps_what_was_noted(tmp_path):
    Folder(tmp_path / "a" / "b").note(equal_time={})
    folder = Folder(tmp_path / "a" / "b")
    folder.note(made_from="x")
    assert Folder(tmp_path / "a" / "b").notes == {"equal_time": {}, "made_from": "x"}


def test_folders_that_cannot_be_taken(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "ablation.json").write_text("{")
    for path, problem in (
        (tmp_path, f"{tmp_path} has other contents; name a new folder"),
        (tmp_path / "file", f"{tmp_path / 'file'} has other contents; name a new folder"),
        (tmp_path / "damaged", f"{tmp_path / 'damaged' / 'ablation.json'} is damaged; name a new folder"),
    ):
        with pytest.raises(OptionError) as refused:
            Folder(path)
        assert (refused.value.option, refused.value.problem) == ("out", problem)
    with pytest.raises(OptionError) as refused:
        Folder(tmp_path / "file" / "below").note()
    assert refused.value.problem == f"cannot write into {tmp_path / 'file' / 'below'} (Not a directory)"
