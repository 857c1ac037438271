"""One training step: each player in turn on one batch."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from vaegan.augment.diffaugment import build_diffaugment
from vaegan.augment.training_images import build_augmentation
from vaegan.config.build import build_objective
from vaegan.config.schema import Config
from vaegan.nets.players import Players
from vaegan.objective.balance import Balance, last_layer, pixel_gradients
from vaegan.objective.memory import Memory
from vaegan.objective.objective import weighted_sum
from vaegan.objective.schedule import START, WARMUP, Phase
from vaegan.objective.views import Views
from vaegan.objective.weights import Factor, Relative
from vaegan.parallel import ALONE, LEAST_SHARE, Ranks, Share
from vaegan.pixels import from_uint8, in_model_range, to_model_range
from vaegan.seeds import seed_for, seed_torch
from vaegan.training.finite import FiniteCheck
from vaegan.training.gates import build_gates
from vaegan.training.ledger import Ledger
from vaegan.training.meters import Meter
from vaegan.training.optim import PlayerOptimiser


class Step:
    """Trains the players on one batch when called, with random numbers that follow from seed and step.

    objective: the players' losses. optims: by player. config.accumulate: the number of parts of a batch that
    are computed one after the other; each player's gradient is summed over them before its step. Batch
    norm sees each part by itself, and spectral norm takes one power iteration for each.
    """

    def __init__(self, config: Config, players: Players, ranks: Ranks = ALONE):
        """config: resolved. ranks: the processes that share out each batch."""
        self.config = config
        self.players = players
        self.ranks = ranks
        self.objective = build_objective(config, players)
        self.optims = {"gen": PlayerOptimiser(players, "gen", config.lr.at(START), config.betas)}
        if "disc" in self.objective.terms:
            self.optims["disc"] = PlayerOptimiser(
                players, "disc", config.disc_lr.at(START), config.disc_betas, config.weight_clip
            )
        self._balance = Balance(self.objective.memory, last_layer(players.decoder))
        self._gates = build_gates(config, self.objective.memory)
        self._augment = build_augmentation(config.augment or ())
        self._diffaugment = None
        if config.diffaug:
            self._diffaugment = in_model_range(build_diffaugment(config.diffaug), players.pixel_range)

    @property
    def saved(self) -> dict[str, PlayerOptimiser | Memory]:
        """The state of training to keep in a checkpoint, besides the networks."""
        return {**self.optims, "memory": self.objective.memory}

    def __call__(
        self,
        images: Tensor,
        batch_size: int,
        phase: Phase,
        step: int,
        meter: Meter,
        finite: FiniteCheck,
        floor: bool = False,
        keep_ledger: bool = False,
    ) -> None:
        """Train on uint8 images [B, C, H, W], this process's share of a batch of `batch_size` images.

        step: its number, from 0 over the run. Terms, figures and gradient norms go to the meter, terms and
        norms to the check as well. floor: True to meter the PBP loss of perfect reconstructions. keep_ledger:
        True to meter the gradients of `gen`'s terms.
        """
        seed_torch(seed_for(self.config.seed, "step", step), images.device)
        share = self.ranks.share(batch_size)
        if self.config.augment:
            images = share.transformed(self._augment, from_uint8(images))
        x = to_model_range(images, self.players.pixel_range)
        noise = share.of(torch.randn(batch_size, self.players.latent_dim, device=x.device))
        playing, metered = phase.playing(step), phase.at(step)
        resting = self._rest(playing, meter, x)
        if floor:
            meter.add("gen", floor_figure(self.players, images), len(x))
        to_disc_input = self._to_disc_input(phase.noise_at(step))

        prior = self._prior(share, step, x.device) if "disc" in phase.terms else None
        to_decoder = self.config.adv_to == "decoder" and "adv" in playing.get("gen", ())

        def views_of(part: Share, gen_plays: bool) -> Views:
            here = slice(part.start - share.start, part.stop - share.start)
            options = {"gen_plays": gen_plays, "to_disc_input": to_disc_input, "share": part}
            options["prior_noise"] = None if prior is None else prior[here]
            return self.objective.views(x[here], noise[here], **options, to_decoder=to_decoder and gen_plays)

        # the same number in every process, since synchronised batch norm waits for all of them in each part
        parts = share.split(min(self.config.accumulate, batch_size // self.ranks.size // LEAST_SHARE))
        together = views_of(share, "gen" in playing) if len(parts) == 1 else None
        hidden = "disc" if phase.name == WARMUP else None
        for player, weights in playing.items():  # disc first, then gen
            # several parts are computed again for each player, so that no graph outlives a turn
            views = (together or views_of(part, player == "gen") for part in parts)
            ledger = Ledger(self.players) if keep_ledger and player == "gen" else None
            losses = self._losses(player, views, weights, metered[player], meter, finite, ledger)
            with self._unnoticed(together, x.device) if hidden == player else contextlib.nullcontext():
                if player == "disc" and "disc" in resting:
                    for _ in losses:  # computed for the gates and for the figures
                        pass
                    continue
                norm = self.optims[player].minimise(losses, self.ranks)
            meter.add(player, {"grad_norm": norm}, len(x))
            if ledger:
                meter.add(player, ledger.of_step(self.ranks), len(x))
            finite.add(player, {"grad_norm": norm})
        if "gen" in playing:
            self.players.average(self.optims["gen"].n_steps)
        self.objective.memory.commit(self.ranks)

    def _prior(self, share: Share, step: int, device: torch.device) -> Tensor | None:
        """This process's latents of the samples that D sees in a step; None if it sees none.

        They have a generator of their own, and so change no other random number of the step.
        """
        if self.objective.fakes == "reconstructions":
            return None
        generator = torch.Generator(device).manual_seed(seed_for(self.config.seed, "step", step, "prior"))
        size = (share.batch_size, self.players.latent_dim)
        return share.of(torch.randn(size, device=device, generator=generator))

    def _rest(self, playing: dict[str, dict[str, Factor]], meter: Meter, x: Tensor) -> set[str]:
        """The players that the gates let rest; takes from `playing` what these do not compute."""
        if self._gates is None:
            return set()
        resting = self._gates.resting(playing)
        for player, rests in resting.items():
            meter.add(player, {"rested": x.new_tensor(float(rests))}, len(x))
            if not rests:
                continue
            left = self._gates.left(player, playing[player])
            if player == "gen":  # a mean over all steps, since the total is one
                out = {f"{name}_weighted": x.new_zeros(()) for name in playing[player] if name not in left}
                meter.add(player, out, len(x))
            playing[player] = left
            if not left:
                del playing[player]
        return {player for player, rests in resting.items() if rests}

    def _losses(
        self,
        player: str,
        parts: Iterable[Views],
        weights: dict[str, Factor],
        metered: dict[str, Factor],
        meter: Meter,
        finite: FiniteCheck,
        ledger: Ledger | None,
    ) -> Iterator[Tensor]:
        """The player's loss on each part of a batch; their sum is its loss on the full batch.

        metered: the weights that figures are reported with. Those in `weights` are larger for lazy penalties,
        which only some steps compute.
        """
        relative = [name for name, factor in weights.items() if isinstance(factor, Relative)]
        for views in parts:
            n, part = len(views.x), views.share.weight
            last = views.share.stop == self.ranks.share(views.share.batch_size).stop
            # each part draws random numbers for the full batch, so all parts need the same random state
            with _kept_random_state(views.x.device, enabled=not last):
                cut = bool(relative) or (player == "gen" and views.to_decoder)
                terms = self.objective.play(player, views, weights, cut=cut)
            numbers: Mapping[str, float | Tensor] = weights
            shared = len(terms) > 1  # else there is nothing for the ledger to compare
            gradients = pixel_gradients(terms, views.ends) if cut or (ledger and shared) else {}
            if relative:
                numbers = self._balance.weights(weights, gradients, views.decoded)
                meter.add(player, {f"{name}_weight": numbers[name] for name in relative}, n)
            meter.add(player, terms, n, {**metered, **{name: numbers[name] for name in relative}})
            finite.add(player, terms)
            if player == "disc" and self._gates is not None:
                self._gates.note(terms, n)
            meter.add(player, self.objective.figures(player, views, terms), n)
            if ledger:
                meter.add(player, ledger.of_part(views, gradients, numbers), n)
            loss = weighted_sum(terms, {name: part * number for name, number in numbers.items()})
            if cut:  # the graphs of the terms end at the pixel logits
                loss = loss + _handed_on(views, {n: part * numbers[n] * g for n, g in gradients.items()})
            yield loss

    @contextlib.contextmanager
    def _unnoticed(self, views: Views | None, device: torch.device) -> Iterator[None]:
        """A turn of D in which the VAE's step stays as it is without a D, to the bit.

        views: those that both players share; their pass is made before D draws anything. None if D makes a
        pass of its own: after it batch norm in the VAE is as before.
        """
        networks = [] if views else [self.players.networks()[name] for name in ("encoder", "decoder")]
        kept = [(buffer, buffer.clone()) for network in networks for buffer in network.buffers()]
        if views:
            views.x_hat  # noqa: B018
        with _kept_random_state(device, enabled=True):
            yield
        for buffer, value in kept:
            buffer.copy_(value)

    def _to_disc_input(self, noise: float) -> Callable[[Tensor], Tensor] | None:
        """The transform of all images that D is given in training; None for none."""
        return partial(disc_input, self._diffaugment, noise) if self._diffaugment or noise else None


def disc_input(change: Callable[[Tensor], Tensor] | None, noise: float, images: Tensor) -> Tensor:
    """Discriminator inputs in training: images after DiffAugment, plus Gaussian noise of this deviation."""
    x = images if change is None else change(images)
    if not noise:
        return x
    # drawn in the default layout: in channels-last (as of x) the same numbers would fall on other pixels
    return x + noise * torch.randn(x.shape, device=x.device, dtype=x.dtype)


def _handed_on(views: Views, pulls: Mapping[str, Tensor]) -> Tensor:
    """A scalar whose gradients are those of the terms whose graphs end at the pixel logits.

    pulls: the weighted gradient of each term there. If the views end at the decoder's input, the adversarial
    term's goes no further.
    """
    decoded = views.decoded
    loss = (decoded * sum(pulls.values())).sum()
    further = [pull for name, pull in pulls.items() if name != "adv"]
    if views.to_decoder and further:
        at_code = torch.autograd.grad(decoded, views.code, sum(further), retain_graph=True)[0]
        loss = loss + (views.z * at_code).sum()
    return loss


def floor_figure(players: Players, images: Tensor) -> dict[str, Tensor]:
    """The PBP loss of perfect reconstructions of images, if it is not zero (BCE on grey values)."""
    floor = getattr(players.pbp, "floor", None)
    return {} if floor is None else {"pbp_floor": floor(images)}


def _kept_random_state(device: torch.device, enabled: bool) -> contextlib.AbstractContextManager[None]:
    """Restores the random state of the CPU and of this device at the end of the block."""
    if device.type == "cpu":
        return torch.random.fork_rng([], enabled=enabled)
    return torch.random.fork_rng([device], enabled=enabled, device_type=device.type)
