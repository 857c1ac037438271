"""Backbones with pretrained weights get images normalised as in the training of those weights."""

import pytest
import timm
import torch

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.nets.encoders.timm_encoder import TimmEncoder
from vaegan.nets.timm_backbone import TimmBackbone

NAME = "resnet10t"
SHAPE = (3, 64, 64)
MEAN, STD = (torch.tensor(each)[:, None, None] for each in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))


@pytest.fixture(autouse=True)
def no_downloads(monkeypatch):
    create = timm.create_model
    monkeypatch.setattr(
        timm, "create_model", lambda name, **more: create(name, **more | {"pretrained": False})
    )


def seen(backbone: TimmBackbone, x):
    """The input of the backbone's own layers."""
    kept = []
    forward = backbone.body.forward_features
    backbone.body.forward_features = lambda images: (kept.append(images), forward(images))[1]
    backbone(x)
    return kept[0]


def players_of(**options):
    config = resolved(make_config({"encoder": f"timm:{NAME}", "decoder": "dense", **options}), 64)
    return build_players(config, SHAPE).eval()


@pytest.mark.parametrize("part", ["encoder", "disc"])
@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_images_are_normalised_as_the_weights_have_seen_them(part, pixel_range):
    disc = {"disc": f"timm:{NAME}", "disc_pretrained": True}
    players = players_of(
        pixel_range=pixel_range, pbp="mse", **({"pretrained": True} if part == "encoder" else disc)
    )
    backbone = players.encoder.body if part == "encoder" else players.disc.backbone
    x = torch.rand(2, *SHAPE)
    given = seen(backbone, x if pixel_range == "01" else 2 * x - 1)
    torch.testing.assert_close(given, (x - MEAN) / STD)


def test_grey_images_are_normalised_by_the_colours_means():
    x = torch.rand(2, 1, 64, 64)
    given = seen(TimmEncoder(NAME, (1, 64, 64), 2, pretrained=True).eval().body, x)
    torch.testing.assert_close(given, (x - MEAN.mean()) / STD.mean())


def test_without_pretrained_weights_images_and_state_are_as_they_were():
    encoder = TimmEncoder(NAME, SHAPE, 2).eval()
    x = torch.rand(2, *SHAPE)
    assert seen(encoder.body, x) is x
    assert not [name for name in encoder.state_dict() if "pretrained" in name]


def test_a_network_that_is_loaded_sees_images_as_it_did_in_training():
    trained = players_of(pretrained=True)
    anew = players_of()
    anew.load_state_dict(trained.state_dict())
    x = torch.rand(2, *SHAPE)
    torch.testing.assert_close(anew.encode(x), trained.encode(x), rtol=0, atol=0)


def test_weights_from_before_that_were_trained_without_it_stay_without():
    before = players_of()
    anew = players_of(pretrained=True)
    anew.load_state_dict(before.state_dict())
    x = torch.rand(2, *SHAPE)
    torch.testing.assert_close(anew.encode(x), before.encode(x), rtol=0, atol=0)
