"""Batches shared among processes, and batches that start in the middle of an epoch."""

import itertools

import numpy as np
import pytest
import torch

from vaegan.datasets.batches import Batches
from vaegan.datasets.store import ImageStore
from vaegan.parallel import LEAST_SHARE, Ranks

N = 23


@pytest.fixture(params=["memory", "disk"])
def images(request, tmp_path):
    """[23, 1, 2, 2], each image in a value of its own."""
    made = torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1).expand(N, 1, 2, 2).contiguous()
    if request.param == "memory":
        return made
    keys = [str(number).encode() for number in range(N)]
    store = ImageStore(tmp_path, (1, 2, 2))
    found, _ = store.fetch(keys, lambda positions: (np.asarray(made[i]) for i in positions), "making")
    return found


def values(batches, epoch=0, start=0):
    """The images of each batch by their values."""
    return [[int(image[0, 0, 0]) for image in batch] for batch in batches.epoch(epoch, start)]


@pytest.mark.parametrize("shuffle_seed", [None, 0])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_processes_together_have_the_batches_of_one(images, size, shuffle_seed):
    for batch_size in (7, 8, 23, 64):  # whose last batches are large enough for all
        alone = Batches(images, batch_size, shuffle_seed)
        shared = [Batches(images, batch_size, shuffle_seed, ranks=Ranks(rank, size)) for rank in range(size)]
        if alone.sizes != shared[0].sizes:
            assert alone.sizes[-1] < LEAST_SHARE * size
            continue
        parts = zip(*(values(each, epoch=3) for each in shared), strict=True)
        assert [[*itertools.chain(*part)] for part in parts] == values(alone, epoch=3)


@pytest.mark.parametrize("size", [2, 3, 4])
def test_a_last_batch_too_small_for_all_joins_the_one_before_it(images, size):
    for batch_size in range(LEAST_SHARE * size, N + 5):
        shared = [Batches(images, batch_size, 0, ranks=Ranks(rank, size)) for rank in range(size)]
        sizes = shared[0].sizes
        assert sum(sizes) == N and len(shared[0]) == len(sizes)
        assert all(each.sizes == sizes for each in shared)
        assert min(sizes) >= LEAST_SHARE * size or len(sizes) == 1
        lengths = [[len(batch) for batch in values(each)] for each in shared]
        assert [sum(each) for each in zip(*lengths, strict=True)] == sizes
        assert min(map(min, lengths)) >= LEAST_SHARE
        every_image = sorted(value for each in shared for batch in values(each) for value in batch)
        assert every_image == list(range(N))


@pytest.mark.parametrize("shuffle_seed", [None, 3])
def test_an_epoch_can_begin_at_any_batch_even_after_the_last(images, shuffle_seed):
    batches = Batches(images, 5, shuffle_seed)
    whole = values(batches, epoch=2)
    for start in range(len(whole) + 1):
        assert values(batches, 2, start) == whole[start:]
    second = Batches(images, 5, shuffle_seed, ranks=Ranks(1, 2))
    assert values(second, 2, 2) == values(second, 2)[2:]


def test_only_its_own_share_is_read(images, monkeypatch):
    asked = []

    class Watched:
        def __len__(self):
            return N

        def to(self, device):
            return self

        def __getitem__(self, index):
            asked.append(len(index))
            return images[index]

    for _ in Batches(Watched(), 8, ranks=Ranks(1, 2)).epoch():
        pass
    assert asked == [4, 4, 4]


def test_the_first_images_are_the_same_in_every_process(images):
    for rank in range(3):
        first = Batches(images, 8, 5, ranks=Ranks(rank, 3)).first(4)
        assert first[:, 0, 0, 0].tolist() == [0, 1, 2, 3]


def test_the_number_of_images_is_that_of_the_whole_set(images):
    assert Batches(images, 8, ranks=Ranks(1, 2)).n_images == N
