"""Views of one batch: the images and network outputs that terms of the losses are computed from."""

import contextlib
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vaegan.nets.players import Players
from vaegan.objective.memory import Memory
from vaegan.parallel import Share
from vaegan.pixels import in_8bit
from vaegan.seeds import seed_torch


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
    fakes: the images that D sees as fakes: "reconstructions", "samples" or "both". prior_noise: the latents
    of the samples [B, latent_dim], standard normal; None for reconstructions alone, and for a GAN's samples.
    to_decoder: True if the caller hands gradients on from the decoder's input to the encoder, through `code`.
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
        fakes: str = "reconstructions",
        prior_noise: Tensor | None = None,
        to_decoder: bool = False,
    ):
        self.players = players
        self.x = x
        self.noise = noise
        self.game = game
        self.gen_plays = gen_plays
        self.to_disc_input = to_disc_input
        self.share = share or Share(0, len(x), len(x))
        self.memory = memory or Memory()
        self.prior_noise = prior_noise
        self.shows_reconstructions = prior_noise is None or fakes != "samples"
        self.to_decoder = to_decoder
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
        inputs = ("disc_input_real", "disc_input_fake", "judged_real", "judged_fake", "judged_x_hat")
        for name in (*inputs, "sample_logits", "x_prior", "_draws"):
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
    def code(self) -> Tensor:
        """z as the decoder gets it; with `to_decoder` the graph ends here."""
        return self.z.detach().requires_grad_() if self.to_decoder else self.z

    @cached_property
    def _decoded(self) -> Tensor:
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.decode(self.code)

    @cached_property
    def _decoded_samples(self) -> Tensor:
        # a pass of their own, so that batch norm treats reconstructions as without samples
        with torch.set_grad_enabled(self.gen_plays):
            return self.players.decode_apart(self.prior_noise)

    @property
    def decoded(self) -> Tensor:
        """The decoder's output [B, C, H, W], with its graph; [2B, ...] in a turn whose terms use samples."""
        return torch.cat([self._decoded, self._decoded_samples]) if self._uses_samples else self._decoded

    @property
    def ends(self) -> list[Tensor]:
        """The pixel logits that this turn's terms use, those of samples last: where `decoded` goes on."""
        return [self.pixel_logits, self.sample_logits] if self._uses_samples else [self.pixel_logits]

    @property
    def _uses_samples(self) -> bool:
        return "sample_logits" in self.__dict__

    @cached_property
    def pixel_logits(self) -> Tensor:
        """The decoder's output [B, C, H, W], before the output activation."""
        return self._decoded.detach().requires_grad_() if self.cut else self._decoded

    @cached_property
    def sample_logits(self) -> Tensor:
        """The same of samples of the prior."""
        return self._decoded_samples.detach().requires_grad_() if self.cut else self._decoded_samples

    @cached_property
    def x_hat(self) -> Tensor:
        """The decoded image [B, C, H, W] in the model's range: a reconstruction, or a GAN's sample."""
        return self.players.pixels(self.pixel_logits)

    @cached_property
    def x_prior(self) -> Tensor:
        """A sample of the prior [B, C, H, W] in the model's range, if D sees such."""
        return self.players.pixels(self.sample_logits)

    @property
    def fakes(self) -> list[Tensor]:
        """Each kind of decoded images that D sees, [B, C, H, W]: with their graph only on `gen`'s turn."""
        kinds = [self.x_hat] if self.shows_reconstructions else []
        if self.prior_noise is not None:
            kinds.append(self.x_prior)
        return kinds if self.player == "gen" else [images.detach() for images in kinds]

    @property
    def fake(self) -> Tensor:
        """All decoded images that D sees, [B, C, H, W]; reconstructions, then samples, [2B, C, H, W]."""
        return torch.cat(self.fakes) if len(self.fakes) > 1 else self.fakes[0]

    @cached_property
    def disc_input_real(self) -> Tensor:
        """D's input for the originals."""
        return self._disc_input(self.x)

    @cached_property
    def disc_input_fake(self) -> Tensor:
        """D's input for the fakes [B, ...]; for reconstructions, then samples, [2B, ...]."""
        inputs = [self._disc_input(images) for images in self.fakes]
        return torch.cat(inputs) if len(inputs) > 1 else inputs[0]

    def _disc_input(self, images: Tensor) -> Tensor:
        if self.players.disc_sees_8bit:
            images = in_8bit(images, self.players.pixel_range)
        if self.to_disc_input is not None:
            with self._same_draws():
                images = self.share.transformed(self.to_disc_input, images)
        if self.player == "disc" and getattr(self.players.disc, "slope_in_one_pass", False):
            return images.detach().requires_grad_()  # so that penalties can take the slope of the logits
        return images

    @contextlib.contextmanager
    def _same_draws(self) -> Iterator[None]:
        """Each image and its reconstruction are changed alike where their features are compared."""
        if not self.with_features:
            yield
            return
        seed = self._draws  # drawn outside of the fork, so that the next turn has another one
        devices = [] if self.x.device.type == "cpu" else [self.x.device]
        with torch.random.fork_rng(devices, device_type=self.x.device.type):
            seed_torch(seed, self.x.device)
            yield

    @cached_property
    def _draws(self) -> int:
        return int(torch.randint(2**62, ()))

    @property
    def between(self) -> Tensor:
        """Uniform in [0, 1), [B, 1, 1, 1]: a point from each fake (0) to its original (1); new each time."""
        size = (self.share.batch_size, 1, 1, 1)
        points = [
            self.share.of(torch.rand(size, device=self.x.device, dtype=self.x.dtype)) for _ in self.fakes
        ]
        return torch.cat(points) if len(points) > 1 else points[0]

    @cached_property
    def judged_real(self) -> tuple[Tensor, list[Tensor]]:
        """D's logits and features for the originals; on `gen`'s turn without a graph."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.player == "disc"):
            return self.players.judge(self.disc_input_real, self.with_features)

    @cached_property
    def judged_fake(self) -> tuple[Tensor, list[Tensor]]:
        """D's logits and features for the fakes, as D is now."""
        return self.players.judge(self.disc_input_fake, self.with_features and self.shows_reconstructions)

    @cached_property
    def judged_x_hat(self) -> tuple[Tensor, list[Tensor]]:
        """D's logits and features for reconstructions where the fakes are samples."""
        return self.players.judge(self._disc_input(self.x_hat), self.with_features)

    @property
    def logits_real(self) -> Tensor:
        """D's logits [B] or [B, h, w] for the originals; on `gen`'s turn without a graph."""
        return self.judged_real[0]

    @property
    def logits_fake(self) -> Tensor:
        """D's logits [B] or [B, h, w] for the fakes, as D is now; of two kinds of fakes [2B, ...]."""
        return self.judged_fake[0]

    @property
    def disc_features_real(self) -> list[Tensor]:
        """D's features for the originals, from the pass that gave the logits; without a graph for `gen`.

        Of terms registered with disc_features=True, and a D that has `with_features`.
        """
        return self.judged_real[1]

    @property
    def disc_features_fake(self) -> list[Tensor]:
        """D's features for the reconstructions, if possible from the pass that gave the logits."""
        if not self.shows_reconstructions:
            return self.judged_x_hat[1]
        return [feature[: len(self.x)] for feature in self.judged_fake[1]]
