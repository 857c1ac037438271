"""LeCam's regularisation: D's logits are drawn to where it has lately put the other kind of image."""

import torch.nn.functional as F
from torch import Tensor

from vaegan.losses.penalties import PENALTY, SECTION
from vaegan.objective.terms import WeightOption, register_term
from vaegan.objective.views import Views

DECAY = 0.99  # of the running means, per step of D


@register_term(
    "disc/lecam",
    needs=("disc",),
    weight=WeightOption(
        "lecam", "weight of LeCam's regularisation, for few images", shown="none", section=SECTION
    ),
    quantity=PENALTY("LeCam regularisation, unweighted", label="LeCam"),
)
def lecam(views: Views) -> Tensor:
    """mean relu(D(x) - alpha_F)^2 + mean relu(alpha_R - D(fake))^2; 0 in D's first step.

    alpha_R, alpha_F: running means over the steps before of D's logits for originals and fakes, corrected for
    their start. In the authors' code they include this step. They are kept in the checkpoint.
    Source: Tseng et al., Regularizing GANs under Limited Data (arXiv 2104.03310), equations 6 to 8;
    google/lecam-gan, stylegan2/lecam_loss.py.
    """
    real, fake = views.logits_real, views.logits_fake
    alpha_real, alpha_fake = (views.memory.value(f"lecam/{kind}") for kind in ("real", "fake"))
    for kind, logits in (("real", real), ("fake", fake)):
        views.memory.add(f"lecam/{kind}", logits.mean(), len(logits), decay=DECAY)
    if alpha_real is None:
        return real.new_zeros(())
    return F.relu(real - alpha_fake).square().mean() + F.relu(alpha_real - fake).square().mean()
