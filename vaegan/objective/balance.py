"""Weights that follow from the gradients of the terms at the pixel logits, the decoder's output."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from vaegan.errors import UserError
from vaegan.objective.memory import Memory
from vaegan.objective.weights import Factor, Relative

DECAY = 0.95  # per step, of the norms' running means
CAP = 1e4  # on every such weight, as in VQGAN: D may have nothing more to say than noise
TINY = 1e-4  # VQGAN's, in the ratio of norms


def pixel_gradients(terms: Mapping[str, Tensor], ends: Sequence[Tensor]) -> dict[str, Tensor]:
    """The gradient of each term that acts through the pixels, [B, C, H, W]; the graphs are kept.

    terms: scalars, means over the batch. ends: the pixel logits of reconstructions and of samples, if a term
    uses those; gradients are [2B, ...] then, and 0 where a term does not act.
    """
    gradients = {}
    for name, term in terms.items():
        if term.requires_grad:
            found = torch.autograd.grad(term, ends, retain_graph=True, allow_unused=True)
            if any(gradient is not None for gradient in found):
                each = [torch.zeros_like(end) if g is None else g for end, g in zip(ends, found, strict=True)]
                gradients[name] = torch.cat(each) if len(each) > 1 else each[0]
    return gradients


def mean_norm(gradient: Tensor) -> Tensor:
    """The mean over images of the norm of each image's gradient.

    gradient: [B, ...] of a mean over the batch, which divides each image's by B.
    """
    return torch.linalg.vector_norm(gradient.flatten(1), dim=1).sum()


def last_layer(decoder: nn.Module) -> nn.Parameter | None:
    """The trained weights of the decoder's last layer, in order of construction; None if there are none."""
    weights = [each for each in decoder.parameters() if each.dim() > 1 and each.requires_grad]
    return weights[-1] if weights else None


def gradient_at(layer: nn.Parameter, decoded: Tensor, gradient: Tensor) -> Tensor:
    """The gradient at a layer's weights that follows from one at the decoder's output; the graph is kept.

    decoded: the decoder's output with its graph; 0 if it does not depend on the layer.
    """
    found = torch.autograd.grad(decoded, layer, gradient, retain_graph=True, allow_unused=True)[0]
    return torch.zeros_like(layer) if found is None else found


class Balance:
    """Turns weights by gradients into numbers, from running means of norms at the pixel logits.

    share: s of the sum of norms, w = s / (1 - sum of shares) * N_fixed / N_term. N is the mean over images of
    the norm of each image's gradient, smoothed over steps; N_fixed is the sum of w * N over terms with plain
    weights. These keep their weights, so that at share 0 nothing is left but the VAE. In the first step in
    which a term plays it is measured, and has no weight yet.
    Source: Defossez et al., High Fidelity Neural Audio Compression (arXiv 2210.13438), section 3.4, where
    all terms are scaled.

    adaptive: level * |dL_fixed| / (|dL_term| + 1e-4) at the decoder's last layer, anew for each part of a
    batch.
    Source: Esser et al., Taming Transformers (arXiv 2012.09841), equation 7, and its code,
    taming/modules/losses/vqperceptual.py, for the cap.
    """

    def __init__(self, memory: Memory, layer: nn.Parameter | None):
        """memory: keeps the running means. layer: the decoder's last, which adaptive weights need."""
        self.memory = memory
        self.layer = layer

    def weights(
        self,
        factors: Mapping[str, Factor],
        gradients: Mapping[str, Tensor],
        decoded: Tensor,
    ) -> dict[str, float | Tensor]:
        """The weight of each term on this part of a batch, and remember its gradients' norms.

        factors: of all terms. gradients: at the pixel logits, unweighted. decoded: the pixel logits with
        their graph.
        Raises: UserError for an adaptive weight if there is no last layer.
        """
        norms = {name: self._smoothed(name, gradient) for name, gradient in gradients.items()}
        plain = {name: factor for name, factor in factors.items() if not isinstance(factor, Relative)}
        fixed = sum(plain[name] * norm for name, norm in norms.items() if name in plain)
        left = 1 - sum(self._share(factor) for factor in factors.values())
        assert left > 0, "shares of 1 or more are refused before training"
        weights: dict[str, float | Tensor] = {}
        for name, factor in factors.items():
            if name in plain:
                weights[name] = plain[name]
            elif name not in gradients:
                weights[name] = decoded.new_zeros(())  # it does not act through the pixels of this batch
            elif factor.rule == "share":
                weights[name] = (factor.level / left * fixed / norms[name]).nan_to_num(0, 0, 0).clamp(max=CAP)
            else:
                zero = torch.zeros_like(gradients[name])
                of_plain = sum((plain[each] * gradients[each] for each in plain if each in gradients), zero)
                ratio = self._at_layer(decoded, of_plain) / (self._at_layer(decoded, gradients[name]) + TINY)
                weights[name] = factor.level * ratio.clamp(max=CAP)
        return weights

    def _at_layer(self, decoded: Tensor, gradient: Tensor) -> Tensor:
        """The norm at the decoder's last layer of a gradient at its output."""
        if self.layer is None:
            raise UserError(
                "adaptive(...) needs a decoder with trained weights in its last layer; use share(...)"
            )
        return torch.linalg.vector_norm(gradient_at(self.layer, decoded, gradient))

    def _smoothed(self, name: str, gradient: Tensor) -> Tensor:
        """The running mean of a term's norm over the steps before: 0 in the first."""
        norm = mean_norm(gradient)
        self.memory.add(f"norm/{name}", norm, len(gradient), DECAY)
        before = self.memory.value(f"norm/{name}")
        return torch.zeros_like(norm) if before is None else before.to(norm)

    @staticmethod
    def _share(factor: Factor) -> float:
        return factor.level if isinstance(factor, Relative) and factor.rule == "share" else 0.0
