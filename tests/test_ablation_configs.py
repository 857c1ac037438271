"""Every ablation in configs/ablations can be read, has different arms and a small variant."""

import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from vaegan import datasets
from vaegan.ablation.controls import EQUAL_TIME
from vaegan.ablation.plan import digest, make_plan, resolve
from vaegan.ablation.spec import read_spec
from vaegan.config.build import outline_players
from vaegan.config.make import make_config, resolved
from vaegan.config.yaml_files import read_config
from vaegan.nets.blocks import parameter_count

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
ABLATIONS = CONFIGS / "ablations"
PUBLISHED = sorted(ABLATIONS.glob("*.yaml"))
SMALL = sorted((ABLATIONS / "small").glob("*.yaml"))
STEERED = sorted(file for folder in ("steered", "front") for file in (ABLATIONS / folder).glob("*.yaml"))
BENCHMARKS = sorted((ROOT / "benchmarks").glob("*.yaml"))
SYSTEMS = [
    file
    for folder in ("learned_loss", "dense", "depth_by_size", "coursework")
    for file in sorted((CONFIGS / folder).glob("*.yaml"))
    if not file.name.startswith("base")
]
LEARNED = ("disc_weight", "pbp_weight", "pbp_decay", "schedule")


def each(files):
    return pytest.mark.parametrize("file", files, ids=lambda file: str(file.relative_to(ROOT)))


def at_its_size(config):
    """The config resolved for its images, whose files need not be there."""
    request = datasets.Request.of(config.to_dict() | {"data_dir": "nowhere"})
    return resolved(config, datasets.open_source(request).describe().shape[1])


@cache
def arms(file):
    """The spec and the config of each arm by its label."""
    spec = read_spec(file, {})
    configs = {arm.label: resolve(spec, arm, at_its_size) for arm in spec.arms}
    for arm in spec.arms:
        if arm.control == EQUAL_TIME:  # the command sets its epochs from a timed step
            config = configs[arm.label]
            configs[arm.label] = config.model_copy(update={"epochs": config.epochs + 1})
    return spec, configs


def named(name):
    return arms(ABLATIONS / f"{name}.yaml")[1]


@cache
def system(file):
    layers = read_config(file, origin=str(file))
    return at_its_size(make_config({key: value for _, layer in layers for key, value in layer.items()}))


def changed(config, base):
    """The options that are not those of `base`, None for those that are gone."""
    ours, theirs = config.to_dict(), base.to_dict()
    return {
        name: ours.get(name) for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)
    }


BASELINE = system(CONFIGS / "learned_loss" / "conv_resnet.yaml")
FACES = system(ABLATIONS / "small" / "base" / "faces.yaml")


# All of them


@each([*PUBLISHED, *SMALL, *STEERED])
def test_opens_with_source_expectation_cost_and_its_own_command(file):
    lines = file.read_text(encoding="utf-8").splitlines()
    head = lines[: next(i for i, line in enumerate(lines) if not line.startswith("#"))]
    for part in ("# Source: ", "# Expect: ", "# Cost: on 2 CPU cores"):
        assert [line.startswith(part) for line in head].count(True) == 1
    assert f"# Command: python -m vaegan ablate {file.relative_to(ROOT)}" in head


@each([*PUBLISHED, *SMALL, *STEERED, *BENCHMARKS])
def test_arms_differ_and_each_has_a_run_for_every_seed(file, tmp_path):
    spec, configs = arms(file)
    plan = make_plan(spec, configs, tmp_path, str)  # which refuses arms that differ in nothing
    assert len(plan.jobs) == len(spec.arms) * len(spec.seeds)
    assert {digest(config) for config in configs.values()} == {
        digest(job.config) for job in plan.jobs.values()
    }


@each([*SMALL, *STEERED])
def test_networks_of_every_arm_build(file):
    for config in arms(file)[1].values():
        shape = (1 if config.dataset in ("mnist", "digits") else 3, config.image_size, config.image_size)
        players = outline_players(config, shape)
        assert min(map(parameter_count, players.networks().values())) > 0


def test_every_ablation_has_a_small_variant_and_those_of_the_learned_loss_one_on_cartoons():
    published = [file.stem for file in PUBLISHED]
    assert sorted(file.stem for file in SMALL) == sorted(
        [*published, *(f"{name}_cartoon" for name in LEARNED)]
    )


def labels(file):
    """The arms' labels when images have at most 32 pixels, without numbers of epochs."""
    small = dict.fromkeys(arm.label.replace("size 64", "size 32") for arm in arms(file)[0].arms)
    return [re.sub(r"epochs .*|\d+ epochs", "epochs", label) for label in small]


@each(PUBLISHED)
def test_the_small_variant_has_the_published_arms(file):
    assert labels(ABLATIONS / "small" / file.name) == labels(file)
    assert len(labels(file)) >= 2


@each(PUBLISHED)
def test_published_ones_have_three_seeds_and_small_ones_train_for_less(file):
    spec, configs = arms(file)
    small, small_configs = arms(ABLATIONS / "small" / file.name)
    assert spec.seeds == [0, 1, 2] and small.seeds in ([0], [0, 1], [0, 1, 2])
    assert max(config.epochs for config in small_configs.values()) <= 17  # with that of equal time
    assert max(config.image_size for config in small_configs.values()) <= 32
    assert min(config.epochs for config in configs.values()) >= 20


# Every published system


def test_every_system_is_an_arm_of_some_published_ablation():
    held = {digest(config) for file in PUBLISHED for config in arms(file)[1].values()}
    assert [file.name for file in SYSTEMS if digest(system(file)) not in held] == []


@pytest.mark.parametrize(
    ("name", "files"),
    [
        (
            "learned_loss_mnist",
            {
                "dense, BCE": "dense_mnist_bce",
                "dense, MSE": "dense_mnist_mse",
                "dense, BCE + dense D": "dense_dense_mnist",
            },
        ),
        (
            "learned_loss_faces",
            {
                "dense": "dense_faces",
                "dense + dense D": "dense_dense_faces",
                "conv": "conv",
                "conv + conv D": "conv_conv",
                "conv + ResNet D": "conv_resnet",
                "conv 1024 + wide conv D": "conv_conv_1024",
                "conv 1024 + ResNet D, decay": "conv_resnet_1024_decay",
                "conv 1024 + ResNet D, low lr": "conv_resnet_1024_low_lr",
                "deep conv 1024 + deep conv D": "deep_conv_deep_conv_1024",
            },
        ),
    ],
)
def test_the_systems_of_the_learned_loss_are_arms(name, files):
    assert {label: digest(config) for label, config in named(name).items()} == {
        label: digest(system(CONFIGS / "learned_loss" / f"{file}.yaml")) for label, file in files.items()
    }
    networks = ("vae", "disc", "pbp", "latent_dim", "dataset", "lr", "pbp_decay")
    for label, config in named(f"small/{name}").items():
        published = named(name)[label]
        assert [getattr(config, key) for key in networks] == [getattr(published, key) for key in networks]


def test_depth_by_size_has_every_size_and_number_of_latents():
    for family, data in product(("vae", "gan", "wgan"), ("mnist", "cifar10")):
        configs = named(f"depth_{family}_{data}")
        for size, z in product((16, 32, 64), (2, 20, 100)):
            config = configs[f"size {size}, z {z}"]
            file = CONFIGS / "depth_by_size" / f"{family}_{size}_z{z}_{data}.yaml"
            assert digest(config) == digest(system(file))
    assert named("depth_gan_mnist")["size 64, z 20, K 3"].disc_steps == 3
    assert named("depth_wgan_cifar10")["size 32, z 100, 100 epochs"].epochs == 100


# The learned loss, one knob at a time


WITHOUT_D = (
    ("disc", None),
    ("disc_weight", None),
    ("adv", None),
    ("disc_steps", None),
    ("solo_epochs", None),
    ("disc_lr", None),
    ("disc_betas", None),
    ("disc_base_channels", None),
    ("disc_norm", None),
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "disc_weight",
            {
                "disc weight 1": {"disc_weight": 1},
                "disc weight 10": {},
                "disc weight 20": {"disc_weight": 20},
                "disc weight 50": {"disc_weight": 50},
                "no discriminator": dict(WITHOUT_D),
                "D trained, weight 0": {"disc_weight": 0},
                "no discriminator, equal time": dict(WITHOUT_D) | {"epochs": 201},
            },
        ),
        (
            "pbp_weight",
            {
                "PBP weight 1.2": {"pbp_weight": 1.2},
                "PBP weight 1": {},
                "PBP weight 0.8": {"pbp_weight": 0.8},
                "PBP weight 0.5": {"pbp_weight": 0.5},
            },
        ),
        (
            "pbp_decay",
            {
                "PBP decay 1": {},
                "PBP decay 0.95": {"pbp_decay": 0.95},
                "PBP decay 0.9": {"pbp_decay": 0.9},
            },
        ),
        (
            "schedule",
            {
                "solo + combo epochs 0 + 200": {},
                "solo + combo epochs 50 + 150": {"solo_epochs": 50},
                "solo + combo epochs 100 + 100": {"solo_epochs": 100},
                "solo + combo epochs 150 + 50": {"solo_epochs": 150},
            },
        ),
    ],
)
def test_the_learned_loss_moves_one_knob_of_the_baseline(name, expected):
    spec, configs = arms(ABLATIONS / f"{name}.yaml")
    assert {label: changed(config, BASELINE) for label, config in configs.items()} == expected
    assert expected[spec.baseline] == {}
    if name == "schedule":
        small = {
            "solo + combo epochs 0 + 16": {},
            "solo + combo epochs 4 + 12": {"solo_epochs": 4},
            "solo + combo epochs 8 + 8": {"solo_epochs": 8},
            "solo + combo epochs 12 + 4": {"solo_epochs": 12},
        }
    else:
        small = {label: own | ({"epochs": 17} if "epochs" in own else {}) for label, own in expected.items()}
    found, small_configs = arms(ABLATIONS / "small" / f"{name}.yaml")
    assert {label: changed(config, FACES) for label, config in small_configs.items()} == small
    assert small[found.baseline] == {} and found.seeds == [0, 1, 2]
    drawn, cartoons = arms(ABLATIONS / "small" / f"{name}_cartoon.yaml")
    assert {label: changed(config, FACES) for label, config in cartoons.items()} == {
        label: own | {"dataset": "cartoon:4000"} for label, own in small.items()
    }
    assert drawn.baseline == found.baseline and drawn.seeds == [0]


def test_the_small_baseline_is_the_published_one_but_for_its_size():
    assert changed(FACES, BASELINE) == {
        "image_size": 32,
        "train_images": 2000,
        "latent_dim": 64,
        "base_channels": 16,
        "disc_base_channels": 8,
        "epochs": 16,
        "pbp_decay_every": 2,
        "figure_epochs": [16],
    }


def test_the_schedules_share_their_solo_epochs(tmp_path):
    """The arm with most of them leads; the one without any is made alone."""
    spec, configs = arms(ABLATIONS / "schedule.yaml")
    plan = make_plan(spec, configs, tmp_path, str)
    forks = [job.fork and job.fork.epochs for job in plan.jobs.values()]
    assert sorted(map(str, forks)) == ["100"] * 3 + ["50"] * 3 + ["None"] * 6
    leaders = {job.fork.leader for job in plan.jobs.values() if job.fork}
    assert {plan.jobs[name].config.solo_epochs for name in leaders} == {150} and len(leaders) == 3


# One knob of the others


@pytest.mark.parametrize(
    ("name", "option", "values"),
    [
        ("vae_beta", "beta", [0.5, 1, 2, 4, 10]),
        ("vae_pbp", "pbp", ["bce", "mse", "l1", "gaussian"]),
        ("dcgan_kernels", "kernel_size", [3, None, 5, 7, 9, 11]),  # None: DCGAN's own, 4
        ("dcgan_kernels", "disc_kernel_size", [3, None, 5, 7, 9, 11]),
        ("dcgan_latents", "latent_dim", [50, 75, 100, 200]),
        ("dcgan_activations", "activation", [None, "leaky_relu", "elu"]),
        ("dcgan_norms", "norm", [None, "group", "none"]),
        ("dcgan_norms", "disc_norm", [None, "group", "none"]),
        ("dcgan_smoothing_noise", "label_smoothing", [None, 0.1, None, 0.1]),
        ("dcgan_smoothing_noise", "instance_noise", [None, None, 0.1, 0.1]),
        ("dense_vae_mnist", "latent_dim", [2, 10, 20, 2, 2]),
        ("dense_vae_cifar10", "hidden_dim", [512, 512, 512, 256, 1024]),
        ("dense_gan_mnist", "latent_dim", [10, 100, 10]),
        ("dense_gan_cifar10", "hidden_dim", [256, 256, 1024]),
        ("dense_wgan_mnist", "hidden_dim", [128, 128, 1024]),
        ("dense_wgan_cifar10", "hidden_dim", [128, 128, 512]),
    ],
)
def test_the_axis_is_the_same_in_the_small_variant(name, option, values):
    for path in (name, f"small/{name}"):
        assert [config.to_dict().get(option) for config in named(path).values()] == values


def test_dcgan_epochs_are_a_tenth_or_so_in_the_small_variant():
    assert [config.epochs for config in named("dcgan_epochs").values()] == [20, 50, 100]
    assert [config.epochs for config in named("small/dcgan_epochs").values()] == [2, 4, 8]
