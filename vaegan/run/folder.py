"""Writes the run folder: options, environment, records, pictures and weights of one run."""

import io
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from vaegan import plugins
from vaegan.config.build import build_adversarial
from vaegan.config.paths import config_text
from vaegan.config.schema import FEW_EPOCHS, MOST_GRIDS, Config
from vaegan.config.used_plugins import plugins_of
from vaegan.errors import OptionError
from vaegan.figures.curves import save_curves
from vaegan.figures.grids import save_animation, save_reconstructions, save_samples
from vaegan.files import append_line, check_writable, remove_unfinished, write_text, write_whole
from vaegan.nets.blocks import parameter_count, without_spectral_norm
from vaegan.nets.players import Players
from vaegan.run.environment import environment
from vaegan.run.layout import DISCRIMINATOR_WEIGHTS, GENERATOR_WEIGHTS, VAE_WEIGHTS, RunPaths
from vaegan.run.names import plan_folder
from vaegan.run.reading import read_environment, record_lines
from vaegan.run.tracker_notes import tracker_notes, with_tracker_note
from vaegan.training.budget import Budget
from vaegan.training.pictures import Pictures


def check_place(folder: Path, resumed: bool) -> None:
    """Raises: OptionError as `Run` if a run cannot be written; called before images are read."""
    try:
        check_writable(folder)
    except OSError as error:
        raise _refused(folder, resumed, error) from None


def _refused(folder: Path, resumed: bool, error: OSError) -> OptionError:
    option, doing = ("resume", "write into") if resumed else ("runs_dir", "make")
    return OptionError(option, f"cannot {doing} the folder {folder} ({error.strerror or error})")


def new_run(config: Config, data: str) -> "Run":
    """Make a run in a new folder; safe if several start at once. data: as `plan_folder`."""
    while True:
        try:
            return Run(plan_folder(config, data), config)
        except FileExistsError:
            continue  # another run made it meanwhile: try the next number, or report that the name is taken


class Run:
    """Writes one run's folder. Made when all else is ready, so that a mistake leaves no folder behind."""

    def __init__(self, folder: Path, config: Config, resume: bool = False):
        """folder: made here, unless the run is resumed. config: resolved.

        Raises: FileExistsError if a new run's folder exists, OptionError if none can be made, if a resumed
        run cannot be written, and if another process is training it.
        """
        self.folder = folder
        self.paths = RunPaths(folder)
        self.config = config
        self._drawing = Budget()
        self._lock = FileLock(self.paths.lock)
        made = False
        try:
            if not resume:
                folder.mkdir(parents=True)
                made = True
            self._lock.acquire(blocking=False)
            remove_unfinished(folder)
            write_text(self.paths.config, config_text(config, self.paths.config))
            self.paths.samples.mkdir(parents=True, exist_ok=True)
            self.paths.checkpoints.mkdir(exist_ok=True)
        except Timeout:
            raise OptionError("resume", "another process is training this run") from None
        except FileExistsError:
            raise
        except OSError as error:
            if made:
                self._lock.release()
                shutil.rmtree(folder, ignore_errors=True)
            raise _refused(folder, resume, error) from None

    def note_start(
        self,
        players: Players,
        device: torch.device,
        command: list[str],
        n_ranks: int,
        init_from: dict[str, Any] | None = None,
        preset: dict[str, Any] | None = None,
    ) -> None:
        """Write environment.json; a resumed run adds its present environment.

        init_from: origin of the initial weights, if they are another run's. preset: the one that some of its
        options are from; config.yaml has these options and no preset.
        """
        setting = environment(device, command) | {"processes": n_ranks}
        if used := plugins_of(self.config):
            setting["plugins"] = [each.note() for each in used]
            plugins.keep(used, self.paths.plugins)
        if self.paths.environment.exists():
            before = read_environment(self.folder)
            setting = before | {"resumed": [*before.get("resumed", []), setting]}
        else:
            setting["parameters"] = {name: parameter_count(net) for name, net in players.networks().items()}
            if init_from is not None:
                setting["init_from"] = init_from
            if preset is not None:
                setting["preset"] = preset
        self._write_environment(setting)

    def tracker_notes(self) -> dict[str, Any]:
        """Notes that each tracker kept of the run, by its name."""
        return tracker_notes(read_environment(self.folder))

    def note_tracker(self, name: str, kept: Any) -> None:
        """Store what a tracker needs to continue the run."""
        self._write_environment(with_tracker_note(read_environment(self.folder), name, kept))

    def _write_environment(self, setting: dict[str, Any]) -> None:
        write_text(self.paths.environment, json.dumps(setting, indent=2) + "\n")

    def close(self) -> None:
        """Release the folder, so that other processes may resume the run."""
        self._lock.release()

    def on_step(self, *_: Any) -> None:
        """Do nothing: the folder is written after each epoch."""

    def on_epoch(self, record: dict[str, Any], pictures: Pictures) -> None:
        """Draw the pictures, if they are due, and append the record to metrics.jsonl."""
        epoch = record["epoch"] + 1
        if self._draws(epoch):
            with self._drawing.spend():
                self._draw(epoch, pictures)
        append_line(self.paths.metrics, json.dumps(record))

    def _draws(self, epoch: int) -> bool:
        """True if pictures are drawn after this epoch (from 1): after the last and those of --figure-epochs.

        Without that option: after evenly spaced epochs of a long run, as far as time allows.
        """
        epochs, asked = self.config.epochs, self.config.figure_epochs
        if asked is not None or epoch == epochs:
            return epoch in (*(asked or ()), epochs)
        stride = 1 if epochs <= FEW_EPOCHS else -(-epochs // MOST_GRIDS)
        return (epochs - epoch) % stride == 0 and (epochs <= FEW_EPOCHS or self._drawing.allows())

    def _draw(self, epoch: int, pictures: Pictures) -> None:
        if pictures.reconstructions is not None:
            save_reconstructions(self.paths.reconstructions, pictures.reconstructions)
        of_epoch = self.paths.samples_after(epoch)
        save_samples(of_epoch, pictures.samples)
        write_whole(self.paths.latest_samples, lambda path: shutil.copyfile(of_epoch, path))

    def records(self) -> list[dict[str, Any]]:
        """Records of the finished epochs."""
        return [json.loads(line) for line in record_lines(self.folder)]

    def keep_records(self, n: int) -> list[dict[str, Any]]:
        """Records of the first n epochs; later ones are dropped, since those epochs are trained again.

        Raises: OptionError if some of them are missing.
        """
        lines, metrics = record_lines(self.folder), self.paths.metrics
        # the first epoch's record may be written before any checkpoint
        lost = len(lines) > 1 and not any(self.paths.checkpoints.iterdir())
        if len(lines) < n or lost:
            problem = f"{metrics} has {len(lines)} epochs, where the newest checkpoint has {n}"
            raise OptionError("resume", f"{problem}; nothing was changed")
        if metrics.exists():
            write_text(metrics, "".join(f"{line}\n" for line in lines[:n]))
        return [json.loads(line) for line in lines[:n]]

    def draw_curves(self) -> None:
        """Draw the curves of the finished epochs, if there are any."""
        if records := self.records():
            adversarial = build_adversarial(self.config)
            save_curves(self.paths.curves, records, adversarial.draws() if adversarial else {})

    def finish(self, players: Players) -> list[Path]:
        """Write the curves, an animation of the samples and the networks; returns the networks' files.

        VAE_model.pth, or DCGAN_model_G.pth and DCGAN_model_D.pth: plain state dictionaries, with averaged
        weights if there are any.
        """
        self.draw_curves()
        pictures = sorted(self.paths.samples.glob("*.png"))
        if len(pictures) > 1:
            save_animation(self.paths.animation, pictures)
        if players.encoder is None:
            return [
                self._save(GENERATOR_WEIGHTS, {"": players.trained_decoder}),
                self._save(DISCRIMINATOR_WEIGHTS, {"": without_spectral_norm(players.disc)}),
            ]
        return [self._save(VAE_WEIGHTS, {"encoder.": players.encoder, "decoder.": players.trained_decoder})]

    def _save(self, name: str, networks: Mapping[str, nn.Module]) -> Path:
        """Write the networks' weights, each name with its prefix, into one file."""
        state = {
            prefix + key: value.detach().cpu().contiguous()
            for prefix, network in networks.items()
            for key, value in network.state_dict().items()
        }
        path = self.folder / name
        content = io.BytesIO()  # when torch writes to a file, a full disk raises no OSError
        torch.save(state, content)
        write_whole(path, lambda temporary: temporary.write_bytes(content.getvalue()))
        return path


def is_locked(folder: Path) -> bool:
    """True if a process is training the run in that folder."""
    lock = RunPaths(folder).lock
    if not lock.exists():
        return False
    try:
        with FileLock(lock, blocking=False):
            return False
    except (Timeout, OSError):
        return lock.exists()
