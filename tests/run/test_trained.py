"""A run's networks, read back from its folder."""

import json
import re
import shutil

import pytest
import torch

import train_vaegan
from vaegan import datasets
from vaegan.errors import OptionError, UserError
from vaegan.run.trained import open_checkpoint, open_run
from vaegan.training.checkpoint import read, write

FLAGS = "--vae dense --hidden-dim 8 --latent-dim 3 --image-size 8 --epochs 2 --run-name run"


@pytest.fixture
def trained_run(command, tmp_path):
    """Makes the folder of a small run with these flags beside the usual ones."""

    def make(flags=""):
        status, _, errors = command(f"{FLAGS} {flags}")
        assert status == 0, errors
        return tmp_path / "runs" / "run"

    return make


def test_the_networks_are_those_that_the_run_saved(trained_run):
    folder = trained_run()
    trained = open_run(folder)
    assert trained.image_shape == (1, 8, 8) and trained.epochs == 2 and trained.weights == "as trained"
    assert not trained.players.training and not any(p.requires_grad for p in trained.players.parameters())
    state = torch.load(folder / "VAE_model.pth", weights_only=True)
    ours = trained.players.state_dict()
    assert all(torch.equal(ours[name], value) for name, value in state.items()) and len(state) > 4


def test_averaged_weights_decode_and_are_said_to(trained_run):
    folder = trained_run("--ema 0.9")
    trained = open_run(folder)
    state = torch.load(folder / "VAE_model.pth", weights_only=True)
    z = torch.randn(2, 3)
    logits = trained.players.decode(z)
    trained.players.decoder.load_state_dict(
        {name.removeprefix("decoder."): value for name, value in state.items() if name.startswith("decoder.")}
    )
    assert torch.equal(logits, trained.players.decoder(z))
    assert trained.weights == "as trained, the decoder's averaged (decay 0.9 a step)"


def test_a_kept_checkpoint_can_be_named(trained_run):
    folder = trained_run("--keep-epochs 1")
    first, last = open_run(folder, checkpoint="epoch-0001"), open_run(folder)
    assert (first.epochs, last.epochs) == (1, 2)
    ours, theirs = next(first.players.parameters()), next(last.players.parameters())
    assert not torch.equal(ours, theirs)
    there = "There: epoch-0001, step-"
    with pytest.raises(OptionError, match=f'no such checkpoint; did you mean "epoch-0001"\\? {there}'):
        open_run(folder, checkpoint="epoch-001")


def test_a_damaged_checkpoint_is_named_and_an_older_one_read(trained_run):
    folder = trained_run()
    newest = max((folder / "checkpoints").iterdir())
    before = open_run(folder).checkpoint
    newest.write_bytes(newest.read_bytes()[:-10])
    assert before == newest and open_run(folder).checkpoint < newest
    with pytest.raises(OptionError, match="--checkpoint: not a checkpoint, or cut short"):
        open_run(folder, checkpoint=newest.stem)


def test_folders_that_are_no_runs(tmp_path, trained_run):
    with pytest.raises(UserError, match=re.escape(f"{tmp_path / 'nope'}: no such folder")):
        open_run(tmp_path / "nope")
    with pytest.raises(UserError, match=r"not a run's folder: it has no config\.yaml and no environment"):
        open_run(tmp_path)
    folder = trained_run()
    for checkpoint in (folder / "checkpoints").iterdir():
        checkpoint.unlink()
    with pytest.raises(UserError, match="the run has no checkpoint yet"):
        open_run(folder)


def test_a_checkpoint_alone_opens_wherever_it_lies(trained_run, tmp_path):
    folder = trained_run("--ema 0.9 --disc dense --disc-hidden-dim 4 --solo-epochs 1")
    in_run = open_run(str(folder))
    alone = tmp_path / "elsewhere" / "weights.safetensors"
    alone.parent.mkdir()
    shutil.move(in_run.checkpoint, alone)
    shutil.rmtree(folder)
    moved = open_checkpoint(str(alone))
    assert (moved.image_shape, moved.epochs, moved.config) == ((1, 8, 8), 2, in_run.config)
    theirs = in_run.players.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in moved.players.state_dict().items())
    assert torch.equal(next(moved.decode(torch.ones(1, 3))), next(in_run.decode(torch.ones(1, 3))))
    for read_more in (moved.records, moved.evaluation):
        with pytest.raises(UserError, match=r"weights\.safetensors: lies outside of its run's folder"):
            read_more()


def test_files_that_are_no_checkpoints(tmp_path):
    with pytest.raises(UserError, match="nope: cannot be read"):
        open_checkpoint(tmp_path / "nope")
    (tmp_path / "text").write_text("text")
    with pytest.raises(UserError, match="text: not a checkpoint, or cut short"):
        open_checkpoint(tmp_path / "text")


def test_the_records_and_the_evaluation_are_the_runs(trained_run):
    folder = trained_run()
    trained = open_run(folder)
    assert [record["epoch"] for record in trained.records()] == [0, 1] and trained.evaluation() is None
    (folder / "evaluation.json").write_text('{"epochs": 2}')
    assert trained.evaluation() == {"epochs": 2}


@pytest.fixture
def older_run(trained_run):
    """Makes a run of before checkpoints held the images' shape. environment: what environment.json adds."""

    def make(flags="", **environment):
        folder = trained_run(flags)
        for file in (folder / "checkpoints").iterdir():
            tensors, facts = read(file)
            del facts["data"]["image shape"]
            write(file, tensors, facts)
        file = folder / "environment.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | environment))
        return folder

    return make


def test_older_runs_have_the_shape_beside_their_checkpoints(older_run, tmp_path):
    folder = older_run("--keep-epochs 1", image_shape=[1, 8, 8])
    assert open_run(folder).image_shape == open_run(folder, checkpoint="epoch-0001").image_shape == (1, 8, 8)
    assert open_checkpoint(open_run(folder).checkpoint).image_shape == (1, 8, 8)
    alone = open_run(folder).checkpoint.rename(tmp_path / "alone.safetensors")
    with pytest.raises(UserError, match="does not hold the images' shape; put it back into its run's folder"):
        open_checkpoint(alone)


def test_an_older_run_goes_on_and_its_checkpoints_have_the_shape_then(older_run, tmp_path):
    folder = older_run(image_shape=[1, 8, 8])
    assert train_vaegan.main(["--resume", str(folder), "--epochs", "3"]) == 0
    alone = open_run(folder).checkpoint.rename(tmp_path / "alone.safetensors")
    assert open_checkpoint(alone).image_shape == (1, 8, 8)


def test_a_run_of_before_any_file_had_the_shape_opens_when_it_has_gone_on(older_run):
    folder = older_run()
    with pytest.raises(UserError, match="has no image_shape; checkpoints after --resume have it"):
        open_run(folder)
    assert train_vaegan.main(["--resume", str(folder), "--epochs", "3"]) == 0
    assert open_run(folder).image_shape == (1, 8, 8)


def test_held_out_images_have_to_be_the_runs(trained_run):
    trained = open_run(trained_run())
    held_out = datasets.open_source(datasets.Request("digits", 8)).load().test.images
    trained.check_held_out(held_out)
    with pytest.raises(OptionError, match="--dataset: other images than those that the run held out"):
        trained.check_held_out(held_out.flip(0))
    held_out[-1, 0, 0, 0] ^= 1
    with pytest.raises(OptionError, match=r"\(those that differ: 1 of 360\)"):
        trained.check_held_out(held_out)


def test_spectral_norm_comes_back(trained_run):
    trained = open_run(trained_run("--disc dense --disc-hidden-dim 4 --spectral-norm true --solo-epochs 1"))
    assert torch.isfinite(trained.players.discriminate(torch.rand(3, 1, 8, 8))).all()
