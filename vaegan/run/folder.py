"""The run folder: config, environment, metrics, weights and figures of one run."""

import io
import itertools
import json
import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from vaegan.config.build import build_adversarial
from vaegan.config.paths import config_text
from vaegan.config.schema import DEFAULT_ADV, MOST_GRIDS, Config
from vaegan.datasets import is_registered
from vaegan.errors import OptionError
from vaegan.figures.curves import save_curves
from vaegan.figures.grids import save_animation, save_reconstructions, save_samples
from vaegan.files import append_line, check_writable, remove_unfinished, write_whole
from vaegan.nets.blocks import parameter_count, without_spectral_norm
from vaegan.nets.players import Players
from vaegan.run.tracker_notes import tracker_notes, with_tracker_note
from vaegan.training.budget import FEW_EPOCHS, Budget
from vaegan.training.pictures import Pictures

LONGEST_NAME = 100  # characters of a name made by us
PACKAGES = (
    "torchvision",
    "timm",
    "kornia",
    "wandb",
    "numpy",
    "safetensors",
    "pydantic",
    "scikit-learn",
    "torchmetrics",
    "pillow",
)


def plan_folder(config: Config) -> Path:
    """Where the run will go; nothing is made.

    Raises: OptionError for a name that is taken, since no run overwrites another.
    """
    runs_dir = Path(config.runs_dir).expanduser()
    if config.run_name:
        if os.path.lexists(runs_dir / config.run_name):
            raise OptionError("run_name", f"{runs_dir / config.run_name} exists already; choose another name")
        return runs_dir / config.run_name
    what = describe(config)
    return next(path for i in itertools.count(1) if not os.path.lexists(path := runs_dir / f"{what}-{i}"))


def check_place(folder: Path, resumed: bool) -> None:
    """Whether a run can be written there, before its images are read. Raises: OptionError as `Run`."""
    try:
        check_writable(folder)
    except OSError as error:
        raise _refused(folder, resumed, error) from None


def _refused(folder: Path, resumed: bool, error: OSError) -> OptionError:
    option, doing = ("resume", "write into") if resumed else ("runs_dir", "make")
    return OptionError(option, f"cannot {doing} the folder {folder} ({error.strerror or error})")


def new_run(config: Config) -> "Run":
    """A run in a folder of its own, also when others start in the same moment."""
    while True:
        try:
            return Run(plan_folder(config), config)
        except FileExistsError:
            continue  # made by another run in between: the next number, or the name is taken


def describe(config: Config) -> str:
    """A name that says what the run is: data set, networks, the game's loss, its weight in a VAE's."""
    data = Path(config.dataset).name or "folder"
    if is_registered(data) and not is_registered(config.dataset):
        data = f"{data}-folder"
    if config.gan or config.encoder_name == config.decoder_name:
        networks = [config.decoder_name]
    else:
        networks = [config.encoder_name, config.decoder_name]
    if config.disc:
        networks += [config.disc, "" if config.gan else f"w{config.disc_weight}"]
        networks += ["" if config.adv == DEFAULT_ADV else config.adv]
    name = "_".join(filter(None, [data, "gan" if config.gan else "", *networks]))[:LONGEST_NAME]
    return name.replace(":", "-").replace("/", "-").replace(" ", "-")


class Run:
    """Writes one run's folder. Made only when all else is ready, so that a mistake leaves nothing behind."""

    def __init__(self, folder: Path, config: Config, resume: bool = False):
        """folder: made here, unless the run is resumed. config: resolved.

        Raises: FileExistsError when there is such a folder, OptionError when none can be made, when a run
        to be resumed may not be written, and when another process is at it.
        """
        self.folder = folder
        self.config = config
        self.figures = folder / "figures"
        self.samples = self.figures / "samples"
        self.checkpoints = folder / "checkpoints"
        self.metrics = folder / "metrics.jsonl"
        self._drawing = Budget()
        self._environment = folder / "environment.json"
        self._lock = FileLock(folder / ".lock")
        made = False
        try:
            if not resume:
                folder.mkdir(parents=True)
                made = True
            self._lock.acquire(blocking=False)
            remove_unfinished(folder)
            self._write_config()
            self.samples.mkdir(parents=True, exist_ok=True)
            self.checkpoints.mkdir(exist_ok=True)
        except Timeout:
            raise OptionError("resume", "another process is training this run") from None
        except FileExistsError:
            raise
        except OSError as error:
            if made:
                self._lock.release()
                shutil.rmtree(folder, ignore_errors=True)
            raise _refused(folder, resume, error) from None

    def _write_config(self) -> None:
        """config.yaml, which --config takes back."""
        text = config_text(self.config, self.folder / "config.yaml")
        write_whole(self.folder / "config.yaml", lambda path: path.write_text(text, encoding="utf-8"))

    def note_start(
        self,
        players: Players,
        device: torch.device,
        command: list[str],
        n_ranks: int,
        image_shape: tuple[int, int, int],
        init_from: dict[str, Any] | None = None,
    ) -> None:
        """Write environment.json; a run that goes on adds what it goes on with.

        init_from: the weights that it begins with, where they are another run's.
        """
        setting = environment(device, command) | {"processes": n_ranks}
        shape = {"image_shape": list(image_shape)}  # without which the networks cannot be built
        if self._environment.exists():
            before = json.loads(self._environment.read_text(encoding="utf-8"))
            setting = before | shape | {"resumed": [*before.get("resumed", []), setting]}
        else:
            setting |= shape
            setting["parameters"] = {name: parameter_count(net) for name, net in players.networks().items()}
            if init_from is not None:
                setting["init_from"] = init_from
        self._write_environment(setting)

    def tracker_notes(self) -> dict[str, Any]:
        """What each tracker kept of the run, by its name."""
        return tracker_notes(json.loads(self._environment.read_text(encoding="utf-8")))

    def note_tracker(self, name: str, kept: Any) -> None:
        """Keep what a tracker needs to go on with the run."""
        setting = json.loads(self._environment.read_text(encoding="utf-8"))
        self._write_environment(with_tracker_note(setting, name, kept))

    def _write_environment(self, setting: dict[str, Any]) -> None:
        text = json.dumps(setting, indent=2) + "\n"
        write_whole(self._environment, lambda path: path.write_text(text, encoding="utf-8"))

    def close(self) -> None:
        """Let other processes go on with the run."""
        self._lock.release()

    def on_step(self, *_: Any) -> None:
        """Nothing: a run is written after each epoch."""

    def on_epoch(self, record: dict[str, Any], pictures: Pictures) -> None:
        """The pictures as they are now, and the epoch's line of metrics.jsonl."""
        epoch = record["epoch"] + 1
        if self._draws(epoch):
            with self._drawing.spend():
                self._draw(epoch, pictures)
        append_line(self.metrics, json.dumps(record))

    def _draws(self, epoch: int) -> bool:
        """Whether pictures are drawn after this epoch (from 1): the last, and those asked for.

        Where none are, of a long run evenly spaced ones, as far as there is time for them.
        """
        epochs, asked = self.config.epochs, self.config.figure_epochs
        if asked is not None or epoch == epochs:
            return epoch in (*(asked or ()), epochs)
        stride = 1 if epochs <= FEW_EPOCHS else -(-epochs // MOST_GRIDS)
        return (epochs - epoch) % stride == 0 and (epochs <= FEW_EPOCHS or self._drawing.allows())

    def _draw(self, epoch: int, pictures: Pictures) -> None:
        if pictures.reconstructions is not None:
            save_reconstructions(self.figures / "reconstructions.png", pictures.reconstructions)
        of_epoch = self.samples / f"epoch-{epoch:04}.png"
        save_samples(of_epoch, pictures.samples)
        write_whole(self.figures / "samples.png", lambda path: shutil.copyfile(of_epoch, path))

    def records(self) -> list[dict[str, Any]]:
        """The records of the epochs so far."""
        return [json.loads(line) for line in self._lines()]

    def keep_records(self, n: int) -> list[dict[str, Any]]:
        """The records of the first n epochs; later ones are forgotten, since those epochs are made again.

        Raises: OptionError when they are not there.
        """
        lines = self._lines()
        # the first epoch's may be there before anything is saved
        lost = len(lines) > 1 and not any(self.checkpoints.iterdir())
        if len(lines) < n or lost:
            problem = f"{self.metrics} has {len(lines)} epochs, where the newest checkpoint has {n}"
            raise OptionError("resume", f"{problem}; nothing was changed")
        if self.metrics.exists():
            text = "".join(f"{line}\n" for line in lines[:n])
            write_whole(self.metrics, lambda path: path.write_text(text, encoding="utf-8"))
        return [json.loads(line) for line in lines[:n]]

    def _lines(self) -> list[str]:
        """The lines of metrics.jsonl that were written to their end."""
        text = self.metrics.read_text(encoding="utf-8") if self.metrics.exists() else ""
        return text.split("\n")[:-1]

    def draw_curves(self) -> None:
        """The curves of the epochs so far, if there are any."""
        if records := self.records():
            adversarial = build_adversarial(self.config)
            save_curves(self.figures / "curves.png", records, adversarial.draws() if adversarial else {})

    def finish(self, players: Players) -> list[Path]:
        """The curves, the samples' animation, and the trained networks; returns the networks' files.

        VAE_model.pth, or DCGAN_model_G.pth and DCGAN_model_D.pth: plain state dictionaries, with averaged
        weights where there are any.
        """
        self.draw_curves()
        pictures = sorted(self.samples.glob("*.png"))
        if len(pictures) > 1:
            save_animation(self.figures / "samples.gif", pictures)
        if players.encoder is None:
            return [
                self._save("DCGAN_model_G.pth", {"": players.trained_decoder}),
                self._save("DCGAN_model_D.pth", {"": without_spectral_norm(players.disc)}),
            ]
        return [
            self._save("VAE_model.pth", {"encoder.": players.encoder, "decoder.": players.trained_decoder})
        ]

    def _save(self, name: str, networks: Mapping[str, nn.Module]) -> Path:
        """Write the networks' weights, each name behind its prefix, into one file."""
        state = {
            prefix + key: value.detach().cpu().contiguous()
            for prefix, network in networks.items()
            for key, value in network.state_dict().items()
        }
        path = self.folder / name
        content = io.BytesIO()  # into a file, a full disk would not be an OSError
        torch.save(state, content)
        write_whole(path, lambda temporary: temporary.write_bytes(content.getvalue()))
        return path


def environment(device: torch.device, command: list[str]) -> dict[str, Any]:
    """What a run was made with: versions, device, commit, command line."""
    name = (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or platform.machine()
    )
    return {
        "command": shlex.join(command),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(device),
        "device_name": name,
        "threads": torch.get_num_threads(),
        "packages": package_versions(),
    }


def package_versions() -> dict[str, str | None]:
    """The versions of the packages whose version may change a result."""
    return {package: _version(package) for package in PACKAGES} | {"torch": torch.__version__}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that the program is at, with "+" behind it if files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None
