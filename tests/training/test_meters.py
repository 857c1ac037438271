"""Means over an epoch: by images, over all processes, and saved in a checkpoint."""

import torch

from vaegan.parallel import ALONE
from vaegan.training.meters import Meter


class AsIfTwo:
    """Stands for two processes that both added the same."""

    def add_up(self, tensor):
        tensor.mul_(2)


def filled(*batches):
    """A meter that was given (value, images) of gen/pbp."""
    meter = Meter()
    for value, n in batches:
        meter.add("gen", {"pbp": torch.tensor(value)}, n)
    return meter


def test_each_batch_counts_by_its_images():
    assert filled((1.0, 3), (5.0, 1)).means() == {"gen/pbp": 2.0}


def test_nothing_added_has_no_means():
    assert Meter().means() == {}


def test_a_key_has_the_images_it_was_added_with():
    meter = filled((1.0, 3), (5.0, 1))
    meter.add("disc", {"real": torch.tensor(7.0)}, 2)  # plays in some of the steps alone
    assert meter.means() == {"gen/pbp": 2.0, "disc/real": 7.0}


def test_values_come_without_their_graph():
    meter = Meter()
    meter.add("gen", {"pbp": torch.ones((), requires_grad=True) * 2}, 4)
    assert not any(total.requires_grad for total, _ in meter.state().values())


def test_processes_are_added_up_with_their_images_and_asking_changes_nothing():
    meter = filled((1.0, 3), (5.0, 1))
    assert meter.means(AsIfTwo()) == meter.means(AsIfTwo()) == meter.means(ALONE) == {"gen/pbp": 2.0}


def test_no_images_count_for_nothing_even_where_their_mean_is_no_number():
    meter = filled((1.0, 3), (float("nan"), 0))
    assert meter.means() == {"gen/pbp": 1.0}


def test_a_loss_that_is_no_number_shows():
    value = filled((1.0, 3), (float("nan"), 1)).means()["gen/pbp"]
    assert value != value


def test_a_meter_goes_on_from_its_state():
    before = filled((1.0, 3))
    after = Meter()
    after.load(before.state(), before.units)
    for meter in (before, after):
        meter.add("gen", {"pbp": torch.tensor(5.0)}, 1)
    assert after.means() == before.means() == {"gen/pbp": 2.0}
    assert after.state() == {"gen/pbp": (torch.tensor(8.0), 4)}


def terms(pbp, kl):
    return {"pbp": torch.tensor(pbp), "kl": torch.tensor(kl)}


def test_products_with_weights_and_their_totals():
    meter = Meter()
    meter.add("gen", terms(2.0, 3.0), 4, {"pbp": 1.0, "kl": 10.0})
    meter.add("disc", {"acc_real": torch.tensor(0.5)}, 4)
    means = {"gen/pbp": 2.0, "gen/kl": 3.0, "disc/acc_real": 0.5}
    assert meter.means() == means | {"gen/pbp_weighted": 2.0, "gen/kl_weighted": 30.0, "gen/total": 32.0}


def test_each_batch_is_weighted_by_its_own_weight():
    meter = Meter()
    meter.add("gen", {"kl": torch.tensor(2.0)}, 3, {"kl": 0.0})
    meter.add("gen", {"kl": torch.tensor(4.0)}, 3, {"kl": 0.5})
    meter.add("gen", {"kl": torch.tensor(8.0)}, 6, {"kl": 0.25})
    assert meter.means() == {"gen/kl": 5.5, "gen/kl_weighted": 1.5, "gen/total": 1.5}


def test_a_constant_weight_costs_no_rounding():
    meter = Meter()
    for value in (0.1, 0.7, 1 / 3):
        meter.add("gen", {"kl": torch.tensor(value)}, 3, {"kl": 0.3})
    means = meter.means()
    assert means["gen/kl_weighted"] == 0.3 * means["gen/kl"]


def test_a_meter_goes_on_with_its_weighted_values():
    before, after = Meter(), Meter()
    before.add("gen", terms(2.0, 3.0), 4, {"pbp": 0.5, "kl": 10.0})
    after.load(before.state(), before.units)
    for meter in (before, after):
        meter.add("gen", terms(1.0, 5.0), 2, {"pbp": 2.0, "kl": 10.0})
    assert after.means() == before.means()


def test_a_state_from_before_weighted_values_were_metered_gets_them():
    whole, later = Meter(), Meter()
    whole.add("gen", terms(2.0, 3.0), 4, {"pbp": 0.5, "kl": 10.0})
    old = {key: value for key, value in whole.state().items() if not key.endswith("_weighted")}
    later.load(old, {})
    later.add_weighted({"gen": {"pbp": 0.5, "kl": 10.0}, "disc": {"real": 1.0}})
    for meter in (whole, later):
        meter.add("gen", terms(1.0, 5.0), 2, {"pbp": 0.5, "kl": 10.0})
    assert later.means() == whole.means()
