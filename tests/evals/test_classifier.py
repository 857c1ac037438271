from types import SimpleNamespace

import pytest
import torch
from sklearn.datasets import load_digits

from vaegan.evals import classifier as module
from vaegan.evals.classifier import Classifier, ClassifierNet, find_classifier, train_classifier
from vaegan.training.checkpoint import read

CPU = torch.device("cpu")


def squares(n: int, size: int = 8, channels: int = 1, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise with a bright quarter, and which of the four quarters it is."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 120, (n, channels, size, size), generator=generator, dtype=torch.uint8)
    labels = torch.randint(0, 4, (n,), generator=generator)
    half = size // 2
    for image, label in zip(images, labels.tolist(), strict=True):
        top, left = half * (label // 2), half * (label % 2)
        image[:, top : top + half, left : left + half] += 100
    return images, labels


def material(n_train: int = 200, n_test: int = 60, labelled: bool = True, seed: int = 0):
    train, test = squares(n_train, seed=1), squares(n_test, seed=2)
    return SimpleNamespace(
        training_images=train[0],
        originals=test[0],
        train=SimpleNamespace(labels=train[1] if labelled else None),
        test=SimpleNamespace(labels=test[1] if labelled else None),
        seed=seed,
        device=CPU,
        trained=SimpleNamespace(config=SimpleNamespace(dataset="squares")),
    )


def test_larger_images_are_averaged_down():
    net = ClassifierNet(1, 2).eval()
    small = squares(3, 32)[0]
    large = small.repeat_interleave(4, 2).repeat_interleave(4, 3)
    torch.testing.assert_close(net(large), net(small))
    speckled = large.clone()
    speckled[:, :, ::2, ::2] += 10  # which an average sees and a picked pixel does not
    assert not torch.allclose(net(speckled), net(large))


@pytest.fixture
def trainings(monkeypatch) -> list[int]:
    """Counts the trainings, which are short ones."""
    monkeypatch.setattr(module, "EPOCHS", 2)
    done = []

    def train(images, *rest):
        done.append(len(images))
        return train_classifier(images, *rest)

    monkeypatch.setattr(module, "train_classifier", train)
    return done


def test_digits_are_learned():
    """scikit-learn's digits as they are, 8 pixels wide."""
    digits = load_digits()
    images = torch.from_numpy(digits.images * 15.9).byte()[:, None]
    labels = torch.from_numpy(digits.target)
    net, accuracy = train_classifier(images[:1400], labels[:1400], images[1400:], labels[1400:], 0, CPU)
    classes = Classifier(net, accuracy, "digits", CPU).classify(images[1400:])[0]
    assert accuracy == pytest.approx((classes == labels[1400:]).double().mean().item())
    assert accuracy > 0.9  # the last of the digits are other writers'


@pytest.mark.parametrize("size, channels", [(8, 3), (28, 1), (31, 3), (256, 1)])
def test_any_size_and_number_of_channels(size, channels):
    images, labels = squares(97, size, channels)  # the last batch is a single image's
    net, accuracy = train_classifier(images, labels, images, labels, 0, CPU)
    assert accuracy > 0.9
    found = Classifier(net, accuracy, "squares", CPU)
    assert found.features(images).shape == (97, found.dim) and found.features(images).dtype == torch.float32
    classes, probabilities = found.classify(images)
    assert torch.equal(classes, probabilities.argmax(1)) and classes.shape == (97,)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(97))


def test_features_are_what_the_last_layer_sees(trainings, tmp_path):
    found = find_classifier(material(), tmp_path, lambda line: None)
    images = squares(300)[0]  # more than a batch
    logits = found.features(images) @ found.net.head.weight.T + found.net.head.bias
    torch.testing.assert_close(logits.softmax(1), found.classify(images)[1])


def test_training_follows_the_seed_and_disturbs_nothing():
    data = (*squares(64), *squares(20))
    before = torch.get_rng_state()
    one = train_classifier(*data, 0, CPU)[0].head.weight
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(3)
    assert torch.equal(train_classifier(*data, 0, CPU)[0].head.weight, one)
    assert not torch.equal(train_classifier(*data, 1, CPU)[0].head.weight, one)


def test_it_is_trained_once_and_says_its_accuracy(trainings, tmp_path):
    said = []
    first = find_classifier(material(), tmp_path, said.append)
    again = find_classifier(material(), tmp_path, said.append)
    assert trainings == [200]
    assert again.accuracy == first.accuracy and again.n_classes == 4
    images = squares(20, seed=7)[0]
    assert torch.equal(again.features(images), first.features(images))
    percent = f"{100 * first.accuracy:.1f} %"
    assert all(f"{percent} of 60 held-out images of squares right" in line for line in said)
    assert "trained in" in said[0] and "cached" in said[1]
    n = len(material().train.labels)
    assert first.name == f"classifier trained on {n} images of squares (seed 0), {percent} right"
    (file,) = (tmp_path / "classifiers").iterdir()
    assert file.suffix == ".safetensors"


def test_other_images_labels_and_seeds_are_trained_anew(trainings, tmp_path):
    relabelled, held_out = material(), material()
    relabelled.train.labels = relabelled.train.labels.flip(0)
    held_out.originals = held_out.originals.flip(0)
    for each in (material(), material(n_train=150), relabelled, held_out, material(seed=1)):
        find_classifier(each, tmp_path, lambda line: None)
    assert len(trainings) == 5 == len(list((tmp_path / "classifiers").iterdir()))


@pytest.mark.parametrize("damage", [b"", b"\0" * 100, None])
def test_a_damaged_file_is_made_again(trainings, tmp_path, damage):
    first = find_classifier(material(), tmp_path, lambda line: None)
    (file,) = (tmp_path / "classifiers").iterdir()
    whole = file.read_bytes()
    changed = bytearray(whole)
    changed[-100] ^= 1  # one bit of a weight
    file.write_bytes(bytes(changed) if damage is None else damage)
    again = find_classifier(material(), tmp_path, lambda line: None)
    assert trainings == [200, 200] and again.accuracy == first.accuracy
    kept, facts = read(file)
    assert facts["accuracy"] == first.accuracy
    assert torch.equal(kept["head.weight"], first.net.head.weight)


def test_a_cache_that_cannot_be_written_is_said(trainings, tmp_path):
    (tmp_path / "classifiers").write_text("a file where the folder would be")
    said = []
    assert find_classifier(material(), tmp_path, said.append).n_classes == 4
    assert "not kept in" in said[0]


def test_without_labels_there_is_none(tmp_path):
    assert find_classifier(material(labelled=False), tmp_path, lambda line: None) is None
