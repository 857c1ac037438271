"""One optimiser for each player, which touches that player's parameters alone."""

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from vaegan.nets.players import Players


class PlayerOptimiser:
    """Adam on one player's parameters. Source: Kingma & Ba, Adam (arXiv 1412.6980), algorithm 1."""

    def __init__(self, players: Players, player: str, lr: float):
        self.parameters = list(players.parameters_of(player))
        fused = self.parameters[0].device.type in ("cpu", "cuda")
        self.adam = torch.optim.Adam(self.parameters, lr=lr, fused=fused)

    def minimise(self, loss: Tensor) -> Tensor:
        """One step down the loss; returns the L2 norm of its gradient, a scalar on the device.

        Gradients are computed for this player's parameters and no others.
        """
        self.adam.zero_grad()
        loss.backward(inputs=self.parameters)
        # a term that weighs nothing leaves parameters without a gradient
        norm = get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        self.adam.step()
        return norm
