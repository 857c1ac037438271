"""Batches: the order follows from seed and epoch, and every image comes exactly once."""

import pytest
import torch

from vaegan.datasets.batches import Batches

N = 23


@pytest.fixture
def images() -> torch.Tensor:
    """[23, 1, 2, 2], each image in a value of its own."""
    return torch.arange(N, dtype=torch.uint8).view(N, 1, 1, 1).expand(N, 1, 2, 2).contiguous()


def order(batches: Batches, epoch: int = 0) -> list[int]:
    return [int(image[0, 0, 0]) for batch in batches.epoch(epoch) for image in batch]


@pytest.mark.parametrize("shuffle_seed", [None, 0, 7])
@pytest.mark.parametrize("batch_size", [1, 5, 23, 64])
def test_every_image_comes_exactly_once_and_the_last_batch_is_kept(images, batch_size, shuffle_seed):
    batches = Batches(images, batch_size, shuffle_seed)
    sizes = [len(batch) for batch in batches.epoch(2)]
    full, rest = divmod(N, batch_size)
    assert sizes == [batch_size] * full + [rest] * (rest > 0)
    assert len(batches) == len(sizes)
    assert sorted(order(batches, 2)) == list(range(N))


@pytest.mark.parametrize("shuffle_seed", [None, 0])
def test_a_last_batch_of_one_joins_the_one_before_it(images, shuffle_seed):
    batches = Batches(images[:21], 5, shuffle_seed)
    assert [len(batch) for batch in batches.epoch()] == [5, 5, 5, 6]
    assert len(batches) == 4
    assert [len(batch) for batch in Batches(images[:1], 5, shuffle_seed).epoch()] == [1]


def test_batches_are_whole_images(images):
    for batch in Batches(images, 5, shuffle_seed=0).epoch():
        assert batch.dtype == torch.uint8
        assert batch.shape[1:] == images.shape[1:]
        assert (batch == batch[:, :1, :1, :1]).all()


def test_the_order_follows_from_seed_and_epoch_alone(images):
    expected = order(Batches(images, 5, shuffle_seed=3), 4)
    torch.manual_seed(99)
    later = Batches(images, 5, shuffle_seed=3)
    order(later, 0)  # an epoch before it changes nothing
    assert order(later, 4) == expected
    assert order(Batches(images, 8, shuffle_seed=3), 4) == expected


def test_shuffling_leaves_the_global_generator_alone(images):
    torch.manual_seed(0)
    before = torch.get_rng_state()
    order(Batches(images, 5, shuffle_seed=3))
    assert torch.equal(torch.get_rng_state(), before)


def test_epochs_and_seeds_have_orders_of_their_own(images):
    orders = [order(Batches(images, 5, shuffle_seed=seed), epoch) for seed in range(4) for epoch in range(4)]
    assert len(set(map(tuple, [*orders, range(N)]))) == 17


def test_without_shuffling_the_images_keep_their_order_in_every_epoch(images):
    batches = Batches(images, 5)
    assert order(batches, 0) == order(batches, 1) == list(range(N))
