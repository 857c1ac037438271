from types import SimpleNamespace

import pytest
import timm
import torch
from sklearn.datasets import load_sample_images
from torchvision.models import inception_v3
from torchvision.transforms.v2.functional import gaussian_blur

from vaegan.errors import OptionError
from vaegan.evals import features
from vaegan.evals.classifier import find_classifier
from vaegan.evals.distances import frechet_distance, kernel_distance
from vaegan.evals.features import find_features
from vaegan.evals.own_judge import known_as

pytestmark = pytest.mark.usefixtures("no_downloads")

CPU = torch.device("cpu")


def noise(n: int, channels: int = 3, size: int = 16) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, size, size), generator=generator, dtype=torch.uint8)


def material(images: torch.Tensor | None = None, labels: torch.Tensor | None = None):
    images = noise(20) if images is None else images
    return SimpleNamespace(
        originals=images,
        training_images=images,
        train=SimpleNamespace(labels=labels),
        test=SimpleNamespace(labels=labels),
        seed=0,
        device=CPU,
        trained=SimpleNamespace(config=SimpleNamespace(dataset="noise")),
    )


def found(asked: str, tmp_path, **more):
    said = []
    looked_at = material(**more)
    classifier = find_classifier(looked_at, tmp_path, said.append)
    networks = find_features(asked, looked_at, classifier, said.append)
    assert list(networks) == ["distances"]
    return networks["distances"], said


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """An untrained Inception with sensible scales, and a file of its weights."""
    torch.manual_seed(0)
    net = inception_v3(weights=None, init_weights=False).eval()
    for layer in net.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight)
    file = tmp_path_factory.mktemp("weights") / "mine.pth"
    torch.save(net.state_dict(), file)
    return net, file


def test_labels_make_auto_the_classifier(tmp_path):
    network, said = found("auto", tmp_path, labels=torch.arange(20) % 2)
    assert (
        network.name.startswith("classifier trained on 20 images of noise (seed 0)")
        and "held-out images of noise" in said[0]
    )
    assert not network.is_inception and network.dim == 64
    assert network.features(noise(3)).shape == (3, 64)


def test_without_labels_auto_is_inception_where_its_weights_are_already(tmp_path, monkeypatch, weights):
    assert "EfficientNet-Lite0" in found("auto", tmp_path)[0].name
    monkeypatch.setattr(features, "has_efficientnet", lambda: False)
    assert "random weights" in found("auto", tmp_path)[0].name
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "inception_v3_google-0cc3c7bd.pth").symlink_to(weights[1])
    network, said = found("auto", tmp_path)
    assert network.is_inception and said == [f"features: {network.name}"]
    assert "IMAGENET1K_V1" in network.name and "differ" in network.remark


def test_torchvisions_features_are_those_of_its_own_transforms(tmp_path, weights):
    """Against torchvision's model with its own normalisation, in [0, 1] at 299 pixels."""
    theirs, file = weights
    network, _ = found(f"inception:{file}", tmp_path)
    assert network.is_inception and "mine.pth" in network.name and network.remark
    assert known_as(network.pretrained) == known_as("timm:inception_v3.tv_in1k")
    images = noise(2, size=64)
    x = torch.nn.functional.interpolate(images / 255, (299, 299), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(each)[:, None, None] for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    theirs.transform_input = True  # undoes ImageNet's normalisation
    pooled = []
    hook = theirs.avgpool.register_forward_hook(lambda *seen: pooled.append(seen[2].flatten(1)))
    with torch.no_grad():
        theirs((x - mean) / std)
    hook.remove()
    ours = network.features(images)
    assert ours.shape == (2, 2048) and ours.std() > 0
    torch.testing.assert_close(ours, pooled[0], rtol=1e-3, atol=1e-3 * ours.abs().max().item())


def test_the_original_weights_go_through_torch_fidelity(tmp_path, weights):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    state = {
        name: value for name, value in weights[0].state_dict().items() if not name.startswith("AuxLogits")
    }
    state |= {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
    torch.save(state, tmp_path / "pt_inception.pth")
    network, _ = found(f"inception:{tmp_path / 'pt_inception.pth'}", tmp_path)
    assert network.is_inception and "original" in network.name and not network.remark
    theirs = FeatureExtractorInceptionV3("", ["2048"], str(tmp_path / "pt_inception.pth"))
    grey = noise(2, channels=1)
    with torch.no_grad():
        torch.testing.assert_close(network.features(grey), theirs(grey.repeat(1, 3, 1, 1))[0])


def test_the_original_weights_without_torch_fidelity_name_it(tmp_path, monkeypatch):
    torch.save({"fc.bias": torch.zeros(1008)}, tmp_path / "pt_inception.pth")
    monkeypatch.setitem(__import__("sys").modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(OptionError, match="needs the package torch-fidelity"):
        found(f"inception:{tmp_path / 'pt_inception.pth'}", tmp_path)


class Runs:
    """Unpickled with code allowed, it would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_code_in_a_file_is_not_run(tmp_path):
    torch.save({"fc.bias": Runs(tmp_path / "was_run")}, tmp_path / "bad.pth")
    with pytest.raises(OptionError, match="not a file of weights"):
        found(f"inception:{tmp_path / 'bad.pth'}", tmp_path)
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize(
    "content, said",
    [
        (b"not weights", "not a file of weights"),
        ({"fc.bias": torch.zeros(10)}, "neither torchvision's inception_v3 nor"),
        ([1, 2], "neither torchvision's inception_v3 nor"),
        ({"fc.bias": torch.zeros(1000)}, "not Inception-v3's weights"),
        ({"fc.bias": torch.zeros(1008)}, "not Inception-v3's weights"),
    ],
)
def test_other_files_are_refused(tmp_path, content, said):
    file = tmp_path / "weights.pth"
    file.write_bytes(content) if isinstance(content, bytes) else torch.save(content, file)
    with pytest.raises(OptionError, match=said) as error:
        found(f"inception:{file}", tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "asked, said",
    [
        ("incepton", 'did you mean "inception"'),
        ("timm:", "no such feature network"),
        ("inception:/no/such/file.pth", "No such file"),
        ("classifier", "no labels"),
        ("inception", "no Inception weights from torchvision .*no network here.*inception:FILE"),
        ("timm:resnet81", 'did you mean "resnet18"'),
        ("random,efficentnet", 'did you mean "efficientnet"'),
        ("auto,timm:resnet18,timm:resnet34", "two of the networks after the first are of the kind timm"),
    ],
)
def test_what_cannot_be_had_is_one_line(tmp_path, asked, said):
    with pytest.raises(OptionError, match=said) as error:
        found(asked, tmp_path)
    assert str(error.value).startswith("--features") and "\n" not in str(error.value)


def test_a_timm_network_sees_what_it_was_trained_with(tmp_path, monkeypatch):
    """Its own size and normalisation; and weights that cannot be had are said."""
    real = timm.create_model

    def without_download(name, pretrained, **more):
        assert pretrained
        return real(name, pretrained=False, **more)

    monkeypatch.setattr(timm, "create_model", without_download)
    torch.manual_seed(0)
    network, _ = found("timm:resnet10t", tmp_path)
    torch.manual_seed(0)
    net = real("resnet10t", num_classes=0).eval()
    images = noise(2, channels=1, size=300)
    side = net.pretrained_cfg["input_size"][-1]
    x = torch.nn.functional.interpolate(images / 255, (side, side), mode="bilinear", antialias=True)
    mean, std = (torch.tensor(net.pretrained_cfg[each])[:, None, None] for each in ("mean", "std"))
    with torch.no_grad():
        expected = net((x.expand(-1, 3, -1, -1) - mean) / std)
    assert network.dim == expected.shape[1] and not network.is_inception
    torch.testing.assert_close(network.features(images), expected, rtol=1e-3, atol=1e-4)

    def unreachable(*arguments, **more):
        raise RuntimeError("No pretrained weights exist\nfor it")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(
        OptionError, match=r"no pretrained weights for resnet10t: No pretrained weights exist$"
    ):
        found("timm:resnet10t", tmp_path)


def test_the_random_network_is_always_the_same_and_grey_counts_as_colour(tmp_path):
    images = noise(70, channels=1)  # more than a batch
    before = torch.get_rng_state()
    one, said = found("random", tmp_path, images=images)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    other, _ = found("random", tmp_path, images=images)
    assert "random weights" in one.name and said == [f"features: {one.name}"]
    seen = one.features(images)
    assert seen.shape == (70, one.dim) and seen.dtype == torch.float32
    assert torch.equal(seen, other.features(images))
    torch.testing.assert_close(seen, one.features(images.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("worse", ["blurred", "noisy"])
def test_random_features_tell_more_from_less_changed_images(tmp_path, worse):
    """The Fréchet distance from drawn discs grows with blur, and with noise."""
    draw = torch.Generator().manual_seed(1)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    centres, radii = torch.rand(80, 2, generator=draw) * 20 + 6, torch.rand(80, generator=draw) * 6 + 3
    inside = (rows - centres[:, :1, None]) ** 2 + (columns - centres[:, 1:, None]) ** 2 < radii[
        :, None, None
    ] ** 2
    images = (60 + 140 * inside).byte()[:, None]
    more = torch.randn(images.shape, generator=draw)
    changed = {
        "blurred": [gaussian_blur(images, [9, 9], [s, s]) for s in (0.5, 1.0, 2.0)],
        "noisy": [(images + s * more).clamp(0, 255).byte() for s in (5, 20, 60)],
    }[worse]
    network, _ = found("random", tmp_path, images=images)
    reference = network.features(images)
    far = [frechet_distance(reference, network.features(each)) for each in changed]
    assert 0 < far[0] < far[1] / 2 < far[2] / 4


def test_several_networks_have_sections_of_their_own(tmp_path):
    said = []
    asked = "classifier,efficientnet,random,auto"
    looked_at = material(labels=torch.arange(20) % 2)
    classifier = find_classifier(looked_at, tmp_path, lambda line: None)
    networks = find_features(asked, looked_at, classifier, said.append)
    assert list(networks) == ["distances", "distances_efficientnet", "distances_random"]
    assert [each.short for each in networks.values()] == [
        "classifier",
        "EfficientNet-Lite0",
        "random ResNet-18",
    ]
    assert len(said) == 2
    efficientnet = networks["distances_efficientnet"]
    assert efficientnet.features(noise(3, channels=1)).shape == (3, efficientnet.dim) == (3, 1280)
    assert "at 96 pixels" in efficientnet.name and not efficientnet.is_inception


@pytest.fixture(scope="module")
def photographs():
    """120 patches of scikit-learn's two photographs, at 32 pixels: uint8 [120, 3, 32, 32]."""
    patches = [
        torch.tensor(image).permute(2, 0, 1).unfold(1, 64, 40).unfold(2, 64, 50).flatten(1, 2).transpose(0, 1)
        for image in load_sample_images().images
    ]
    x = torch.nn.functional.interpolate(torch.cat(patches) / 255, (32, 32), mode="area")
    return (255 * x[torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:120]]).byte()


@pytest.mark.parametrize("change", ["blur", "noise", "shift", "colour"])
def test_efficientnet_tells_more_from_less_changed_photographs(change, photographs, tmp_path):
    """Both distances of real images grow with what is done to them."""
    draw = torch.randn(photographs.shape, generator=torch.Generator().manual_seed(1))
    grey = photographs.float().mean(1, keepdim=True)
    changed = {
        "blur": [gaussian_blur(photographs, [9, 9], [s, s]) for s in (0.5, 0.8, 1.5)],
        "noise": [(photographs + s * draw).clamp(0, 255).byte() for s in (5, 15, 50)],
        "shift": [photographs.roll((s, s), (2, 3)) for s in (1, 4, 16)],
        "colour": [(grey + s * (photographs - grey)).byte() for s in (0.8, 0.4, 0.0)],
    }[change]
    network = find_features("efficientnet", material(photographs), None, lambda line: None)["distances"]
    reference = network.features(photographs)
    seen = [network.features(each) for each in changed]
    frechet = [frechet_distance(reference, each) for each in seen]
    kernel = [kernel_distance(reference.double(), each.double(), 0)[0] for each in seen]
    for far in (frechet, kernel):
        assert far[0] < far[1] < far[2]
