"""Every file in configs/ makes networks, and its heading says what it must."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "configs").rglob("*.yaml"))
SYSTEMS = [file for file in FILES if file.name != "base.yaml"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT / "configs")))
def test_resolves_and_builds(command, file):
    status, output, errors = command(f"--config {file} --dry-run --data-dir nowhere")
    assert status == 0, errors
    assert "encoder" in output and "# run folder" in output


@pytest.mark.parametrize("file", SYSTEMS, ids=lambda file: str(file.relative_to(ROOT / "configs")))
def test_opens_with_source_expectation_cost_and_its_own_command(file):
    heading = [line for line in file.read_text().splitlines() if line.startswith("#")]
    text = "\n".join(heading)
    for part in ("# Source: ", "# Expect: ", "# Cost: "):
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
