"""A run is not judged by a network of its own loss: the evaluation says so."""

import pytest

from vaegan.config.make import make_config, resolved
from vaegan.evals.own_judge import mark_own_judge, networks_in_loss
from vaegan.evals.section import Section
from vaegan.quantities import Quantity


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        ({}, set()),
        ({"disc": "conv", "disc_weight": 10.0, "perceptual_network": "efficientnet"}, set()),
        ({"perceptual_weight": 0}, set()),
        ({"perceptual_weight": 1.5}, {"efficientnet"}),
        ({"perceptual_weight": "share(0.2)", "perceptual_network": "random"}, {"random"}),
        ({"disc": "projected"}, {"efficientnet"}),
        (
            {"disc": "projected", "disc_network": "timm:resnet18.a1_in1k", "perceptual_weight": 1},
            {"timm:resnet18", "efficientnet"},
        ),
        ({"disc": "projected", "disc_network": "timm:tf_efficientnet_lite0.in1k"}, {"efficientnet"}),
        ({"disc": "timm:resnet18"}, set()),
        ({"disc": "timm:resnet18", "disc_pretrained": True}, {"timm:resnet18"}),
    ],
)
def test_the_networks_of_a_loss_follow_from_its_options(options, networks):
    assert networks_in_loss(options) == networks


@pytest.mark.parametrize(
    ("options", "networks"),
    [
        ({"disc": "conv"}, set()),
        ({"perceptual_weight": "share(0.2)"}, {"efficientnet"}),
        ({"disc": "projected"}, {"efficientnet"}),
        ({"disc": "projected", "disc_network": "random"}, {"random"}),
    ],
)
def test_the_options_are_those_of_a_runs_config(options, networks):
    config = resolved(make_config({"vae": "dense", **options}), 32)
    assert networks_in_loss(config.to_dict()) == networks


def distances(network: str, **options) -> Section:
    own = {"samples/frechet": Quantity("Fréchet distance", headline=True)}
    section = Section("distances", "Distributions", {}, {"samples/frechet": 2.0}, ["few images"], own)
    return mark_own_judge(section, network, "This network", options)


@pytest.mark.parametrize("network", ["efficientnet", "timm:tf_efficientnet_lite0"])
def test_its_figures_say_so_themselves(network):
    section = distances(network, perceptual_weight=1.0)
    assert section.to_dict()["own_judge"] is True
    assert section.warnings[0].startswith("This network also served in this run's loss")
    (headline,) = section.headlines()
    assert headline["unit"] == "own judge"


@pytest.mark.parametrize("network", ["", "timm:resnet18"])
def test_another_network_says_nothing(network):
    """The random network of evaluations is another than that of losses."""
    section = distances(network, perceptual_weight=1.0, perceptual_network="random", disc="projected")
    assert "own_judge" not in section.to_dict() and section.warnings == ["few images"]
    assert section.headlines()[0]["unit"] == ""
