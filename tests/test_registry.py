"""Registries: registered names can be found and listed, and no name is confused with another."""

import pytest

from vaegan.datasets import DATASETS
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.registry import Registry


class Small: ...


class Large: ...


class Backbone: ...


@pytest.fixture
def registry() -> Registry:
    registry = Registry("network")
    for name, entry in (("small", Small), ("timm:NAME", Backbone), ("large", Large)):
        assert registry.register(name)(entry) is entry
    return registry


def test_a_name_can_be_registered_once_only(registry):
    with pytest.raises(ValueError, match="network 'small' is registered twice"):
        registry.register("small")(Large)
    assert registry.find("small") == (Small, ())


def test_a_name_is_found_exactly(registry):
    assert registry.find("large") == (Large, ())


@pytest.mark.parametrize("argument", ["resnet18", "resnet18.a1_in1k", "hf-hub:timm/resnet18", ""])
def test_a_prefix_name_hands_on_what_follows_its_colon(registry, argument):
    assert registry.find(f"timm:{argument}") == (Backbone, (argument,))


@pytest.mark.parametrize("given", ["smal", "Small", "small:2", "timm", "resnet18", "", ":", "other:resnet18"])
def test_an_unknown_name_is_refused_with_the_known_ones(registry, given):
    with pytest.raises(ValueError, match=r"^unknown network; .*Known: large, small, timm:NAME\.$"):
        registry.find(given)


def test_the_closest_name_is_suggested_and_a_distant_one_is_not(registry):
    with pytest.raises(ValueError, match=r'did you mean "small"\?'):
        registry.find("smaal")
    with pytest.raises(ValueError) as caught:
        registry.find("xyz")
    assert "did you mean" not in str(caught.value)


def test_names_are_in_order_and_as_they_are_typed(registry):
    assert registry.names() == ["large", "small", "timm:NAME"]
    assert list(registry.entries()) == [("large", Large), ("small", Small), ("timm:NAME", Backbone)]


def test_registries_do_not_share_names(registry):
    other = Registry("loss")
    assert other.names() == []
    other.register("small")(Large)
    assert registry.find("small") == (Small, ())


@pytest.mark.parametrize(
    ("registry", "names"),
    [
        (ENCODERS, {"conv", "deep_conv", "dense", "resnet", "timm:NAME"}),
        (DECODERS, {"conv", "deep_conv", "dense", "resnet"}),
        (DISCRIMINATORS, {"conv", "deep_conv", "dense", "resnet", "timm:NAME"}),
        (PBP_LOSSES, {"bce", "mse", "l1", "gaussian"}),
        (DATASETS, {"mnist", "cifar10", "digits", "faces"}),
    ],
    ids=lambda value: value.kind if isinstance(value, Registry) else "",
)
def test_plug_in_folders_register_their_files(registry, names):
    assert set(registry.names()) >= names
