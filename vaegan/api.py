"""vaegan in Python: train a run, or open one and use its networks. Its names are those of `import vaegan`.

Images go in as files (paths or strings), PIL images, arrays or tensors, one or many, and come out as float32
tensors [N, C, H, W] in [0, 1]. Mistakes raise `vaegan.UserError`, with the text of the command line.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vaegan.cli.flags import gather
from vaegan.cli.plugin_flags import import_plugins
from vaegan.commands import train as train_command
from vaegan.commands.inputs.images import Given, as_images
from vaegan.config.schema import Config
from vaegan.errors import OptionError, UserError
from vaegan.evals.latent_paths import PATHS
from vaegan.nets.players import Players
from vaegan.parallel import launched_ranks
from vaegan.pixels import from_uint8
from vaegan.run.layout import RunPaths
from vaegan.run.trained import Trained, open_checkpoint, open_run, weights_of
from vaegan.seeds import generator_for
from vaegan.training.signals import Stopped

if TYPE_CHECKING:
    import numpy as np


class TrainedRun:
    """A trained run: its options, its figures and its networks.

    config: its options. players: its networks, in evaluation mode. image_shape: [C, H, W].
    """

    def __init__(self, trained: Trained):
        self._trained = trained

    def __repr__(self) -> str:
        return f"<run {self.folder or self.checkpoint}: {weights_of(self._trained)}>"

    @property
    def folder(self) -> Path | None:
        """The run's folder; None for a checkpoint outside of it."""
        return self._trained.folder

    @property
    def checkpoint(self) -> Path:
        """The checkpoint file of the weights."""
        return self._trained.checkpoint

    @property
    def config(self) -> Config:
        return self._trained.config

    @property
    def players(self) -> Players:
        return self._trained.players

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._trained.image_shape

    def records(self) -> list[dict[str, Any]]:
        """One record per epoch, with the keys of metrics.jsonl."""
        return self._trained.records()

    def evaluation(self) -> dict[str, Any] | None:
        """The figures of the run's evaluation; None if it has not been evaluated."""
        return self._trained.evaluation()

    def encode(self, images: Given) -> Tensor:
        """The means of the images' posteriors, [N, latent_dim]. Raises: UserError for a GAN."""
        return self._posterior(images)[0]

    def decode(self, z: Tensor | np.ndarray | Sequence) -> Tensor:
        """The images that latents [N, latent_dim] or [latent_dim] decode to, [N, C, H, W] in [0, 1]."""
        z = torch.atleast_2d(torch.as_tensor(z, dtype=torch.float32))
        size = self.players.latent_dim
        if z.ndim != 2 or z.shape[1] != size:
            raise UserError(f"decode: latents of shape {list(z.shape)}; [N, {size}] is accepted")
        if not len(z):
            return torch.empty(0, *self.image_shape)
        return from_uint8(torch.stack(list(self._trained.decode(z))))

    def reconstruct(self, images: Given) -> Tensor:
        """Reconstructions decoded from the posterior means, [N, C, H, W]. Raises: UserError for a GAN."""
        return self.decode(self.encode(images))

    def sample(self, count: int = 64, seed: int = 0) -> Tensor:
        """Images decoded from the prior, [count, C, H, W]: those of `vaegan sample` with that seed."""
        generator = generator_for(seed, "sample")
        return self.decode(torch.randn(count, self.players.latent_dim, generator=generator))

    def interpolate(self, a: Given, b: Given, steps: int = 10, path: str = "linear") -> Tensor:
        """Images on a path from a to b, both ends included, [steps, C, H, W].

        a, b: an image each, or latents [latent_dim]. path: "linear" or "spherical", through the latents.
        """
        if path not in PATHS:
            raise UserError(f"path {path!r}: unknown; {' and '.join(PATHS)} are accepted")
        if steps < 2:
            raise UserError(f"steps {steps}: at least 2, with both ends")
        return self.decode(PATHS[path](self._latents(a), self._latents(b), steps))

    def _latents(self, end: Given) -> Tensor:
        """One point in the latent space, [latent_dim]."""
        if getattr(end, "ndim", None) == 1:
            return torch.as_tensor(end, dtype=torch.float32).cpu()
        z = self.encode(end)
        if len(z) != 1:
            raise UserError(f"interpolate: {len(z)} images, where one is an end")
        return z[0]

    def _posterior(self, images: Given) -> tuple[Tensor, Tensor]:
        if self.players.encoder is None:
            raise UserError(f"{self!r}: a GAN has no encoder; sample and decode are what it can")
        return self._trained.encode(as_images(self._trained, images))


def load(
    run: str | Path,
    checkpoint: str | None = None,
    device: str = "auto",
    plugins: str | Path | Sequence[str | Path] | None = None,
) -> TrainedRun:
    """Open a run's folder, or a checkpoint file.

    checkpoint: its name ("best", "epoch-0010"); None for the newest. plugins: your own files, folders or
    modules with parts of the run; none of them is executed unless it is named here.
    Raises: UserError for a folder that is not a run's, and for networks that cannot be read.
    """
    import_plugins(["--plugins", *_names(plugins)])
    path = Path(run).expanduser()
    if path.is_file() and checkpoint is None and RunPaths.of_checkpoint(path).config.is_file():
        path, checkpoint = RunPaths.of_checkpoint(path).folder, path.stem
    if path.is_file():
        if checkpoint is not None:
            raise OptionError("checkpoint", f"{path} is one already")
        trained = open_checkpoint(path, device)
    else:
        trained = open_run(path, device, checkpoint)
    for remark in trained.remarks:
        print(remark)
    return TrainedRun(trained)


def train(**options: Any) -> TrainedRun | None:
    """Train a run and return it. options: named like the flags, with underscores (`disc_weight=10`).

    `config="a.yaml"`, `resume="runs/NAME"` and `plugins=[...]` are accepted, too; `dry_run=True` shows the
    run and returns None. It prints the output of the command. When interrupted (Jupyter's stop button,
    Ctrl-C), it finishes the step, saves, and prints how to resume.
    Raises: UserError before anything is written, TrainingError for a run that cannot continue,
    KeyboardInterrupt when it was interrupted and has been saved.
    """
    imported = _names(options.pop("plugins", None))
    file = ["--config", str(options["config"])] if options.get("config") else []
    import_plugins([*file, "--plugins", *imported])
    given = gather({name: _plain(value) for name, value in options.items()})
    named = options | ({"plugins": imported} if imported else {})
    code = f"import vaegan; vaegan.train({', '.join(f'{name}={value!r}' for name, value in named.items())})"
    try:
        folder = train_command.run(given, ["python", "-c", code], launched_ranks())
    except UserError as error:
        raise UserError(given.explain(error)) from None
    except Stopped:
        raise KeyboardInterrupt("stopped as asked, and saved") from None
    return None if given.dry_run else load(folder, device=given.values.get("device", "auto"))


def _names(plugins: str | Path | Sequence[str | Path] | None) -> list[str]:
    return [str(plugins)] if isinstance(plugins, str | Path) else [str(each) for each in plugins or ()]


def _plain(value: Any) -> Any:
    """A value as a YAML file would hold it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return list(map(_plain, value))
    return value
