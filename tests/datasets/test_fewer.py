"""Training on fewer images than a data set has (`--train-images`)."""

import pytest
import torch

from vaegan import datasets
from vaegan.errors import OptionError


def load(n_train, split_seed=0):
    return datasets.open_source(datasets.Request("digits", 16, split_seed=split_seed, train_images=n_train))


def test_fewer_images_are_trained_on_and_as_many_held_out():
    whole, fewer = (load(n).load() for n in (None, 100))
    assert len(fewer.train) == len(fewer.train.labels) == 100
    assert torch.equal(fewer.test.images, whole.test.images)
    described = load(100).describe()
    assert (described.n_train, described.n_test) == (100, len(whole.test))


def test_they_are_images_of_the_training_set_with_their_own_labels_each_once():
    whole, fewer = (load(n).load() for n in (None, 300))
    rows = {image.numpy().tobytes(): i for i, image in enumerate(whole.train.images)}
    places = [rows[image.numpy().tobytes()] for image in fewer.train.images]
    assert len(set(places)) == 300
    assert torch.equal(whole.train.labels[places], fewer.train.labels)
    assert max(places) > 1000  # from all over the set, which may be sorted


def test_which_follows_the_splits_seed_and_more_add_to_fewer():
    few, more, other = load(50).load(), load(100).load(), load(50, split_seed=1).load()
    assert torch.equal(few.train.images, more.train.images[:50])
    assert not torch.equal(few.train.images, other.train.images)


@pytest.mark.parametrize("ask", ["describe", "load"])
def test_more_than_there_are_is_refused(ask):
    with pytest.raises(OptionError, match="--train-images: there are 1,437 training images"):
        getattr(load(1438), ask)()


def test_the_flag(command):
    status, output, _ = command("--vae dense --hidden-dim 4 --image-size 8 --train-images 200 --epochs 1")
    assert status == 0 and "200 training and 360 held-out images" in output
    status, _, errors = command("--vae dense --train-images 2000")
    assert (status, errors) == (2, "--train-images 2000: there are 1,437 training images\n")
