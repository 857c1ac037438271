"""Every file in configs/ builds networks of the published sizes, trains, and has the required header."""

from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
from tiny_runs import Records

from vaegan import datasets
from vaegan.cli.flags import parse
from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import resolved
from vaegan.datasets.batches import Batches
from vaegan.nets.blocks import parameter_count
from vaegan.training.loop import train

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
NO_RUNS = ("ablations", "presets")
FILES = sorted(file for file in CONFIGS.glob("*/*.yaml") if file.parent.name not in NO_RUNS)
SYSTEMS = [file for file in FILES if not file.name.startswith("base")]
EPOCHS = {"mnist": 25, "cifar10": 50}  # where the published ones have no epochs in their names
GRIDS = {25: [1, 10, 15, 25], 50: [20, 30, 40, 50], 100: [40, 60, 80, 100]}  # by epochs
SIZES = (16, 32, 64)
LATENTS = (2, 20, 100)


def each(files):
    return pytest.mark.parametrize("file", files, ids=lambda file: str(file.relative_to(CONFIGS)))


@cache
def read(file, *flags):
    """The resolved config and the images' shape."""
    arguments = ["--config", str(file), *flags]
    config = parse(arguments, prog="train_vaegan.py", datasets=datasets.DATASETS.names()).config()
    request = datasets.Request(config.dataset, config.image_size, data_dir=Path("nowhere"))
    shape = datasets.open_source(request).describe().shape
    return resolved(config, shape[1]), shape


@cache
def counts(file):
    """Parameters by part, of networks that take no memory; encoder and decoder together as "vae"."""
    with torch.device("meta"):
        players = build_players(*read(file))
    counts = {part: parameter_count(network) for part, network in players.networks().items()}
    return counts | {"vae": counts.get("encoder", 0) + counts["decoder"]}


# Networks


@each(FILES)
def test_builds(file):
    assert min(counts(file).values()) > 0


@pytest.mark.parametrize(
    "name",
    [
        "learned_loss/conv_resnet_1024_decay",
        "dense/wgan_z10_h128_mnist",
        "depth_by_size/gan_64_k3_z2_mnist",
        "coursework/dcgan_smoothing_and_noise",
    ],
)
def test_resolves_and_builds_as_the_command_does(command, name):
    status, output, errors = command(f"--config {CONFIGS / name}.yaml --dry-run --data-dir nowhere")
    assert status == 0, errors
    assert "parameters" in output and "# run folder" in output


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("dense/vae_z2_h512_mnist", {"encoder": 403_972, "decoder": 403_728, "vae": 807_700}),
        ("dense/vae_z2_h512_cifar10", {"encoder": 1_575_428, "decoder": 1_577_472, "vae": 3_152_900}),
        ("depth_by_size/vae_16_z20_mnist", {"encoder": 163_944, "decoder": 418_849}),
        ("depth_by_size/vae_32_z100_mnist", {"encoder": 702_600, "decoder": 1_784_609}),
        ("depth_by_size/gan_16_z20_mnist", {"decoder": 609_409, "disc": 134_593}),
        ("depth_by_size/gan_32_z100_mnist", {"decoder": 3_445_377, "disc": 661_697}),
        ("depth_by_size/wgan_32_z100_mnist", {"decoder": 3_445_377, "disc": 661_697}),  # the GAN's networks
        # of ResNet-18 with one output, as torchvision's less 999 of the 1,000
        ("learned_loss/conv_resnet", {"disc": 11_177_025}),
        ("learned_loss/conv_resnet_1024_decay", {"disc": 11_177_025}),
        ("learned_loss/conv_resnet_1024_low_lr", {"disc": 11_177_025}),
    ],
)
def test_has_the_published_number_of_parameters(name, published):
    found = counts(CONFIGS / f"{name}.yaml")
    assert {part: found[part] for part in published} == published


@each(sorted((CONFIGS / "coursework").glob("dcgan*.yaml")))
def test_a_dcgan_stays_below_25_million_parameters(file):
    found = counts(file)
    assert "encoder" not in found and found["decoder"] + found["disc"] < 25e6


# Settings


@each(SYSTEMS)
def test_opens_with_source_expectation_cost_and_its_own_command(file):
    heading = [line for line in file.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(heading)
    for part in ("# Source: ", "# Expect: ", "# Cost: on "):
        assert part in text
    assert f"# Command: python train_vaegan.py --config {file.relative_to(ROOT)}" in heading


@pytest.mark.parametrize(
    ("name", "options"),
    [
        (
            "conv_resnet",
            ["latent_dim: 512", "base_channels: 32", "disc_weight: 10.0", "epochs: 200", "solo_epochs: 0"],
        ),
        (
            "conv_resnet_1024_decay",
            ["latent_dim: 1024", "solo_epochs: 100", "pbp_decay: 0.95", "pbp_decay_every: 25"],
        ),
        (
            "conv_resnet_1024_low_lr",
            ["latent_dim: 1024", "solo_epochs: 100", "lr: 0.0002", "disc_lr: 0.0002"],
        ),
        (
            "deep_conv_deep_conv_1024",
            ["latent_dim: 1024", "base_channels: 32", "disc_base_channels: 64", "lr: 0.0002"],
        ),
        (
            "dense_dense_mnist",
            ["dataset: mnist", "disc_weight: 1.0", "disc_hidden_dim: 200", "latent_dim: 5"],
        ),
        ("dense_mnist_mse", ["pbp: mse", "num_layers: 3", "epochs: 50"]),
        (
            "dense_dense_faces",
            ["num_layers: 5", "hidden_dim: 1024", "disc_hidden_dim: 1024", "disc_num_layers: 1"],
        ),
        ("conv_conv_1024", ["latent_dim: 1024", "disc_base_channels: 64", "disc_activation: leaky_relu"]),
    ],
)
def test_learned_loss_systems_have_their_published_settings(command, name, options):
    _, output, _ = command(f"--config {ROOT}/configs/learned_loss/{name}.yaml --dry-run --data-dir nowhere")
    config = output.split("# networks")[0].splitlines()
    assert not [option for option in options if option not in config]


def depth_by_size_names():
    """The published ones: three families at three sizes, K = 3 at one, and a WGAN for longer."""
    nets = [f"{family}_{size}" for family, size in product(("vae", "gan", "wgan"), SIZES)]
    names = [f"{net}_z{z}_{data}" for net, z, data in product([*nets, "gan_64_k3"], LATENTS, EPOCHS)]
    return sorted([*names, "wgan_32_z100_100_epochs_cifar10"])


def test_depth_by_size_has_every_published_system_and_no_other():
    assert [file.stem for file in SYSTEMS if file.parent.name == "depth_by_size"] == depth_by_size_names()


@pytest.mark.parametrize("name", depth_by_size_names())
def test_depth_by_size_does_what_its_name_says(name):
    family, size, *rest = name.split("_")
    z, dataset = next(word for word in rest if word[0] == "z"), rest[-1]
    config, shape = read(CONFIGS / "depth_by_size" / f"{name}.yaml")
    assert (config.image_size, shape[1:]) == (int(size), (int(size), int(size)))
    assert (config.latent_dim, config.dataset) == (int(z[1:]), dataset)
    assert config.epochs == (100 if "100_epochs" in name else EPOCHS[dataset])
    assert config.figure_epochs == GRIDS[config.epochs]
    if family == "vae":
        assert (config.vae, config.gan, config.disc, config.pbp) == ("sized_conv", None, None, "mse")
        assert config.beta.at(0) == pytest.approx(1e-3 * shape[0] * int(size) ** 2)
    else:
        steps = 5 if family == "wgan" else 3 if "k3" in rest else 1
        assert (config.gan, config.disc, config.disc_steps) == ("sized_dcgan", "sized_dcgan", steps)
        assert config.adv == {"gan": "lsgan", "wgan": "wgan"}[family]
        assert (config.weight_clip is not None) == (family == "wgan")
        assert (config.disc_last_activation == "leaky_relu") == (family == "wgan")


DENSE = [
    *[f"vae_z{z}_h512_{data}" for z, data in product((2, 10, 20), EPOCHS)],
    *[f"vae_z2_h{hidden}_{data}" for hidden, data in product((256, 1024), EPOCHS)],
    *[f"gan_z{z}_h256_{data}" for z, data in product((10, 100), EPOCHS)],
    *["gan_z10_h1024_mnist", "gan_z100_h1024_cifar10"],
    *[f"wgan_z{z}_h128_{data}" for z, data in product((10, 100), EPOCHS)],
    *["wgan_z10_h1024_mnist", "wgan_z100_h512_cifar10"],
]


def test_dense_has_every_published_system_and_no_other():
    assert sorted(DENSE) == [file.stem for file in SYSTEMS if file.parent.name == "dense"]


@pytest.mark.parametrize("name", DENSE)
def test_dense_does_what_its_name_says(name):
    family, z, hidden, dataset = name.split("_")
    config, shape = read(CONFIGS / "dense" / f"{name}.yaml")
    assert (config.latent_dim, config.hidden_dim) == (int(z[1:]), int(hidden[1:]))
    assert (config.dataset, config.epochs, config.num_layers) == (dataset, EPOCHS[dataset], 1)
    assert shape == {"mnist": (1, 28, 28), "cifar10": (3, 32, 32)}[dataset]
    if family == "vae":
        assert (config.vae, config.gan, config.disc) == ("dense", None, None)
    else:
        assert (config.gan, config.disc, config.disc_num_layers) == ("dense", "dense", 1)
        assert config.adv == {"gan": "nonsaturating", "wgan": "wgan"}[family]
        assert (config.weight_clip is not None) == (family == "wgan")


# Training


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "phases"),
    [
        ("learned_loss/dense_mnist_mse", ["solo"]),
        ("learned_loss/dense_dense_mnist", ["combo"]),
        ("learned_loss/conv_conv", ["combo"]),
        ("learned_loss/conv_resnet", ["combo"]),
        ("learned_loss/deep_conv_deep_conv_1024", ["solo", "combo"]),
        ("dense/vae_z2_h256_cifar10", ["solo"]),
        ("dense/gan_z10_h256_mnist", ["gan"]),
        ("dense/wgan_z100_h128_cifar10", ["gan"]),
        ("depth_by_size/vae_16_z2_cifar10", ["solo"]),
        ("depth_by_size/vae_32_z20_mnist", ["solo"]),
        ("depth_by_size/gan_16_z20_cifar10", ["gan"]),
        ("depth_by_size/gan_64_k3_z2_mnist", ["gan"]),
        ("depth_by_size/wgan_32_z100_mnist", ["gan"]),
        ("coursework/vae_bce", ["solo"]),
        ("coursework/dcgan", ["gan"]),
        ("coursework/dcgan_group_norm", ["gan"]),
        ("coursework/dcgan_smoothing_and_noise", ["gan"]),
    ],
)
def test_one_of_each_kind_trains(name, phases):
    flags = ["--batch-size", "4", "--epochs", str(len(phases))]
    flags += ["--solo-epochs", "1"] if len(phases) == 2 else []
    config, shape = read(CONFIGS / f"{name}.yaml", *flags)
    players = build_players(config, shape)
    weights = {part: next(network.parameters()) for part, network in players.networks().items()}
    before = {part: weight.detach().clone() for part, weight in weights.items()}
    n_batches = max(2, config.disc_steps or 1)  # so that each player has its turn
    images = torch.randint(256, (4 * n_batches, *shape), dtype=torch.uint8)
    watcher = Records()
    train(config, players, build_schedule(config), Batches(images, 4), Batches(images, 4), [watcher])
    assert [record["phase"] for record in watcher.records] == phases
    assert [part for part in weights if torch.equal(before[part], weights[part])] == []


# The page


@cache
def table():
    """The lines of the page's tables, less their heads."""
    lines = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line.startswith("| [")]


@each(SYSTEMS)
def test_stands_in_docs_systems_as_it_is_now(file):
    """If not: python benchmarks/systems.py."""
    title = file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").removesuffix(".")
    found = counts(file)
    disc = f"{found['disc']:,}" if "disc" in found else ""
    link = f"[`{file.name}`](../{file.relative_to(ROOT).as_posix()})"
    row = f"| {link} | {title} | {found['vae']:,} | {disc} |"
    assert [line.startswith(row) for line in table() if line.startswith(f"| {link}")] == [True]


def test_docs_systems_has_no_other_rows():
    assert len(table()) == len(SYSTEMS)
