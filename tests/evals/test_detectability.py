import math
from types import SimpleNamespace

import pytest
import torch
from torchvision.transforms.v2.functional import gaussian_blur

from vaegan.evals import detectability
from vaegan.evals.detectability import evaluate_detectability, logits_of, train_discriminator


def stripes(n: int, size: int = 16, seed: int = 0) -> torch.Tensor:
    """uint8 images of sharp noise over a slope of grey."""
    generator = torch.Generator().manual_seed(seed)
    slope = torch.linspace(40, 160, size).expand(n, 1, size, size)
    return (slope + torch.randint(0, 60, (n, 1, size, size), generator=generator)).byte()


def material(originals, fakes, reconstructs=True):
    return SimpleNamespace(
        originals=originals,
        reconstructions=fakes if reconstructs else None,
        samples=None if reconstructs else fakes,
        reconstructs=reconstructs,
        seed=0,
        device=torch.device("cpu"),
        protocol=lambda **more: more,
    )


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(detectability, "STEPS", 60)


def test_more_of_the_same_images_cannot_be_told(quick):
    """Fakes from the originals' own distribution: within four standard errors of one half."""
    section = evaluate_detectability(material(stripes(600, seed=1), stripes(600, seed=2)))
    assert section.values["accuracy"] == pytest.approx(0.5, abs=4 * math.sqrt(0.25 / 600))
    assert section.values["accuracy_error"] == pytest.approx(math.sqrt(0.25 / 600), rel=0.05)
    assert section.warnings == []


def test_blurred_originals_are_told(quick):
    originals = stripes(400)
    section = evaluate_detectability(material(originals, gaussian_blur(originals, [5, 5], [1.0, 1.0])))
    assert section.values["accuracy"] > 0.97


@pytest.mark.parametrize("size", [16, 15, 10])
def test_a_constant_fake_is_told_at_any_size(quick, size):
    originals = stripes(400, size)
    values = evaluate_detectability(material(originals, torch.full_like(originals, 128))).values
    assert values["accuracy"] == values["accuracy_fakes"] == values["accuracy_originals"] == 1
    assert values["accuracy_error"] == 0


def test_each_half_is_what_it_is_used_for(quick, monkeypatch):
    """Training uses the first originals with their fakes, and the accuracy is that on the others."""
    originals, fakes = stripes(41, seed=1), stripes(41, seed=2)
    trained, judged = [], []

    def train(real, fake, *rest):
        trained.extend([real, fake])
        return train_discriminator(real, fake, *rest)

    def judge(disc, images):
        judged.append(images)
        return torch.tensor([1.0, -1.0, -1.0, -1.0]).repeat(len(images))[: len(images)]

    monkeypatch.setattr(detectability, "train_discriminator", train)
    monkeypatch.setattr(detectability, "logits_of", judge)
    values = evaluate_detectability(material(originals, fakes)).values
    assert [torch.equal(*each) for each in zip(trained, (originals[:20], fakes[:20]), strict=True)] == [
        True
    ] * 2
    assert torch.equal(judged[0], originals[20:]) and torch.equal(judged[1], fakes[20:])
    assert torch.equal(judged[2], originals[:20]) and torch.equal(judged[3], fakes[:20])
    assert values["accuracy_originals"] == 6 / 21 and values["accuracy_fakes"] == 15 / 21
    assert values["accuracy"] == pytest.approx(21 / 42)
    assert values["accuracy_trained_on"] == pytest.approx((5 + 15) / 40)


def test_what_it_trains_on_is_what_it_is_given(quick):
    """The discriminator does not depend on the second half, and not on the global generator."""
    given = [stripes(40, seed=1), stripes(40, seed=2)]
    before = torch.get_rng_state()
    one = train_discriminator(*given, seed=0, device=torch.device("cpu"))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    other = train_discriminator(*given, seed=0, device=torch.device("cpu"))
    images = stripes(10, seed=3)
    assert torch.equal(logits_of(one, images), logits_of(other, images))


def test_a_gans_fakes_are_its_samples(quick):
    originals = stripes(400)
    section = evaluate_detectability(material(originals, 255 - originals, reconstructs=False))
    assert section.protocol["fakes"] == "samples from the prior"
    assert section.values["accuracy"] > 0.97


def test_few_images_are_said_and_too_few_have_no_figures(quick):
    few = evaluate_detectability(material(stripes(40, seed=1), stripes(40, seed=2)))
    assert "20 originals only" in few.warnings[0]
    none = evaluate_detectability(material(stripes(3), stripes(3)))
    assert set(none.values.values()) == {None} and "too few" in none.warnings[0]
    assert set(none.to_dict()["meanings"]) == set(few.values) == set(none.values)
