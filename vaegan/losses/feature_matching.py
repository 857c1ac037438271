"""Feature matching: reconstructions whose features in a network are those of the originals."""

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from vaegan.errors import OptionError
from vaegan.nets.knob_types import LISTED
from vaegan.nets.pretrained import FrozenNetwork, frozen_network
from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.pixels import to_unit_range
from vaegan.quantities import Quantity

USUAL_LAYER = 2
LEAST = 1e-8  # variance: that of a single vector, or of dead units, is 0

LAYERS = "layers whose features are matched, from 1, separated by commas"
Numbers = list[Annotated[int, Field(ge=1)]]
Layers = Annotated[Numbers, LISTED, Field(min_length=1, description=LAYERS)]
OR_ONLY = f"; auto is {USUAL_LAYER}, or the only one"
DiscLayers = Annotated[Numbers, LISTED, Field(min_length=1, description=LAYERS + OR_ONLY)]
Distance = Annotated[Literal["l2", "l1"], Field(description="squared or absolute differences of features")]
Network = Annotated[
    str,
    Field(description="frozen network: random, efficientnet (extra [pretrained]), or timm:NAME (downloaded)"),
]


@register_term(
    "gen/feature_matching",
    needs=("vae", "disc"),
    weight=WeightOption(
        "feature_matching", "weight of feature matching on D's layers, beside or in place of its score"
    ),
    disc_features=True,
    quantity=Quantity(
        "feature matching on D, unweighted",
        text="distance of D's features, over their variance on the originals",
        short="fm",
        place=31,
        curve=True,
    ),
)
def feature_matching(
    views: Views, *, fm_layers: DiscLayers | None = None, fm_distance: Distance = "l2"
) -> Tensor:
    """The distance of D's features of reconstructions to those of their originals, for encoder and decoder.

    D is as it is after its own step, and learns nothing from this.
    Source: Larsen et al., Autoencoding beyond pixels using a learned similarity metric (arXiv 1512.09300),
    equation 7: the likelihood of Dis_l(x) under a Gaussian of fixed variance; here that of the features.
    """
    real, fake = views.disc_features_real, views.disc_features_fake
    layers = fm_layers or (min(USUAL_LAYER, len(real)),)
    return matching(real, fake, layers, fm_distance, "fm_layers", "the discriminator")


@register_term(
    "gen/perceptual",
    needs=("vae",),
    weight=WeightOption("perceptual_weight", "weight of feature matching on a frozen network"),
    quantity=Quantity(
        "feature matching on a frozen network, unweighted",
        text="distance of a frozen network's features, over their variance on the originals",
        short="perc",
        place=32,
        curve=True,
    ),
)
def perceptual(
    views: Views, *, perceptual_network: Network = "efficientnet", perceptual_layers: Layers = (USUAL_LAYER,)
) -> Tensor:
    """The distance of a frozen network's features of reconstructions to those of their originals.

    Source: Johnson et al., Perceptual Losses for Real-Time Style Transfer (arXiv 1603.08155), equation 2,
    over the variance of the features.
    """
    network = _on(perceptual_network, views.x.device)
    real, fake = (to_unit_range(images, views.players.pixel_range) for images in (views.x, views.x_hat))
    with views.players.autocast(real):
        with torch.no_grad():
            features = network.maps(real)
        maps = network.maps(fake)
    return matching(features, maps, perceptual_layers, "l2", "perceptual_layers", perceptual_network)


def matching(
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    layers: Sequence[int],
    distance: str,
    option: str,
    network: str,
) -> Tensor:
    """The mean over layers of the distance between features, each over their own scale on the originals.

    real, fake: the features [B, c, ...] of all layers. layers: numbers, from 1. l2: the mean squared
    difference over the mean variance of the originals' channels; l1: the mean absolute one over its root.
    Of a batch in parts, each part has its own variance.
    Raises: OptionError for a layer that the network does not have.
    """
    if max(layers) > len(real):
        raise OptionError(option, f"{max(layers)}: {network} has {len(real)} layers with features")
    distances = []
    for layer in layers:
        of_real, of_fake = real[layer - 1].float().detach(), fake[layer - 1].float()
        variance = of_real.transpose(0, 1).flatten(1).var(dim=1, correction=0).mean().clamp(min=LEAST)
        difference = of_fake - of_real
        if distance == "l2":
            distances.append(difference.square().mean() / variance)
        else:
            distances.append(difference.abs().mean() / variance.sqrt())
    return sum(distances) / len(distances)


@cache
def _on(name: str, device: torch.device) -> FrozenNetwork:
    return frozen_network(name, option="perceptual_network").to(device)
