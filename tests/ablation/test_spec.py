"""The spec of an ablation: its arms, seeds and metrics, and a line for each mistake in it."""

import re

import pytest

from vaegan.ablation.metrics import DEFAULT_METRICS, known_metrics
from vaegan.ablation.plan import resolve
from vaegan.ablation.spec import KEYS, read_spec
from vaegan.config.build import try_parts
from vaegan.config.make import resolved
from vaegan.config.presets import read_preset
from vaegan.config.schema import config_type
from vaegan.errors import UserError

ALL_METRICS = ", ".join(dict.fromkeys(re.sub("/.*", "/...", name) for name in known_metrics()))
WEIGHTS = "grid:\n  disc_weight: [0, 10]\n"
DISC = "options: {disc: dense, disc_hidden_dim: 8, adv: hinge, r1: 1, ema: 0.9, epochs: 4}\n"
LINES = "expected lines of the form"


@pytest.fixture
def read(tmp_path):
    """Reads a spec from text, beside the files of other names; with options over it."""

    def reader(text, seeds=(), options=None, **files):
        for name, content in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
        (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
        return read_spec(tmp_path / "spec.yaml", options or {}, seeds)

    return reader


@pytest.fixture
def refusal(read, tmp_path):
    """The error message for a refused spec, without the folder."""

    def said(text, **files):
        with pytest.raises(UserError) as refused:
            read(text, **files)
        return str(refused.value).replace(f"{tmp_path}/", "")

    return said


def options_of(spec):
    return {arm.label: arm.options for arm in spec.arms}


def test_a_grid_is_every_combination_of_its_axes_settings(read):
    spec = read("grid: {disc_weight: [1, 2.50, null], augment: [[hflip, noise], none]}")
    assert options_of(spec) == {
        "disc weight 1, augment hflip,noise": {"disc_weight": 1, "augment": ["hflip", "noise"]},
        "disc weight 1, augment none": {"disc_weight": 1, "augment": None},
        "disc weight 2.5, augment hflip,noise": {"disc_weight": 2.5, "augment": ["hflip", "noise"]},
        "disc weight 2.5, augment none": {"disc_weight": 2.5, "augment": None},
        "disc weight none, augment hflip,noise": {"disc_weight": None, "augment": ["hflip", "noise"]},
        "disc weight none, augment none": {"disc_weight": None, "augment": None},
    }


def test_courses_over_time_are_values_of_an_axis(read):
    spec = read('grid: {disc_weight: [10, "linear(0, 10, 20%)", "share(linear(0, 0.3, 5))"]}')
    assert options_of(spec) == {
        "disc weight 10": {"disc_weight": 10},
        "disc weight linear(0, 10, 20%)": {"disc_weight": "linear(0, 10, 20%)"},
        "disc weight share(linear(0, 0.3, 5))": {"disc_weight": "share(linear(0, 0.3, 5))"},
    }


def test_a_course_without_quotes_is_told_of_them(read, tmp_path):
    spec = read("options: {disc: dense}\ngrid: {disc_weight: [10, linear(0, 5, 20%)]}")
    arm = spec.arms[1]
    assert arm.label == "disc weight linear(0"
    with pytest.raises(UserError, match=r"disc_weight linear.0: not a number, but half a form: in a list"):
        resolve(spec, arm, lambda config: config)


def test_true_and_false_read_as_words(read):
    assert list(options_of(read("grid: {spectral_norm: [true, false]}"))) == [
        *("spectral norm yes", "spectral norm no")
    ]


def test_named_settings_change_several_options_together(read):
    spec = read(
        "options: {lr: 0.1, epochs: 9}\nlabels: {schedule: parts}\n"
        "grid:\n  schedule: {half: {solo_epochs: 2, epochs: 4}, 3: {solo_epochs: 0}, as it is: }\n"
    )
    assert options_of(spec) == {
        "parts half": {"lr": 0.1, "solo_epochs": 2, "epochs": 4},
        "parts 3": {"lr": 0.1, "solo_epochs": 0, "epochs": 9},
        "parts as it is": {"lr": 0.1, "epochs": 9},
    }


def test_arms_by_name_follow_the_grid_s(read):
    spec = read(
        f"options: {{beta: 2}}\n{WEIGHTS}labels: {{disc_weight: w}}\narms: {{plain: , low: {{lr: 1}}}}"
    )
    assert options_of(spec) == {
        "w 0": {"beta": 2, "disc_weight": 0},
        "w 10": {"beta": 2, "disc_weight": 10},
        "plain": {"beta": 2},
        "low": {"beta": 2, "lr": 1},
    }


def test_a_preset_goes_below_the_options_of_its_arm(read):
    spec = read(
        "options: {preset: steered, r1: 7}\n"
        "arms: {ours: , as published: {preset: learned_loss}, own D: {disc: conv}, plain: {preset: none}}"
    )
    found = options_of(spec)
    assert found["ours"] == read_preset("steered") | {"r1": 7}
    assert (found["as published"]["disc"], found["as published"]["r1"]) == ("resnet", 7)
    assert found["own D"] == found["ours"] | {"disc": "conv"}
    assert found["plain"] == {"r1": 7}
    assert options_of(read("arms: {a: {disc: dense}, b: }"))["a"] == {"disc": "dense"}  # there is no default


def test_what_an_arm_contradicts_in_its_preset_is_left_out_and_said(read):
    spec = read("options: {preset: steered}\narms: {ours: , batch norm: {disc: conv, disc_norm: batch}}")
    said = []

    def complete(config):
        config = resolved(config, 16)
        try_parts(config, (1, 16, 16))
        return config

    ours, batch_norm = (resolve(spec, arm, complete, said.append) for arm in spec.arms)
    assert (ours.r1 is not None, batch_norm.r1) == (True, None)
    begins = [line.partition(" --")[0] for line in said]
    assert begins == ["ours: preset steered:", "batch norm: preset steered:"]
    assert "without --r1" in said[1]


def test_controls_of_an_arm_with_a_preset_have_its_options_and_not_its_d(read):
    spec = read("options: {preset: steered}\narms: {ours: }\ncontrols: [no_disc, zero_weight]")
    alone, silent = (resolve(spec, arm, lambda config: resolved(config, 16), print) for arm in spec.arms[1:])
    assert alone.disc is None
    assert (silent.disc, silent.disc_weight.value, silent.feature_matching) == ("smooth_conv", 0, None)
    assert silent.disc_betas == (0, 0.99)


def test_an_unknown_preset_is_refused_with_file_and_arm(read):
    with pytest.raises(UserError, match=r'a: preset larsn: unknown preset; did you mean "larsen"\?'):
        read("arms: {a: {preset: larsn}, b: }")


def test_none_takes_away_wherever_it_stands(read):
    """In options, in the base, in a grid, in an arm, and in what is set; but not what is called none."""
    spec = read(
        "base: mine.yaml\noptions: {augment: none, disc_norm: none}\n"
        "grid: {diffaug: [none, colour], disc: [none]}\narms: {a: {betas: none, norm: none}, b: none}\n",
        options={"crop": "none"},
        mine="r1: none\nepochs: 3\n",
    )
    common = {"r1": None, "epochs": 3, "augment": None, "disc_norm": "none", "crop": None}
    assert options_of(spec) == {
        "diffaug none, disc none": common | {"diffaug": None, "disc": None},
        "diffaug colour, disc none": common | {"diffaug": "colour", "disc": None},
        "a": common | {"betas": None, "norm": "none"},
        "b": common,
    }


def test_none_takes_away_what_an_extended_file_has(read):
    spec = read(
        "extends: full.yaml\ncontrols: none\nmetrics: none\nbase: none\ngrid: none\n",
        full=f"base: own.yaml\n{DISC}arms: {{a: {{base: none}}, b: {{beta: 2}}}}\n{WEIGHTS}"
        "controls: no_disc\nmetrics: test/gen/kl\n",
        own="latent_dim: 3\n",
    )
    assert [arm.label for arm in spec.arms] == ["a", "b"]
    assert "latent_dim" not in spec.arms[0].options and not spec.given


def test_an_arm_may_be_called_none(read):
    assert read("arms: {a: , none: {beta: 2}}\nbaseline: none").baseline == "none"


def test_a_baseline_whose_discriminator_is_none_has_no_control_without_one(refusal):
    said = refusal("options: {disc: none}\narms: {a: , b: {beta: 2}}\ncontrols: no_disc")
    assert said == "spec.yaml: controls: no_disc: the baseline is not a VAE with a discriminator"


def test_a_label_of_nothing_is_none(read):
    assert list(options_of(read(f"{WEIGHTS}labels: {{disc_weight: }}"))) == [
        *("disc weight 0", "disc weight 10")
    ]


def test_base_options_and_what_is_set_go_over_each_other_in_this_order(read):
    spec = read(
        f"base: configs/mine.yaml\noptions: {{lr: 2, beta: 2}}\n{WEIGHTS}",
        options={"beta": 3},
        configs__mine="base: below.yaml\nlr: 1\nbeta: 1\n",
        configs__below="lr: 0\nepochs: 7\n",
    )
    assert options_of(spec)["disc weight 10"] == {"lr": 2, "beta": 3, "epochs": 7, "disc_weight": 10}


def test_what_is_set_goes_over_the_arms_own_options(read):
    spec = read(f"{WEIGHTS}arms: {{a: {{epochs: 9, lr: 1}}}}", options={"epochs": 2, "disc_weight": 5})
    assert options_of(spec) == {
        "disc weight 0": {"epochs": 2, "disc_weight": 5},
        "disc weight 10": {"epochs": 2, "disc_weight": 5},
        "a": {"epochs": 2, "disc_weight": 5, "lr": 1},
    }


def test_an_arm_s_base_goes_over_the_common_options_and_its_own_over_that(read):
    spec = read(
        "base: common.yaml\narms: {a: {base: own.yaml, beta: 3}, b: {base: }}",
        common="lr: 0\nbeta: 0\nepochs: 7\n",
        own="lr: 1\nbeta: 1\n",
    )
    assert options_of(spec) == {
        "a": {"lr": 1, "beta": 3, "epochs": 7},
        "b": {"lr": 0, "beta": 0, "epochs": 7},
    }


def test_extends_puts_options_and_labels_together_and_replaces_the_rest(read):
    spec = read(
        "extends: published/full.yaml\noptions: {epochs: 2}\nlabels: {lr: rate}\nseeds: [3]\n"
        "grid: {disc_weight: [5, 6], lr: [1]}",
        published__full="base: own.yaml\noptions: {epochs: 200, beta: 4}\nlabels: {disc_weight: w}\n"
        "seeds: [0, 1]\nmetrics: [reconstruction/ssim]\ngrid: {disc_weight: [7]}\n"
        "arms: {z: {base: arm.yaml}}\nbaseline: z\n",
        published__own="latent_dim: 3\n",
        published__arm="latent_dim: 4\n",
    )
    common = {"latent_dim": 3, "epochs": 2, "beta": 4}
    assert options_of(spec) == {
        "w 5, rate 1": {**common, "disc_weight": 5, "lr": 1},
        "w 6, rate 1": {**common, "disc_weight": 6, "lr": 1},
        "z": {**common, "latent_dim": 4},
    }
    assert (spec.seeds, spec.metrics, spec.baseline, spec.name) == ([3], ["reconstruction/ssim"], "z", "spec")


def test_the_baseline_is_the_first_arm_unless_named(read):
    assert read(WEIGHTS).baseline == "disc weight 0"
    assert read(f"{WEIGHTS}baseline: disc weight 10").baseline == "disc weight 10"
    assert read("arms: {3: , 4: }\nbaseline: 4").baseline == "4"
    assert read(f"{WEIGHTS}baseline: ").baseline == "disc weight 0"


def test_seeds(read):
    assert read(WEIGHTS).seeds == [0]
    assert read(f"{WEIGHTS}seeds: 0").seeds == [0]
    assert read(f"{WEIGHTS}seeds: [4]").seeds == [4]
    assert read(f"{WEIGHTS}seeds: 4", seeds=[7]).seeds == [7]
    assert read(f"{WEIGHTS}seeds: [2, 0]").seeds == [2, 0]
    assert read(f"{WEIGHTS}seeds: [2, 0]", seeds=[7]).seeds == [7]


def test_metrics(read):
    spec = read(WEIGHTS)
    assert (spec.metrics, spec.given) == (list(DEFAULT_METRICS), False)
    spec = read(f"{WEIGHTS}metrics: test/gen/kl")
    assert (spec.metrics, spec.given) == (["test/gen/kl"], True)
    assert set(DEFAULT_METRICS) <= known_metrics().keys()


def test_no_metric_is_weighted_by_an_arm_s_own_weights():
    assert not [name for name in known_metrics() if name.endswith(("total", "weighted"))]


def test_the_control_without_a_discriminator_has_none_of_its_options(read):
    spec = read(f"{DISC}arms: {{a: {{solo_epochs: 1}}, b: {{beta: 2}}}}\ncontrols: [no_disc, equal_time]")
    assert [(arm.label, arm.control) for arm in spec.arms[2:]] == [
        *(("no discriminator", "no_disc"), ("no discriminator, equal time", "equal_time"))
    ]
    for control in spec.arms[2:]:
        assert control.options == {"ema": 0.9, "epochs": 4}
        assert resolve(spec, control, lambda config: resolved(config, 16)).disc is None


def test_no_option_of_a_discriminator_is_left_without_one(read):
    """Every option that a config refuses where there is no discriminator is gone."""
    every = {
        name: "x" for name in config_type().model_fields if name.startswith("disc") or name in ("r2", "gp")
    }
    spec = read("arms: {a: {diffaug: x}, b: }\nbaseline: a\ncontrols: no_disc", options=every)
    assert spec.arms[2].options == {}


def test_the_control_of_weight_0_keeps_the_rest_of_the_baseline(read):
    spec = read(f"{DISC}{WEIGHTS.replace('0,', '5,')}baseline: disc weight 10\ncontrols: zero_weight")
    (control,) = spec.arms[2:]
    assert control.label == "D trained, weight 0"
    assert control.options == spec.arms[1].options | {"disc_weight": 0}


def test_fronts_are_groups_of_arms_of_any_kind(read):
    groups = "fronts: {alone: [no discriminator], D: [disc weight 10, more]}"
    text = f"{DISC}{WEIGHTS}arms: {{more: {{beta: 2}}}}\ncontrols: no_disc\n"
    fronts = {"alone": ["no discriminator"], "D": ["disc weight 10", "more"]}
    assert read(text + groups).fronts == fronts
    assert read("extends: a.yaml", a=text + groups).fronts == fronts
    assert read("extends: a.yaml\nfronts: none", a=text + groups).fronts == read(text).fronts == {}


ALL_KEYS = ", ".join(KEYS)
MISTAKES = {
    "sees: [0]": f'spec.yaml: sees: unknown key; did you mean "seeds"? Known: {ALL_KEYS}.',
    "x: 1": f"spec.yaml: x: unknown key; Known: {ALL_KEYS}.",
    "3: 1": f"spec.yaml: {LINES} `option: value`",
    "- grid": f"spec.yaml: {LINES} `option: value`",
    "grid: [": "spec.yaml: not YAML, line 1: expected the node content, but found '<stream end>'",
    "grid: {lr: 2020-13-13}": "spec.yaml: cannot be read as YAML (month must be in 1..12)",
    "": "spec.yaml: fewer than two arms; add a grid, arms or controls",
    "grid: {lr: [1]}": "spec.yaml: fewer than two arms; add a grid, arms or controls",
    "controls: [no_disc, zero_weight]": "spec.yaml: controls need another arm; add a grid or arms",
    "grid: [1]": f"spec.yaml: grid: {LINES} `name: value`",
    "grid: {disc_weight: []}": "spec.yaml: grid: disc_weight: expected a list of values, or named settings",
    "grid: {disc_weight: {}}": "spec.yaml: grid: disc_weight: expected a list of values, or named settings",
    "grid: {disc_weight: 3}": "spec.yaml: grid: disc_weight: expected a list of values, or named settings",
    "grid: {disc_weight: }": "spec.yaml: grid: disc_weight: expected a list of values, or named settings",
    "grid: {s: {a: 3, b: {lr: 1}}}": f"spec.yaml: grid: s: a: {LINES} `option: value`",
    "grid: {s: {a: {3: 4}, b: {lr: 1}}}": (
        "spec.yaml: s a: 3: unknown option; train_vaegan.py --help lists them all"
    ),
    "arms: [a, b]": f"spec.yaml: arms: {LINES} `name: value`",
    "arms: {a: [1], b: }": f"spec.yaml: arms: a: {LINES} `option: value`",
    "arms: {a: beta, b: }": f"spec.yaml: arms: a: {LINES} `option: value`",
    "arms: {a: {3: 4}, b: }": "spec.yaml: a: 3: unknown option; train_vaegan.py --help lists them all",
    "arms: {a: {null: 4}, b: }": "spec.yaml: a: None: unknown option; train_vaegan.py --help lists them all",
    "arms: {a: {disc_wieght: 4}, b: }": (
        'spec.yaml: a: disc_wieght: unknown option; did you mean "disc_weight"? '
        "train_vaegan.py --help lists them all"
    ),
    "arms: {a: {seed: 4}, b: }": "spec.yaml: a: seed: use `seeds`",
    **{
        f"arms: {{a: , b: {{{option}: x}}}}": (
            f"spec.yaml: b: {option}: set by the ablation itself; leave it out"
        )
        for option in ("run_name", "runs_dir", "evaluate", "wandb_group")
    },
    "arms: {a: {base: no.yaml}, b: }": (
        "spec.yaml: base: no.yaml: cannot read the file (No such file or directory)"
    ),
    "base: no.yaml": "spec.yaml: base: no.yaml: cannot read the file (No such file or directory)",
    "base: [1]": "spec.yaml: base: [1]: cannot read the file (No such file or directory)",
    "options: [1]": f"spec.yaml: options: {LINES} `name: value`",
    "options: beta": f"spec.yaml: options: {LINES} `name: value`",
    "labels: [1]": f"spec.yaml: labels: {LINES} `name: value`",
    f"{WEIGHTS}labels: {{disc_wait: w}}": (
        'spec.yaml: labels: disc_wait: no axis of the grid; did you mean "disc_weight"? Known: disc_weight.'
    ),
    "arms: {a: , b: }\nlabels: {lr: rate}": "spec.yaml: labels: lr: no axis of the grid; there is no grid",
    f"{WEIGHTS}baseline: disc weight 11": (
        'spec.yaml: baseline: disc weight 11: no such arm; did you mean "disc weight 10"? '
        "Known: disc weight 0; disc weight 10."
    ),
    f"{WEIGHTS}baseline: 3": "spec.yaml: baseline: 3: no such arm; Known: disc weight 0; disc weight 10.",
    f"{WEIGHTS}baseline: [3]": "spec.yaml: baseline: [3]: no such arm; Known: disc weight 0; disc weight 10.",
    f"{WEIGHTS}baseline: no discriminator\ncontrols: no_disc": (
        "spec.yaml: baseline: no discriminator: no such arm; Known: disc weight 0; disc weight 10."
    ),
    f"{WEIGHTS}arms: {{disc weight 0: {{lr: 1}}}}": (
        "spec.yaml: two arms are called 'disc weight 0'; give one of them another name"
    ),
    "grid: {beta: [1, 1.0]}": "spec.yaml: two arms are called 'beta 1'; give one of them another name",
    f"{DISC}{WEIGHTS}controls: [no_disc, no_disc]": (
        "spec.yaml: two arms are called 'no discriminator'; give one of them another name"
    ),
    f"{WEIGHTS}controls: no_disk": (
        'spec.yaml: controls: no_disk: unknown control; did you mean "no_disc"? '
        "Known: no_disc, zero_weight, equal_time."
    ),
    f"{WEIGHTS}controls: [[no_disc]]": (
        "spec.yaml: controls: ['no_disc']: unknown control; did you mean \"no_disc\"? "
        "Known: no_disc, zero_weight, equal_time."
    ),
    f"{WEIGHTS}controls: {{3: 4}}": (
        "spec.yaml: controls: {3: 4}: unknown control; Known: no_disc, zero_weight, equal_time."
    ),
    **{
        f"options: {{{options}}}\n{WEIGHTS}controls: {control}": (
            f"spec.yaml: controls: {control}: the baseline is not a VAE with a discriminator"
        )
        for options in ("beta: 1", "gan: dense, disc: dense")
        for control in ("no_disc", "zero_weight", "equal_time")
    },
    **{
        f"{WEIGHTS}seeds: {given}": (
            f"spec.yaml: seeds: {shown}: expected different whole numbers of at least 0"
        )
        for given, shown in (
            *(("[0, 0]", "[0, 0]"), ("[]", "[]"), ("true", "[True]"), ("-1", "[-1]"), ("", "[None]")),
            *(("[1.5]", "[1.5]"), ("[[1]]", "[[1]]"), ("'1'", "['1']"), ("{a: 1}", "[{'a': 1}]")),
            ("[18446744073709551616]", "[18446744073709551616]"),
        )
    },
    **{
        f"{WEIGHTS}metrics: [{name}]": (
            f"spec.yaml: metrics: {name}: weighted with each arm's own weights, so arms do not compare; "
            "use the unweighted terms"
        )
        for name in ("test/gen/total", "train/disc/total", "test/gen/adv_weighted")
    },
    **{
        f"{WEIGHTS}seeds: {given}": f"spec.yaml: seeds: {given}: the seed {given}, or {asked}"
        for given, asked in (
            (1, "1 seed? Write [1], or [0]"),
            (3, "3 seeds? Write [3], or [0, 1, 2]"),
            (2024, "2024 seeds? Write [2024], or [0, 1, ..., 2023]"),
        )
    },
    f"{WEIGHTS}metrics: [test/gen/kl, test/gen/kl]": "spec.yaml: metrics: test/gen/kl: named twice",
    f"{WEIGHTS}metrics: reconstruction/pnsr": (
        'spec.yaml: metrics: reconstruction/pnsr: unknown metric; did you mean "reconstruction/psnr"? '
        f"Known: {', '.join(name for name in known_metrics() if name.startswith('reconstruction/'))}."
    ),
    f"{WEIGHTS}metrics: gradients/share": (
        'spec.yaml: metrics: gradients/share: unknown metric; did you mean "gradients/adv/share"? '
        f"Known: {', '.join(name for name in known_metrics() if name.startswith('gradients/'))}."
    ),
    f"{WEIGHTS}metrics: [[3]]": f"spec.yaml: metrics: [3]: unknown metric; Known: {ALL_METRICS}.",
    "arms: {a: , b: }\nfronts: [a, b]": f"spec.yaml: fronts: {LINES} `name: value`",
    "arms: {a: , b: }\nfronts: {one: [a, b]}": (
        "spec.yaml: fronts: fewer than two groups; add one to compare with"
    ),
    **{
        f"arms: {{a: , b: }}\nfronts: {{one: {given}, two: [b]}}": (
            "spec.yaml: fronts: one: expected a list of arms"
        )
        for given in ("a", "[]", "", "{a: b}")
    },
    f"{WEIGHTS}arms: {{3: }}\nfronts: {{one: [disc weight 0, 3], two: [disc wieght 10]}}": (
        'spec.yaml: fronts: two: disc wieght 10: no such arm; did you mean "disc weight 10"? '
        "Known: disc weight 0; disc weight 10; 3."
    ),
    "arms: {a: , b: }\nfronts: {one: [a, b], two: [b]}": (
        "spec.yaml: fronts: two: b: also in one; name each arm once"
    ),
    "arms: {a: , b: }\nfronts: {one: [a, a], two: [b]}": (
        "spec.yaml: fronts: one: a: in this group twice; name each arm once"
    ),
    "arms: {a: , b: }\nfronts: {one: [a], two: [b]}\nmetrics: [reconstruction/psnr, test/gen/kl]": (
        "spec.yaml: fronts: the metrics make no plane; add one of reconstruction/psnr, reconstruction/ssim, "
        "reconstruction/edge_correlation and a distance such as distances/samples/frechet"
    ),
    "extends: no.yaml": "spec.yaml: extends: no.yaml: cannot read the file (No such file or directory)",
    "extends: [1]": "spec.yaml: extends: [1]: cannot read the file (No such file or directory)",
    "extends: spec.yaml": "spec.yaml: extends: spec.yaml: the file extends itself",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_each_mistake_has_its_line(refusal, text):
    assert refusal(text) == MISTAKES[text]


def test_mistakes_in_files_below_name_those(refusal):
    assert (
        refusal("extends: a.yaml", a="extends: spec.yaml")
        == "a.yaml: extends: spec.yaml: the file extends itself"
    )
    assert refusal("extends: a.yaml", a="sees: 1").startswith("a.yaml: sees: unknown key; ")
    assert refusal("extends: a.yaml", a="options: [1]") == f"a.yaml: options: {LINES} `name: value`"
    assert refusal("base: b.yaml", b="- 1") == f"spec.yaml: base: b.yaml: {LINES} `option: value`"


def test_a_spec_that_is_not_there(tmp_path):
    for path, reason in ((tmp_path / "no.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(UserError) as refused:
            read_spec(path, {})
        assert str(refused.value) == f"{path}: cannot read the file ({reason})"


def test_wrong_values_name_the_file_the_arm_and_the_option(read, tmp_path):
    spec = read(
        "arms: {a: {lr: fast, beta: -1}, b: {solo_epochs: 3}, c: {latent_dim: [1]}, d: {vae: {x: y}}}"
    )
    said = []
    for arm in spec.arms:
        with pytest.raises(UserError) as refused:
            resolve(spec, arm, lambda config: config)
        said += str(refused.value).replace(f"{tmp_path}/", "").splitlines()
    assert said == [
        "spec.yaml: a: beta -1: a weight is a finite number of at least 0",
        "spec.yaml: a: lr fast: not a finite number",
        "spec.yaml: b: solo_epochs 3: needs a discriminator; add --disc NAME",
        "spec.yaml: c: latent_dim [1]: not a whole number",
        "spec.yaml: d: vae {'x': 'y'}: not a text; put it in quotes",
    ]
