"""The non-saturating adversarial loss, from a discriminator's logits [B]. Scalars in nats, batch means.

Binary cross-entropy with originals labelled 1 and fakes 0, written with softplus, since
-log sigmoid(l) = softplus(-l). A discriminator that cannot tell scores log 2 on each half.
Source: Goodfellow et al., Generative Adversarial Nets (arXiv 1406.2661), section 3.
"""

import math

import torch.nn.functional as F
from torch import Tensor

DRAW = 2 * math.log(2)  # the discriminator's loss, both halves, when it answers 1/2 everywhere


def disc_real(logits_real: Tensor) -> Tensor:
    """-log D(x): low when originals are taken for originals."""
    return F.softplus(-logits_real).mean()


def disc_fake(logits_fake: Tensor) -> Tensor:
    """-log(1 - D(fake)): low when fakes are seen through."""
    return F.softplus(logits_fake).mean()


def gen(logits_fake: Tensor) -> Tensor:
    """-log D(fake): low when fakes are taken for originals."""
    return F.softplus(-logits_fake).mean()
