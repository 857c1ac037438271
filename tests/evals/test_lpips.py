"""LPIPS is torchmetrics', with weights from a file or torchvision's downloads; none are fetched unasked."""

import pytest
import torch
import torchvision
from in_memory import material
from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

from vaegan.errors import OptionError
from vaegan.evals.lpips import check_lpips, evaluate_perceptual, find_lpips

pytestmark = pytest.mark.usefixtures("no_downloads")

DOWNLOADED = "alexnet-owt-7be5be79.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file with weights of torchvision's AlexNet, random ones."""
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(torchvision.models.alexnet(weights=None).state_dict(), file)
    return file


def pixels(channels: int, side: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (70, channels, side, side), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize(("channels", "side"), [(3, 64), (1, 16)])
def test_it_is_torchmetrics_with_the_same_weights(channels, side, weights, tmp_path):
    """torchmetrics' own class reads the backbone from torchvision's downloads. Small images are enlarged."""
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / DOWNLOADED).symlink_to(weights)
    theirs = LearnedPerceptualImagePatchSimilarity("alex", normalize=True)
    looked_at = material(pixels(channels, side), hidden_dim=4)
    pair = [each / 255 for each in (looked_at.originals, looked_at.reconstructions)]
    pair = [each.expand(-1, 3, -1, -1) for each in pair]
    if side < 64:
        pair = [torch.nn.functional.interpolate(each, (64, 64), mode="bilinear") for each in pair]
    theirs.update(*pair)
    said = []
    for asked in (str(weights), None):
        section = evaluate_perceptual(looked_at, find_lpips(asked, said.append))
        assert section.values["lpips"] == pytest.approx(theirs.compute().item(), rel=1e-5)
    assert said == ["lpips: AlexNet, weights of alexnet.pth", f"lpips: AlexNet, torchvision's {DOWNLOADED}"]
    assert section.protocol["size"].startswith(f"{side} x {side} pixels")
    assert ("enlarged to 64 x 64" in section.protocol["size"]) == (side < 64)
    assert "70 images" in section.warnings[0]


@pytest.mark.parametrize(("model", "layers", "last"), [("vgg16", 5, 29), ("squeezenet1_1", 7, 12)])
def test_a_file_says_itself_of_which_network_it_is(model, layers, last, tmp_path):
    features = getattr(torchvision.models, model)(weights=None).features.eval()
    torch.save({f"features.{key}": value for key, value in features.state_dict().items()}, tmp_path / "w.pth")
    lpips = find_lpips(str(tmp_path / "w.pth"), lambda line: None)
    x = torch.rand(1, 3, 64, 64)
    seen = lpips.net.net(x)
    assert len(seen) == layers
    torch.testing.assert_close(seen[-1], features[: last + 1](x))
    assert lpips.pretrained == ("timm:vgg16" if model == "vgg16" else "")


def test_without_weights_there_is_none_and_nothing_is_fetched():
    assert find_lpips(None, lambda line: None) is None
    assert evaluate_perceptual(material(pixels(1, 8), hidden_dim=4), None) is None


def test_a_damaged_download_is_said_and_left_out(tmp_path):
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / DOWNLOADED).write_bytes(b"half of it")
    said = []
    assert find_lpips(None, said.append) is None
    assert "not a file of weights" in said[0]


def test_what_cannot_be_had_is_one_line(tmp_path):
    torch.save({"fc.bias": torch.zeros(3)}, tmp_path / "other.pth")
    for asked, said in (
        ("alexx", "neither a file of weights nor one of alex, vgg, squeeze"),
        ("alex", r"no weights from torchvision \(no network here\); name a file"),
        (str(tmp_path / "other.pth"), "other.pth: not those of one of torchvision's networks alexnet"),
    ):
        with pytest.raises(OptionError, match=said) as error:
            check_lpips(asked)
            find_lpips(asked, lambda line: None)
        assert str(error.value).startswith("--lpips: ") and "\n" not in str(error.value)
