"""A loss term of a user's own."""

from torch import Tensor

from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views
from vaegan.quantities import Quantity


@register_term(
    "gen/own_tv",
    needs=("vae",),
    weight=WeightOption("own_tv_weight", "weight of the total variation of reconstructions"),
    quantity=Quantity("total variation", "an image", curve=True),
)
def total_variation(views: Views) -> Tensor:
    """Sum of absolute differences between neighbouring pixels, averaged over the batch."""
    x = views.x_hat
    across, down = x.diff(dim=3).abs().sum(), x.diff(dim=2).abs().sum()
    return (across + down) / len(x)
