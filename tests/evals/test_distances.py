from types import SimpleNamespace

import numpy as np
import pytest
import torch
from prdc import compute_prdc
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric
from torch_fidelity.metric_prc import prc_features_to_metric
from torchmetrics.image.fid import FrechetInceptionDistance

from vaegan.evals import distances
from vaegan.evals.distances import (
    evaluate_distances,
    frechet_distance,
    kernel_distance,
    kernel_error,
    neighbour_shares,
    sample_warnings,
)
from vaegan.quantities import find

SHARES = ("precision", "recall", "density", "coverage")


def features(n: int, dim: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dim, generator=generator).double() * scale + shift


def network(dim: int, is_inception: bool = False):
    """A feature network that takes an image's first pixels for its features."""
    return SimpleNamespace(
        name="first pixels",
        dim=dim,
        is_inception=is_inception,
        short="pixels",
        pretrained="",
        remark="",
        features=lambda images: images.flatten(1)[:, :dim].float(),
    )


def material(n: int = 300, n_training: int = 500, reconstructs: bool = True):
    """Images of noise; the reconstructions are darker, the samples brighter and all but one image."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(50, 150, (n + n_training, 1, 8, 8), generator=draw, dtype=torch.uint8)
    originals = images[:n]
    samples = (images[:1] + torch.randint(0, 20, (n, 1, 8, 8), generator=draw, dtype=torch.uint8)) + 50
    return SimpleNamespace(
        originals=originals,
        training_images=images[n:],
        reconstructions=originals - 20,
        samples=samples,
        reconstructs=reconstructs,
        seed=0,
        protocol=lambda **more: more,
    )


def test_frechet_distance_of_gaussians_in_closed_form():
    """Features whose mean and covariance are exactly those of N(0, I) and N(m, diag(s))."""
    a = features(400, 4, seed=0)
    a = (a - a.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(a.T.cov())).T
    mean, deviations = (
        torch.tensor([1.0, 0.0, -2.0, 0.5]).double(),
        torch.tensor([1.0, 2.0, 0.5, 3.0]).double(),
    )
    expected = mean.square().sum() + (deviations - 1).square().sum()
    assert frechet_distance(a, a * deviations + mean) == pytest.approx(expected.item(), rel=1e-9)


def test_frechet_distance_is_torch_fidelitys():
    a, b = features(300, 20, 1), features(200, 20, 2, shift=0.3, scale=1.4) @ features(20, 20, 3)
    theirs = fid_statistics_to_metric(fid_features_to_statistics(a), fid_features_to_statistics(b), False)
    assert frechet_distance(a, b) == pytest.approx(theirs["frechet_inception_distance"], rel=1e-9)


@pytest.mark.parametrize("n", [200, 30])
def test_frechet_distance_is_torchmetrics(n):
    """Also with covariances that are singular, of 50 features of 30 images."""
    a, b = features(n, 50, 1), features(n + 5, 50, 2, shift=0.3, scale=1.4) @ features(50, 50, 3)
    metric = FrechetInceptionDistance(distances._Given(50)).set_dtype(torch.float64)
    metric.update(a, real=True)
    metric.update(b, real=False)
    assert frechet_distance(a, b) == pytest.approx(metric.compute().item(), rel=1e-6)


@pytest.mark.parametrize("n", [300, 30])
def test_frechet_distance_of_a_set_from_itself_is_zero(n):
    """Also with a covariance that is singular, of 50 features of 30 images."""
    a = features(n, 50, 0)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-4)


def test_kernel_distance_of_all_images_is_torch_fidelitys():
    a, b = features(200, 10, 1), features(200, 10, 2, shift=0.2)
    options = {"kid_subsets": 1, "kid_subset_size": 200, "verbose": False}
    theirs = kid_features_to_metric(a, b, **options)["kernel_inception_distance_mean"]
    mean, deviation = kernel_distance(a, b, seed=0)
    assert mean == pytest.approx(theirs, rel=1e-9)
    assert deviation is None


def test_kernel_distance_of_subsets_follows_the_seed_and_disturbs_nothing(monkeypatch):
    monkeypatch.setattr(distances, "SUBSET", 100)
    a, b = features(150, 5, 1), features(150, 5, 2, shift=0.2)
    theirs = kid_features_to_metric(a, b, kid_subsets=50, kid_subset_size=100, verbose=False)
    before = torch.get_rng_state()
    mean, deviation = kernel_distance(a, b, seed=0)
    assert torch.equal(torch.get_rng_state(), before)
    assert kernel_distance(a, b, seed=0) == (mean, deviation) != kernel_distance(a, b, seed=1)
    expected, spread = (theirs[f"kernel_inception_distance_{name}"] for name in ("mean", "std"))
    assert mean == pytest.approx(expected, abs=4 * spread / 50**0.5)  # of other subsets
    assert deviation == pytest.approx(spread, rel=0.5)


@pytest.mark.parametrize("shift", [0.0, 0.4])
def test_the_kernel_distances_error_is_its_deviation_over_other_images(shift, monkeypatch):
    """In 200 pairs of sets drawn anew; where they do not differ, the estimate is larger."""
    pairs = [(features(60, 8, 2 * i), features(60, 8, 2 * i + 1, shift=shift)) for i in range(200)]
    truth = torch.tensor([kernel_distance(a, b, 0)[0] for a, b in pairs]).std().item()
    errors = torch.tensor([kernel_error(a, b, None, 0) for a, b in pairs[:40]])
    assert 0.85 * truth < errors.mean().item() < (1.15 if shift else 3**0.5 + 0.2) * truth
    # of more images than two subsets, it follows from the deviation over subsets
    monkeypatch.setattr(distances, "SUBSET", 20)
    errors = torch.tensor([kernel_error(a, b, kernel_distance(a, b, 0)[1], 0) for a, b in pairs[:40]])
    assert 0.75 * truth < errors.mean().item() < (1.25 if shift else 2.2) * truth


def test_the_kernel_distances_error_follows_the_seed():
    a, b = features(40, 5, 1), features(50, 5, 2)
    before = torch.get_rng_state()
    assert kernel_error(a, b, None, 0) == kernel_error(a, b, None, 0) != kernel_error(a, b, None, 1)
    assert torch.equal(torch.get_rng_state(), before)
    assert kernel_error(a[:3], b, None, 0) is None


@pytest.mark.parametrize(("dim", "first"), [(8, "frechet"), (64, "kernel")])
def test_of_few_images_the_kernel_distance_stands_first(dim, first):
    """Of 300 images: enough for 8 features, few for 64."""
    section = evaluate_distances(material(), network(dim))
    order = [key.partition("/")[2] for key in section.values if key.startswith("samples/")]
    assert order[0] == first and {"kernel", "frechet"} <= {*order[:4]}
    low, value, high = (section.values[f"samples/kernel{end}"] for end in ("_low", "", "_high"))
    assert low < value < high and (low + high) / 2 == pytest.approx(value)
    lines = [each for each in section.headlines() if "samples" in each["label"]]
    interval = f"[{low:.4g}, {high:.4g}]"
    told = {"label": "kernel distance of samples", "value": f"{value:.4g}", "unit": interval}
    assert (told in lines) == (first == "kernel") and lines[-1]["label"] == "Fréchet distance of samples"


def test_of_several_networks_each_is_named_in_its_figures():
    section = evaluate_distances(material(), network(8), "distances_random", several=True).to_dict()
    assert section["title"] == "Distributions (pixels)"
    assert section["meanings"]["samples/frechet"]["title"] == "Fréchet distance (pixels), samples"
    assert find("eval/distances_random/samples/frechet").title == (
        "Fréchet distance (random ResNet-18), samples"
    )


def test_neighbour_shares_are_those_of_prdc():
    """Over more than one chunk, and with sets of different sizes."""
    real, fake = features(600, 6, 1), features(450, 6, 2, shift=0.5, scale=0.8)
    theirs = compute_prdc(real.numpy(), fake.numpy(), nearest_k=5)
    ours = neighbour_shares(real, fake)
    assert 0.1 < ours["recall"] < 0.9 and 0.5 < ours["precision"] < 1  # where there is something to tell
    assert ours == {name: pytest.approx(theirs[name], abs=1e-12) for name in SHARES}


def test_precision_and_recall_are_torch_fidelitys():
    real, fake = features(300, 6, 3), features(300, 6, 4, shift=0.7)
    theirs = prc_features_to_metric(
        fake, real, prc_neighborhood=5, prc_batch_size=10000, save_cpu_ram=False, verbose=False
    )
    ours = neighbour_shares(real, fake)
    assert (ours["precision"], ours["recall"]) == pytest.approx((theirs["precision"], theirs["recall"]))


def test_one_image_drawn_again_and_again_covers_next_to_nothing():
    real = features(300, 4, 5)
    shares = neighbour_shares(real, real.mean(0).expand(300, -1))
    assert shares["precision"] == 1 and shares["recall"] == 0 and shares["coverage"] < 0.1


def test_samples_reconstructions_and_the_floor_stand_side_by_side():
    section = evaluate_distances(material(), network(dim=8))
    interval = ("kernel_low", "kernel_high")
    keys = ("frechet", "kernel", *interval, *SHARES)  # so few images are taken at once: there is no deviation
    assert set(section.values) == {
        f"{which}/{key}" for which in ("samples", "reconstructions", "training") for key in keys
    }
    assert set(section.to_dict()["meanings"]) == set(section.values)
    values = section.values
    assert values["training/frechet"] < values["reconstructions/frechet"] < values["samples/frechet"]
    assert values["reconstructions/frechet"] == pytest.approx(8 * 20**2, rel=1e-6)  # 20 less in 8 features
    assert values["training/coverage"] > 0.9 > values["samples/coverage"]
    assert section.warnings == []


def test_the_floor_is_taken_from_as_many_training_images():
    """Of 500 training images 300, not the first ones: those may all be of one class."""
    given = material()
    picked = []
    seeing = network(dim=8)
    seeing.features = lambda images: (picked.append(images), images.flatten(1)[:, :8].float())[1]
    section = evaluate_distances(given, seeing)
    floor = next(images for images in picked if set_of(images) <= set_of(given.training_images))
    assert len(floor) == 300 and len(set_of(floor)) == 300
    assert set_of(floor) != set_of(given.training_images[:300])
    assert section.protocol["training"] == "300 training images: the floor"


def set_of(images: torch.Tensor) -> set[bytes]:
    return {np.ascontiguousarray(image).tobytes() for image in images}


def test_a_gan_has_no_reconstructions():
    section = evaluate_distances(material(reconstructs=False), network(dim=8))
    assert {key.partition("/")[0] for key in section.values} == {"samples", "training"}


def test_only_inceptions_values_are_called_fid_and_kid():
    ours = evaluate_distances(material(), network(dim=8))
    theirs = evaluate_distances(material(), network(dim=8, is_inception=True))
    assert not any("fid" in key or "kid" in key for key in ours.values)
    assert {"samples/fid", "samples/kid", "training/fid"} < set(theirs.values)
    assert theirs.values["samples/fid"] == ours.values["samples/frechet"]


@pytest.mark.parametrize(
    "n, dim, said",
    [
        (2000, 64, []),
        (313, 64, []),
        (312, 64, ["312 images are few for 64 features", "313"]),
        (128, 128, ["128 images have no full covariance of 128 features"]),
        (10_000, 2048, []),
        (9_999, 2048, ["9,999 images are few for 2,048 features", "10,000"]),
        (50, 2, ["With 50 images, precision", "0.07"]),
    ],
)
def test_too_few_images_are_said_in_the_record(n, dim, said):
    warnings = sample_warnings(n, n, network(dim))
    assert len(warnings) == bool(said)
    assert all(part in warnings[0] for part in said)


def test_a_floor_from_fewer_images_is_said():
    (warning,) = evaluate_distances(material(n_training=200), network(dim=8)).warnings
    assert "200 training images, fewer than the 300" in warning


def test_a_handful_of_images_has_no_figures_but_warnings():
    section = evaluate_distances(material(n=5, n_training=5), network(dim=8))
    assert section.values["samples/precision"] is None
    assert section.values["samples/frechet"] is not None
    single = evaluate_distances(material(n=1, n_training=1), network(dim=8))
    assert set(single.values.values()) == {None} and single.warnings
