"""A run's trained networks, read from a checkpoint, for evaluation, sampling and export."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vaegan import plugins
from vaegan.config.build import build_players
from vaegan.config.make import make_config
from vaegan.config.schema import Config
from vaegan.devices import pick_device
from vaegan.errors import OptionError, UserError
from vaegan.nets.players import Players
from vaegan.pixels import to_model_range, to_uint8, to_unit_range
from vaegan.run import data_facts
from vaegan.run.layout import RunPaths
from vaegan.run.reading import check_is_run, read_environment, read_evaluation, read_records
from vaegan.training.checkpoint import DamagedCheckpoint, Found, named, newest, read
from vaegan.training.portions import Portions

BATCH = 256  # most images that go through the networks at once


@dataclass(frozen=True)
class Trained:
    """The networks of a run from one of its checkpoints, in evaluation mode.

    folder: of the run; None for a checkpoint outside of it. players: `decode` uses the averaged decoder
    if there is one (`--ema`). image_shape: [C, H, W]. checkpoint: the file. epochs: finished when it was
    written. data: facts that identify the images. remarks: lines to print, on plug-ins that differ from those
    of the run.
    """

    folder: Path | None
    config: Config
    players: Players
    image_shape: tuple[int, int, int]
    device: torch.device
    checkpoint: Path
    epochs: int
    data: Mapping[str, Any]
    remarks: tuple[str, ...] = ()

    @property
    def weights(self) -> str:
        """The decoder's weights in words: as trained, or averaged."""
        ema = self.config.ema
        return "as trained" if ema is None else f"as trained, the decoder's averaged (decay {ema:g} a step)"

    @cached_property
    def portions(self) -> Portions:
        """Splits images into batches no larger than the training batches, for which memory sufficed."""
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
        """Decoded images of z [N, latent_dim], one after the other: uint8 [C, H, W] on the CPU."""

        def decoded(batch: Tensor) -> Tensor:
            x = self.players.pixels(self.players.decode(batch.to(self.device)))
            return to_uint8(to_unit_range(x, self.players.pixel_range)).contiguous().cpu()

        for images in self.portions.of(decoded, z):
            yield from images

    def check_held_out(self, images: Any) -> None:
        """Raises: OptionError for other images than those held out: the run may have trained on them."""
        data_facts.check_held_out(images, self.data)

    def records(self) -> list[dict[str, Any]]:
        """Records of the run's epochs. Raises: UserError for a checkpoint without its run's folder."""
        return read_records(self._folder())

    def evaluation(self) -> dict[str, Any] | None:
        """The run's evaluation; None if there is none yet. Raises: as `records`."""
        return read_evaluation(self._folder())

    def _folder(self) -> Path:
        if self.folder is None:
            raise UserError(f"{self.checkpoint}: lies outside of its run's folder, which holds this")
        return self.folder


def weights_of(trained: Trained) -> str:
    """The weights in use, in words: averaged or not, number of epochs, checkpoint."""
    finished = f"{trained.epochs} epoch{'' if trained.epochs == 1 else 's'}"
    return f"{trained.weights}, {finished} ({trained.checkpoint.stem})"


def open_run(folder: str | Path, device: str = "auto", checkpoint: str | None = None) -> Trained:
    """Build the networks of the run in that folder and load their weights.

    checkpoint: its name ("best", "epoch-0010"); None for the newest that can be read.
    Raises: UserError for a folder that is not a run's, or whose networks cannot be read; OptionError for a
    checkpoint or a device that does not exist.
    """
    folder = Path(folder).expanduser()
    check_is_run(folder)
    checkpoints = RunPaths(folder).checkpoints
    try:
        found = newest(checkpoints) if checkpoint is None else named(checkpoints, checkpoint)
    except DamagedCheckpoint as error:
        raise OptionError("checkpoint", str(error)) from None
    except LookupError as error:
        raise OptionError("checkpoint", f"no such checkpoint; {error}") from None
    if found is None:
        raise UserError(f"{folder}: the run has no checkpoint yet")
    return _opened(found, folder, device)


def open_checkpoint(file: str | Path, device: str = "auto") -> Trained:
    """Build the networks of a checkpoint file, in or outside its run's folder, and load their weights.

    Raises: UserError for a file that is not a checkpoint or cannot be read, OptionError for a missing device.
    """
    file = Path(file).expanduser()
    try:
        return _opened(Found(file, *read(file), {}), None, device)
    except DamagedCheckpoint as error:
        raise UserError(f"{file}: {error}") from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror or error})") from None


def image_shape_of(checkpoint: Path, facts: Mapping[str, Any]) -> tuple[int, int, int]:
    """Shape of a run's images, [C, H, W], from a checkpoint's facts.

    Older checkpoints lack it; it is then read from environment.json in the run's folder.
    Raises: UserError if neither has it.
    """
    shape = facts["data"].get(data_facts.IMAGE_SHAPE)
    if shape is None:
        paths = RunPaths.of_checkpoint(checkpoint)
        try:
            shape = read_environment(paths.folder).get("image_shape")
        except OSError:
            raise UserError(
                f"{checkpoint}: does not hold the images' shape; put it back into its run's folder"
            ) from None
        except ValueError:
            raise UserError(f"{paths.environment}: damaged; it is no JSON") from None
        if shape is None:
            raise UserError(f"{paths.environment}: has no image_shape; checkpoints after --resume have it")
    return tuple(shape)


def _opened(found: Found, folder: Path | None, device: str) -> Trained:
    paths = RunPaths.of_checkpoint(found.path)
    remarks = plugins.check(found.facts.get("plugins", ()), str(folder or found.path), paths.plugins)
    try:
        config = make_config(found.facts["config"])
    except UserError as error:
        raise UserError("\n".join([str(error), *remarks])) from None
    image_shape = image_shape_of(found.path, found.facts)
    on = pick_device(device)
    # no download of pretrained weights that are replaced at once
    without_downloads = config.model_copy(update={"pretrained": None, "disc_pretrained": None})
    players = build_players(without_downloads, image_shape)
    players.load_state_dict({name: value for name, value in found.tensors.items() if "/" not in name})
    players = players.to(on, memory_format=torch.channels_last).eval().requires_grad_(False)
    return Trained(
        folder,
        config,
        players,
        image_shape,
        on,
        found.path,
        found.epochs,
        found.facts["data"],
        tuple(remarks),
    )
