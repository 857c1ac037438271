"""An adversarial loss of a user's own."""

import torch.nn.functional as F
from torch import Tensor

from vaegan.losses.adversarial import AdversarialLoss, register_adversarial


@register_adversarial("own_softplus")
class OwnGame(AdversarialLoss):
    """Softplus with a margin of 1."""

    def real(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(1 - real).mean()

    def fake(self, real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(1 + fake).mean()

    def gen(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()
