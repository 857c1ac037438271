"""Fewer images than a data set has: to train on (`--train-images`), and held out (`--test-images`)."""

import pytest
import torch
import yaml

from vaegan import datasets
from vaegan.errors import OptionError

N_TRAIN, N_TEST = 1437, 360  # of digits


def load(n_train=None, n_test=None, split_seed=0):
    request = datasets.Request("digits", 16, split_seed=split_seed, train_images=n_train, test_images=n_test)
    return datasets.open_source(request)


def same(some, others):
    return torch.equal(some.images, others.images) and torch.equal(some.labels, others.labels)


def test_fewer_of_one_kind_leave_the_other_as_it_is():
    whole = load().load()
    for n_train, n_test in ((100, None), (None, 50), (100, 50)):
        fewer, described = load(n_train, n_test).load(), load(n_train, n_test).describe()
        counts = (n_train or N_TRAIN, n_test or N_TEST)
        assert (len(fewer.train), len(fewer.test)) == (described.n_train, described.n_test) == counts
        assert same(fewer.train, whole.train) == (n_train is None)
        assert same(fewer.test, whole.test) == (n_test is None)


def test_they_are_images_of_their_set_with_their_own_labels_each_once():
    whole, fewer = load().load(), load(300, 100).load()
    for all_of_them, some in ((whole.train, fewer.train), (whole.test, fewer.test)):
        rows = {image.numpy().tobytes(): i for i, image in enumerate(all_of_them.images)}
        places = [rows[image.numpy().tobytes()] for image in some.images]
        assert len(set(places)) == len(some)
        assert torch.equal(all_of_them.labels[places], some.labels)
        assert max(places) > 0.7 * len(all_of_them)  # from all over the set, which may be sorted


def test_which_follows_the_splits_seed_and_more_add_to_fewer():
    few, more, other = load(50, 20).load(), load(100, 40).load(), load(50, 20, split_seed=1).load()
    for kind, n in (("train", 50), ("test", 20)):
        chosen = getattr(few, kind).images
        assert torch.equal(chosen, getattr(more, kind).images[:n])
        assert not torch.equal(chosen, getattr(other, kind).images)


@pytest.mark.parametrize("ask", ["describe", "load"])
def test_more_than_there_are_is_refused(ask):
    with pytest.raises(OptionError, match="--train-images: there are 1,437 training images"):
        getattr(load(N_TRAIN + 1), ask)()
    with pytest.raises(OptionError, match="--test-images: there are 360 held-out images"):
        getattr(load(n_test=N_TEST + 1), ask)()


def test_the_flags_and_that_a_resumed_run_keeps_them(command, tmp_path):
    small = "--vae dense --hidden-dim 4 --image-size 8 --train-images 200 --test-images 50 --epochs 1"
    status, output, _ = command(f"{small} --run-name r")
    assert status == 0 and "200 training and 50 held-out images" in output
    folder = tmp_path / "runs" / "r"
    assert yaml.safe_load((folder / "config.yaml").read_text())["test_images"] == 50
    status, _, errors = command(f"--resume {folder} --epochs 2 --test-images 60")
    assert status == 2 and errors.startswith("--test-images 60: the run was made with 50, and cannot change")


@pytest.mark.parametrize(("flag", "n", "kind"), [("train", "1,437", "training"), ("test", "360", "held-out")])
def test_a_flag_with_more_than_there_are(command, flag, n, kind):
    status, _, errors = command(f"--vae dense --{flag}-images 2000")
    assert (status, errors) == (2, f"--{flag}-images 2000: there are {n} {kind} images\n")


def test_a_plan_for_images_that_are_not_here_yet(command, monkeypatch, tmp_path):
    monkeypatch.setenv("VAEGAN_DATA", str(tmp_path))
    for flags, said in {
        "--train-images 500": "500 training, an unknown number held out (no folder",
        "--test-images 50": "unknown (no folder",
        "--train-images 500 --test-images 50": "500 training, 50 held out (no folder",
    }.items():
        status, output, _ = command(f"--vae dense --dataset faces {flags} --dry-run")
        assert status == 0 and f"images    {said}" in output
