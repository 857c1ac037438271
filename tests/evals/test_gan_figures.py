from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import entropy

from vaegan.evals.gan_figures import class_figures, class_warnings, evaluate_gan_figures

RECORDS = [
    {"epoch": 0, "test/disc/jsd": 0.5, "test/gen/pbp": 9.0},
    {"epoch": 1, "test/disc/jsd": 0.4, "test/gen/pbp": 8.0},
    {"epoch": 2, "test/disc/jsd": 0.3, "test/gen/pbp": 7.0},
]


def material(originals, samples, epochs=3):
    return SimpleNamespace(
        originals=originals,
        samples=samples,
        seed=0,
        trained=SimpleNamespace(epochs=epochs),
        test=SimpleNamespace(classes=None),
        protocol=lambda **more: more,
    )


def images(n: int, spread: int = 200) -> torch.Tensor:
    generator = torch.Generator().manual_seed(n)
    return torch.randint(0, spread, (n, 1, 8, 8), generator=generator, dtype=torch.uint8)


def judge(n_classes: int, accuracy: float = 0.97):
    """A classifier that reads the class from the first pixel."""
    return SimpleNamespace(
        name="first pixel",
        accuracy=accuracy,
        n_classes=n_classes,
        classify=lambda images: (images[:, 0, 0, 0].long() % n_classes, None),
    )


def test_the_estimates_are_the_last_epochs():
    section = evaluate_gan_figures(material(images(50), images(50)), RECORDS, None)
    assert section.values["jsd"] == 0.3
    assert section.protocol["estimates"].endswith("after epoch 3")
    assert "w1" not in section.values


def test_estimates_from_after_the_checkpoint_are_not_its_own():
    section = evaluate_gan_figures(material(images(50), images(50), epochs=2), RECORDS, None)
    assert section.values["jsd"] == 0.4


def test_the_critics_estimates_keep_their_names():
    records = [{"epoch": 0, "test/disc/w1": 2.0}, {"epoch": 1, "test/disc/w1_up_to_scale": 3.0}]
    section = evaluate_gan_figures(material(images(50), images(50)), records, None)
    assert section.values["w1_up_to_scale"] == 3.0 and "w1" not in section.values


def test_a_vae_without_a_game_has_diversity_alone():
    originals, samples = images(60), images(60, spread=100)
    section = evaluate_gan_figures(material(originals, samples), [{"epoch": 0}], None)
    flat = [np.asarray(each.flatten(1), dtype=float) for each in (samples, originals)]
    expected = pdist(flat[0]).mean() / pdist(flat[1]).mean()
    assert section.values == {"diversity": pytest.approx(expected, rel=1e-5)}
    assert set(section.to_dict()["meanings"]) == {"diversity"}


def test_diversity_of_many_images_is_that_of_a_part_from_all_over():
    """Of 2,000 images, whose first 500 are one and the same."""
    originals = images(2000)
    samples = originals.clone()
    samples[:500] = samples[0]
    values = evaluate_gan_figures(material(originals, samples), [], None).values
    assert values["diversity"] == pytest.approx(15 / 16, abs=0.03)  # a pair in sixteen is within the 500


def test_originals_that_are_all_one_image_leave_no_diversity():
    values = evaluate_gan_figures(material(torch.zeros_like(images(20)), images(20)), [], None).values
    assert values == {"diversity": None}


def test_class_figures_of_known_counts():
    """Of 4 classes one is in no original, one falls short of a tenth of its share, one reaches it exactly."""
    originals = torch.tensor([0] * 400 + [1] * 100 + [2] * 500)
    samples = torch.tensor([0] * 39 + [1] * 10 + [2] * 851 + [3] * 100)
    figures = class_figures(samples, originals, 4)
    assert (figures["classes"], figures["classes_covered"]) == (3, 2)
    assert figures["class_shares"] == pytest.approx([0.039, 0.01, 0.851, 0.1])
    assert figures["class_shares_of_originals"] == pytest.approx([0.4, 0.1, 0.5, 0])
    expected = entropy([39.5, 10.5, 851.5, 100.5], [400.5, 100.5, 500.5, 0.5])
    assert figures["class_kl"] == pytest.approx(expected, rel=1e-12)


def test_classes_are_those_that_the_classifier_sees():
    originals, samples = images(400), images(400)
    samples[:, 0, 0, 0] = 3
    section = evaluate_gan_figures(material(originals, samples), [], judge(4))
    assert section.values["classes"] == 4 and section.values["classes_covered"] == 1
    assert section.values["class_shares"] == [0, 0, 0, 1]
    counts = np.bincount(originals[:, 0, 0, 0].numpy() % 4)
    assert section.values["class_shares_of_originals"] == pytest.approx(list(counts / 400))
    assert "1/10 of its share" in section.protocol["classes"]
    assert set(section.to_dict()["meanings"]) == set(section.values)
    assert section.warnings == []


@pytest.mark.parametrize(
    "accuracy, n, said", [(0.95, 400, []), (0.6, 400, ["60.0 %"]), (0.95, 30, ["30 samples are few"])]
)
def test_doubtful_classes_are_said(accuracy, n, said):
    warnings = class_warnings(judge(10, accuracy), n)
    assert len(warnings) == len(said)
    assert all(part in warning for part, warning in zip(said, warnings, strict=True))
