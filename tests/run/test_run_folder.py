"""A run folder: its contents, and that it is complete or absent."""

import json

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from vaegan import datasets
from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.figures.grids import save_reconstructions, save_samples
from vaegan.files import write_whole
from vaegan.training.checkpoint import last_checkpoint
from vaegan.training.pictures import take_pictures

SMALL = "--vae dense --hidden-dim 8 --latent-dim 2 --image-size 16 --epochs 2"
HYBRID = f"{SMALL} --disc dense --disc-hidden-dim 4 --solo-epochs 1"


@pytest.fixture
def run_folder(command, tmp_path):
    """The folder of a small hybrid run."""
    status, output, errors = command(HYBRID, "--run-name", "hybrid")
    assert status == 0, errors
    folder = tmp_path / "runs" / "hybrid"
    assert output.rstrip().endswith(f"Run folder: {folder}")
    return folder


def records(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_timings(records):
    return [{k: v for k, v in r.items() if not k.startswith(("time/", "memory/"))} for r in records]


def test_holds_what_it_should_and_nothing_else(run_folder):
    files = sorted(str(path.relative_to(run_folder)) for path in run_folder.rglob("*") if path.is_file())
    assert files == [
        ".lock",
        "VAE_model.pth",
        "checkpoints/step-00000023.safetensors",
        "checkpoints/step-00000046.safetensors",
        "config.yaml",
        "environment.json",
        "figures/curves.png",
        "figures/reconstructions.png",
        "figures/samples.gif",
        "figures/samples.png",
        "figures/samples/epoch-0001.png",
        "figures/samples/epoch-0002.png",
        "metrics.jsonl",
    ]
    assert [record["epoch"] for record in records(run_folder)] == [0, 1]


def test_its_config_given_back_makes_the_same_run(run_folder, command, tmp_path):
    status, _, errors = command(f"--config {run_folder / 'config.yaml'} --run-name again")
    assert status == 0, errors
    again = tmp_path / "runs" / "again"
    assert (again / "config.yaml").read_text() == (run_folder / "config.yaml").read_text()
    assert without_timings(records(again)) == without_timings(records(run_folder))


def test_its_config_is_resolved(run_folder):
    config = yaml.safe_load((run_folder / "config.yaml").read_text())
    assert config["solo_epochs"] == 1
    assert config["disc_weight"] == 10
    assert config["disc_lr"] == config["lr"] == 0.001
    assert config["image_size"] == 16


def test_flags_go_over_its_config(run_folder, command, tmp_path):
    status, _, _ = command(
        f"--config {run_folder / 'config.yaml'} --epochs 1 --vae conv --base-channels 4", "--dry-run"
    )
    assert status == 2  # the file's hidden_dim is no knob of conv
    status, output, _ = command(f"--config {run_folder / 'config.yaml'} --lr 2e-4", "--dry-run")
    assert status == 0
    assert "lr: 0.0002" in output


def test_environment_says_how_the_run_was_made(run_folder):
    environment = json.loads((run_folder / "environment.json").read_text())
    assert environment["device"] == "cpu"
    assert environment["packages"]["torch"] == torch.__version__
    assert "--disc dense" in environment["command"]
    assert set(environment["parameters"]) == {"encoder", "decoder", "disc"}


def test_weights_are_the_same_in_safetensors_and_in_the_plain_state_dictionary(run_folder):
    everything = load_file(last_checkpoint(run_folder / "checkpoints"))
    vae = torch.load(run_folder / "VAE_model.pth", weights_only=True)
    assert {name.split(".")[0] for name in vae} == {"encoder", "decoder"}
    networks = {name.split(".")[0] for name in everything if "/" not in name}
    assert networks == {"encoder", "decoder", "disc"}
    for name, value in vae.items():
        assert value.equal(everything[name])


def test_reconstructions_show_ten_reference_images_in_two_rows(run_folder):
    picture = Image.open(run_folder / "figures" / "reconstructions.png")
    tile = 96 + 2  # 16 pixels enlarged 6 times, and the gap
    assert picture.size == (10 * tile + 2, 2 * tile + 2)


def test_the_lower_row_is_decoded_from_the_posteriors_mean_in_evaluation_mode(tmp_path):
    config = resolved(
        make_config({"vae": "conv", "base_channels": 4, "pbp": "mse", "pixel_range": "pm1"}), 16
    )
    players = build_players(config, (1, 16, 16))
    images = torch.randint(
        0, 256, (10, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    before = {name: value.clone() for name, value in players.state_dict().items()}
    pictures = take_pictures(players, images)
    save_reconstructions(tmp_path / "picture.png", pictures.reconstructions)
    save_samples(tmp_path / "samples.png", pictures.samples)
    assert all(value.equal(before[name]) for name, value in players.state_dict().items())

    pixels = torch.from_numpy(np.array(Image.open(tmp_path / "picture.png")))[..., 0]
    upper, lower = pixels[2:98], pixels[100:196]
    with torch.no_grad():
        x = images / 127.5 - 1
        mu, _ = players.eval().encoder(x)
        expected = (torch.tanh(players.decoder(mu)) + 1) / 2 * 255
    for i in range(10):
        tile = slice(2 + 98 * i, 98 + 98 * i)
        torch.testing.assert_close(upper[::6, tile][:, ::6], images[i, 0])
        torch.testing.assert_close(lower[::6, tile][:, ::6].float(), expected[i, 0], atol=1, rtol=0)


def test_the_reference_images_are_the_same_whatever_the_seed(run_folder, command, tmp_path):
    command(f"{SMALL} --seed 5 --run-name other --epochs 1")
    rows = []
    for name in ("hybrid", "other"):
        picture = Image.open(tmp_path / "runs" / name / "figures" / "reconstructions.png")
        rows.append(picture.crop((0, 0, picture.width, 98)).tobytes())
    assert rows[0] == rows[1]


def test_names_say_what_the_run_is_and_count(command, tmp_path):
    command(f"{HYBRID} --epochs 1")
    command(f"{HYBRID} --epochs 1")
    command(f"{SMALL} --epochs 1")
    names = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert names == ["digits_dense-1", "digits_dense_dense_w10-1", "digits_dense_dense_w10-2"]


def test_a_folder_made_by_another_run_in_the_meantime_is_left_to_it(command, tmp_path, monkeypatch):
    load = datasets.digits.Digits.load

    def slow_load(self):
        (tmp_path / "runs" / "digits_dense-1").mkdir(parents=True)
        return load(self)

    monkeypatch.setattr(datasets.digits.Digits, "load", slow_load)
    status, output, errors = command(f"{SMALL} --epochs 1")
    assert status == 0, errors
    assert output.rstrip().endswith("digits_dense-2")
    assert list((tmp_path / "runs" / "digits_dense-1").iterdir()) == []


def test_a_name_already_taken_is_refused_and_nothing_overwritten(run_folder, command):
    before = {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()}
    status, _, errors = command(SMALL, "--run-name", "hybrid")
    assert status == 2
    assert errors.startswith("--run-name hybrid: ")
    assert {path: path.read_bytes() for path in run_folder.rglob("*") if path.is_file()} == before


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "weights"
    path.write_text("before")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["weights"]
    write_whole(path, lambda temporary: temporary.write_text("after"))
    assert path.read_text() == "after"


def test_a_run_that_fails_says_so_and_keeps_no_broken_weights(command, tmp_path):
    status, _, errors = command(f"{SMALL} --lr 1e30 --run-name broken")
    assert status == 1
    assert errors.startswith("stopped: ") and len(errors.splitlines()) == 1
    assert list((tmp_path / "runs" / "broken" / "checkpoints").iterdir()) == []
