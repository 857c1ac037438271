"""Views of one batch: the images and network outputs that terms of the losses are computed from."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vaegan.nets.players import Players
from vaegan.objective.memory import Memory
from vaegan.parallel import Share
from vaegan.pixels import in_8bit


class Views:
    """One batch x [B, C, H, W] and the networks' outputs for it, each computed once, on first use.

    The pass through encoder and decoder is made once and shared by both players. The player whose turn it is
    decides about gradients: on `disc`'s turn the fakes come without their graph, on `gen`'s turn
    with it. Terms therefore never detach, freeze or step anything.

    noise: [B, latent_dim], standard normal: samples the posterior, or is a GAN's latents.
    game: the adversarial loss of both players; None without a discriminator.
    gen_plays: True if `gen` plays on this batch; else its pass is made without a graph.
    to_disc_input: applied to originals and fakes alike to make D's inputs; None for nothing.
    share: the part of a larger batch that this is; None for all of it.
    memory: running means over the steps before, of the terms that need such.
    """

    def __init__(
        self,
        players: Players,
        x: Tensor,
        noise: Tensor,
        *,
        game: Any = None,
        gen_plays: bool = True,
        to_disc_input: Callable[[Tensor], Tensor] | None = None,
        share: Share | None = None,
        memory: Memory | None = None,
    ):
        self.players = players
        self.x = x
        self.noise = noise
        self.game = game
        self.gen_plays = gen_plays
        self.to_disc_input = to_disc_input
        self.share = share or Share(0, len(x), len(x))
        self.memory = memory or Memory()
        self.player = "gen"
        self.cut = False
        self.with_features = False

    def turn(self, player: str, *, cut: bool = False, with_features: bool = False) -> None:
        """Begin a player's turn; D's inputs and outputs are computed again in it.

        cut: True for a graph that ends at the pixel logits: gradients of terms there are handed on to the
        decoder by the caller, through `decoded`. with_features: True if D's features are used.
        """
        self.player = player
        self.with_features = with_features
        for name in ("disc_input_real", "disc_input_fake", "judged_real", "judged_fake"):
            self.__dict__.pop(name, None)
        if cut != self.cut:
            self.cut = cut
            for name in ("pixel_logits", "x_hat"):
                self.__dict__.pop(name, None)

    @cached_property
    def posterior(self) -> tuple[Tensor, Tensor]:
        """mu and logvar, each [B, latent_dim]."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.encode(self.x)

    @cached_property
    def z(self) -> Tensor:
        """[B, latent_dim]: one sample of each image's posterior, by reparameterisation, or of the prior."""
        if self.players.encoder is None:
            return self.noise
        mu, logvar = self.posterior
        return mu + torch.exp(0.5 * logvar) * self.noise

    @cached_property
    def decoded(self) -> Tensor:
        """The decoder's output [B, C, H, W], with its graph."""
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.decode(self.z)

    @cached_property
    def pixel_logits(self) -> Tensor:
        """The decoder's output [B, C, H, W], before the output activation."""
        return self.decoded.detach().requires_grad_() if self.cut else self.decoded

    @cached_property
    def x_hat(self) -> Tensor:
        """The decoded image [B, C, H, W] in the model's range: a reconstruction, or a GAN's sample."""
        return self.players.pixels(self.pixel_logits)

    @property
    def fake(self) -> Tensor:
        """The decoded image as the discriminator gets it: with its graph only on `gen`'s turn."""
        return self.x_hat if self.player == "gen" else self.x_hat.detach()

    @cached_property
    def disc_input_real(self) -> Tensor:
        """D's input for the originals."""
        return self._disc_input(self.x)

    @cached_property
    def disc_input_fake(self) -> Tensor:
        """D's input for the fakes."""
        return self._disc_input(self.fake)

    def _disc_input(self, images: Tensor) -> Tensor:
        if self.players.disc_sees_8bit:
            images = in_8bit(images, self.players.pixel_range)
        if self.to_disc_input is not None:
            images = self.share.transformed(self.to_disc_input, images)
        if self.player == "disc" and getattr(self.players.disc, "slope_in_one_pass", False):
            return images.detach().requires_grad_()  # so that penalties can take the slope of the logits
        return images

    @property
    def between(self) -> Tensor:
        """[B, 1, 1, 1], uniform in [0, 1): a point from each fake (0) to its original (1); new each time."""
        return self.share.of(
            torch.rand(self.share.batch_size, 1, 1, 1, device=self.x.device, dtype=self.x.dtype)
        )

    @cached_property
    def judged_real(self) -> tuple[Tensor, list[Tensor]]:
        """D's logits and features for the originals; on `gen`'s turn without a graph."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.player == "disc"):
            return self.players.judge(self.disc_input_real, self.with_features)

    @cached_property
    def judged_fake(self) -> tuple[Tensor, list[Tensor]]:
        """D's logits and features for the fakes, as D is now."""
        return self.players.judge(self.disc_input_fake, self.with_features)

    @property
    def logits_real(self) -> Tensor:
        """D's logits [B] or [B, h, w] for the originals; on `gen`'s turn without a graph."""
        return self.judged_real[0]

    @property
    def logits_fake(self) -> Tensor:
        """D's logits [B] or [B, h, w] for the fakes, as D is now."""
        return self.judged_fake[0]

    @property
    def disc_features_real(self) -> list[Tensor]:
        """D's features for the originals, from the pass that gave the logits; without a graph for `gen`.

        Of terms registered with disc_features=True, and a D that has `with_features`.
        """
        return self.judged_real[1]

    @property
    def disc_features_fake(self) -> list[Tensor]:
        """D's features for the fakes, from the pass that gave the logits; see disc_features_real."""
        return self.judged_fake[1]
