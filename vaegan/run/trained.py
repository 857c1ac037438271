"""A run's networks, read back from its folder: all that evaluation, sampling and export start from."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaegan.config.build import build_players
from vaegan.config.make import make_config
from vaegan.config.schema import Config
from vaegan.datasets.checksums import as_text, checksums, difference
from vaegan.devices import pick_device
from vaegan.errors import OptionError, UserError, did_you_mean
from vaegan.nets.players import Players
from vaegan.pixels import to_model_range, to_uint8, to_unit_range
from vaegan.training.checkpoint import DamagedCheckpoint, Found, newest, read
from vaegan.training.pictures import N_REFERENCE
from vaegan.training.portions import Portions

BATCH = 256  # images that go through the networks at once, at most
# among what a checkpoint says of a run's images
HELD_OUT = "the first held-out images"  # their digest, which is all that older runs have
TRAINING_CHECKSUMS = "checksums of training images"
HELD_OUT_CHECKSUMS = "checksums of held-out images"


@dataclass(frozen=True)
class Trained:
    """The networks of a run as one of its checkpoints has them, in evaluation mode.

    players: what `decode` uses is the averaged decoder where there is one (`--ema`).
    image_shape: [C, H, W]. checkpoint: the file. epochs: finished when it was written.
    data: what tells the images that it was trained on from others.
    """

    folder: Path
    config: Config
    players: Players
    image_shape: tuple[int, int, int]
    device: torch.device
    checkpoint: Path
    epochs: int
    data: Mapping[str, Any]

    @property
    def weights(self) -> str:
        """Which weights decode, in words."""
        ema = self.config.ema
        return "as trained" if ema is None else f"as trained, the decoder's averaged (decay {ema:g} a step)"

    @cached_property
    def portions(self) -> Portions:
        """How many images go through the networks at once: no more than in training, which had room."""
        return Portions(min(BATCH, max(1, self.config.batch_size // self.config.accumulate)))

    @torch.no_grad()
    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """mu and logvar of images [N, C, H, W], uint8 or in [0, 1]: each [N, latent_dim], on the CPU."""

        def encoded(batch: Tensor) -> tuple[Tensor, Tensor]:
            x = to_model_range(batch.to(self.device), self.players.pixel_range)
            mu, logvar = self.players.encode(x)
            return mu.cpu(), logvar.cpu()

        mu, logvar = map(torch.cat, zip(*self.portions.of(encoded, images), strict=True))
        return mu, logvar

    @torch.no_grad()
    def decode(self, z: Tensor) -> Iterator[Tensor]:
        """What each of z [N, latent_dim] decodes to, uint8 [C, H, W] on the CPU, one after the other."""

        def decoded(batch: Tensor) -> Tensor:
            x = self.players.pixels(self.players.decode(batch.to(self.device)))
            return to_uint8(to_unit_range(x, self.players.pixel_range)).contiguous().cpu()

        for images in self.portions.of(decoded, z):
            yield from images

    def check_held_out(self, images: Any) -> None:
        """Raises: OptionError for other images than those held out of the run: it may have seen them."""
        problem = "other images than those that the run held out"
        if HELD_OUT_CHECKSUMS in self.data:
            if differing := difference(as_text(checksums(images)), self.data[HELD_OUT_CHECKSUMS]):
                raise OptionError("dataset", f"{problem} (those that differ: {differing})")
        elif digest(images[:N_REFERENCE]) != self.data[HELD_OUT]:
            raise OptionError("dataset", problem)


def digest(images: Tensor) -> str:
    """The same for the same uint8 images, on whatever device."""
    return hashlib.sha256(images.cpu().numpy().tobytes()).hexdigest()


def open_run(folder: Path, device: str = "auto", checkpoint: str | None = None) -> Trained:
    """The networks of the run in that folder.

    checkpoint: a name in its `checkpoints` ("best", "epoch-0010"); None for the newest that can be read.
    Raises: UserError for a folder that is no run's, or whose networks cannot be read; OptionError for a
    checkpoint or a device that is not there.
    """
    environment = folder / "environment.json"
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    if not (folder / "config.yaml").is_file() or not environment.is_file():
        raise UserError(f"{folder}: not a run's folder: it has no config.yaml and environment.json")
    found = newest(folder / "checkpoints") if checkpoint is None else _named(folder, checkpoint)
    if found is None:
        raise UserError(f"{folder}: the run has no checkpoint yet")
    try:
        image_shape = json.loads(environment.read_text(encoding="utf-8")).get("image_shape")
    except ValueError:
        raise UserError(f"{environment}: damaged; it is no JSON") from None
    if image_shape is None:
        raise UserError(f"{environment}: has no image_shape; --resume with this version adds it")
    config = make_config(found.facts["config"])
    on = pick_device(device)
    # nothing is downloaded whose weights are replaced at once
    players = build_players(
        config.model_copy(update={"pretrained": None, "disc_pretrained": None}), tuple(image_shape)
    )
    players.load_state_dict({name: value for name, value in found.tensors.items() if "/" not in name})
    players = players.to(on, memory_format=torch.channels_last).eval().requires_grad_(False)
    return Trained(
        folder, config, players, tuple(image_shape), on, found.path, found.epochs, found.facts["data"]
    )


def _named(folder: Path, name: str) -> Found:
    """A checkpoint by its name, with or without its ending."""
    path = folder / "checkpoints" / f"{name.removesuffix('.safetensors')}.safetensors"
    if not path.is_file():
        there = sorted(each.stem for each in path.parent.glob("*.safetensors"))
        problem = f"no such checkpoint; {did_you_mean(name, there)}There: {', '.join(there) or 'none'}."
        raise OptionError("checkpoint", problem)
    try:
        return Found(path, *read(path), {})
    except DamagedCheckpoint as error:
        raise OptionError("checkpoint", str(error)) from None
