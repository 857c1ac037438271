"""Latents against torch.distributions, scikit-learn and constructed latents with a known answer."""

import json
import math

import numpy as np
import pytest
import torch
from in_memory import in_memory
from sklearn.metrics import mutual_info_score
from torch import nn
from torch.distributions import Normal, kl_divergence

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets.base import Images
from vaegan.datasets.factors import Factors
from vaegan.evals.latents import (
    active_units,
    binned,
    evaluate_latents,
    kl_per_dim,
    mutual_information,
    mutual_information_gaps,
    numbered_factors,
    read_labels,
)
from vaegan.evals.material import Material
from vaegan.losses.kl import kl_to_standard_normal


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_units_are_active_whose_mean_varies_by_more_than_a_hundredth():
    unit = torch.tensor([-1.0, 1.0]).repeat(50)[:, None]  # of variance 1
    mu = unit * torch.tensor([0.5, 0.11, 0.09, 0.0]) + torch.tensor([0.0, 3.0, 3.0, 3.0])
    assert active_units(mu) == 2


def test_kl_per_dim_is_that_of_normals_and_adds_up_to_the_loss():
    mu, logvar = normal(30, 5), normal(30, 5, seed=1)
    found = kl_per_dim(mu, logvar)
    expected = kl_divergence(Normal(mu, torch.exp(0.5 * logvar)), Normal(0.0, 1.0)).mean(0)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(), kl_to_standard_normal(mu, logvar))


def test_bins_are_numpys_of_equal_width():
    values = normal(500, 3)
    for column, found in zip(values.T.double().numpy(), binned(values).T, strict=True):
        edges = np.linspace(column.min(), column.max(), 21)
        assert found.tolist() == (np.digitize(column, edges[:-1]) - 1).tolist()
    assert binned(torch.full((4, 1), 2.0)).tolist() == [[0]] * 4


def test_mutual_information_is_scikit_learns():
    generator = torch.Generator().manual_seed(0)
    codes = torch.randint(0, 20, (400, 6), generator=generator)
    factor = (codes[:, 0] // 4 + torch.randint(0, 2, (400,), generator=generator)) % 5
    expected = [mutual_info_score(column, factor) for column in codes.T.numpy()]
    assert mutual_information(codes, factor).tolist() == pytest.approx(expected)


@pytest.fixture
def factors():
    generator = torch.Generator().manual_seed(0)
    return {
        "turn": torch.rand(5000, generator=generator),
        "kind": torch.randint(0, 4, (5000,), generator=generator),
    }


def test_a_latent_for_each_factor_leaves_a_gap_of_one(factors):
    mu = torch.stack([normal(5000, seed=1), factors["kind"] * 0.7 - 1, -3 * factors["turn"]], 1)
    gaps = mutual_information_gaps(mu, factors)
    assert list(gaps) == ["turn", "kind"]
    assert gaps == pytest.approx({"turn": 1, "kind": 1}, abs=0.04)  # what chance lets the others tell
    alone = mutual_information_gaps(mu[:, 1:2], {"kind": factors["kind"]})
    assert alone == pytest.approx({"kind": 1})  # a single latent


def test_two_latents_for_a_factor_leave_no_gap(factors):
    mu = torch.stack([factors["turn"], -factors["turn"] * 2, factors["kind"].float()], 1)
    gaps = mutual_information_gaps(mu, factors)
    assert gaps["turn"] == pytest.approx(0, abs=0.02)  # bins that are mirrored lose a rounding
    assert gaps["kind"] > 0.95


def test_latents_that_know_nothing_leave_next_to_no_gap(factors):
    assert mutual_information_gaps(normal(5000, 4, seed=1), factors) == pytest.approx(
        {"turn": 0, "kind": 0}, abs=0.02
    )


def test_a_gap_is_a_share_of_the_factors_entropy():
    """A latent that tells two of four kinds apart: log 2 of log 4."""
    kind = torch.arange(4).repeat(100)
    mu = torch.stack([(kind // 2).float(), torch.zeros(400)], 1)
    assert mutual_information_gaps(mu, {"kind": kind}) == pytest.approx({"kind": 0.5})


def test_kinds_are_taken_as_they_are_however_many():
    """Bins of equal width put two of 40 kinds into each of a latent's 20."""
    kind = torch.arange(40).repeat(10)
    mu = torch.stack([kind.float(), torch.zeros(400)], 1)
    assert mutual_information_gaps(mu, {"kind": kind}) == pytest.approx({"kind": math.log(20) / math.log(40)})


def test_factors_that_do_not_vary_are_left_out():
    gaps = mutual_information_gaps(normal(50, 2), {"a": torch.ones(50), "b": torch.full((50,), 3)})
    assert gaps == {}


def clusters(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Ten clusters on a circle, of which the first has every second point."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (n,), generator=generator) * torch.randint(0, 2, (n,), generator=generator)
    angle = labels * 0.2 * torch.pi
    centres = torch.stack([angle.cos(), angle.sin()], 1)
    return centres + 0.01 * torch.randn(n, 2, generator=generator), labels


def test_labels_are_read_from_clusters_and_not_from_noise():
    (train, train_labels), (test, labels) = clusters(2000, 0), clusters(1000, 1)
    found = read_labels(train, train_labels, test, labels)
    assert found["majority_share"] == pytest.approx((labels == 0).double().mean().item())
    assert found["knn_accuracy"] > 0.99
    scale = torch.tensor([1, 0.001])
    for probed in (found, read_labels(train * scale, train_labels, test * scale, labels)):
        assert probed["probe_accuracy"] > 0.9
    noise = read_labels(normal(2000, 2), train_labels, normal(1000, 2, seed=1), labels)
    assert max(noise["knn_accuracy"], noise["probe_accuracy"]) < found["majority_share"] + 0.03


def test_rings_are_read_by_neighbours_and_not_by_lines():
    points, more = normal(2000, 2), normal(1000, 2, seed=1)
    rings, rings_more = (each.norm(dim=1).gt(1.18).long() for each in (points, more))
    found = read_labels(points, rings, more, rings_more)
    assert found["knn_accuracy"] > 0.95
    assert found["probe_accuracy"] < 0.6


def test_the_floor_names_the_commonest_label_of_the_training_images():
    train_labels, labels = torch.tensor([1, 1, 1, 0] * 5), torch.tensor([0, 0, 0, 1])
    assert read_labels(normal(20, 2), train_labels, normal(4, 2), labels)["majority_share"] == 0.25


class Looking(nn.Module):
    """An encoder whose posterior's mean is the first two pixels, and whose variance is 1."""

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        mu = x.flatten(1)[:, :2] * 2 - 1
        return mu, torch.zeros_like(mu)


def material(train: Images, test: Images) -> Material:
    shape = tuple(test.images.shape[1:])
    config = resolved(make_config({"vae": "dense", "latent_dim": 2}), shape[-1])
    players = build_players(config, shape).eval()
    players.encoder = Looking()
    trained = in_memory(config, players, shape)
    return Material(trained, train, test)


def drawn(n: int, seed: int, labelled: bool = False) -> Images:
    """Images whose first two pixels are their factors, a number and one of four kinds."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 1, 4, 4), dtype=torch.uint8, generator=generator)
    kind = torch.randint(0, 4, (n,), generator=generator)
    pixels[:, 0, 0, 1] = kind * 80
    categories = {"kind": ("a", "b", "c", "d")}
    factors = Factors(("turn",), pixels[:, 0, 0, :1] / 255, categories, kind[:, None])
    return Images(pixels, kind if labelled else None, factors)


def test_factors_of_several_sets_follow_each_other():
    sets = drawn(3, 0), drawn(2, 1)
    found = numbered_factors(sets)
    assert list(found) == ["turn", "kind"]
    assert found["turn"].tolist() == [*sets[0].factors.continuous[:, 0], *sets[1].factors.continuous[:, 0]]
    assert found["kind"].tolist() == [*sets[0].factors.discrete[:, 0], *sets[1].factors.discrete[:, 0]]


def test_factors_in_latents_of_their_own_are_found():
    section = evaluate_latents(material(drawn(10, 0), drawn(2000, 1)))
    assert section.values["mig_per_factor"] == pytest.approx({"turn": 1, "kind": 1}, abs=0.06)
    gaps = section.values["mig_per_factor"].values()
    assert section.values["mig"] == pytest.approx(sum(gaps) / 2)
    assert section.protocol["mig"].startswith("2,000 held-out images;")
    assert section.values["active_units"] == 2
    assert section.warnings == []
    assert "knn_accuracy" not in section.values


def test_few_held_out_images_are_looked_at_together_with_those_trained_on():
    section = evaluate_latents(material(drawn(1900, 0), drawn(150, 1)))
    assert section.protocol["mig"].startswith("150 held-out images and 1,900 training images;")
    assert section.values["mig_per_factor"] == pytest.approx({"turn": 1, "kind": 1}, abs=0.06)
    assert section.warnings == []
    fewer = evaluate_latents(material(drawn(1000, 0), drawn(150, 1)))
    assert "1,150 images" in fewer.warnings[0]


def test_labels_are_learned_from_training_images():
    train, test = drawn(500, 0, labelled=True), drawn(300, 1, labelled=True)
    section = evaluate_latents(material(train, test))
    assert section.values["knn_accuracy"] > 0.95  # neighbours at the edge of a kind
    assert section.values["majority_share"] < 0.4
    assert "300 images only" in section.warnings[0]
    json.dumps(section.to_dict(), allow_nan=False)
    assert set(section.values) == set(section.meanings)
    other = Images(train.images, (train.labels + 1) % 4)
    swapped = evaluate_latents(material(other, Images(test.images, test.labels)))
    assert swapped.values["knn_accuracy"] < 0.05
    assert swapped.values["probe_accuracy"] < 0.05
    assert "mig" not in swapped.values


def test_one_label_for_all_images_is_nothing_to_read():
    one = Images(drawn(40, 0).images, torch.zeros(40, dtype=torch.int64))
    section = evaluate_latents(material(one, one))
    assert set(section.values) == {"active_units", "kl_per_dim"}
    assert "40 images only" in section.warnings[0]


def test_a_gan_has_no_latents_to_look_at():
    config = resolved(make_config({"gan": "dense", "disc": "dense", "latent_dim": 2}), 8)
    players = build_players(config, (1, 4, 4)).eval()
    trained = in_memory(config, players, (1, 4, 4))
    assert evaluate_latents(Material(trained, drawn(5, 0), drawn(5, 1))) is None
