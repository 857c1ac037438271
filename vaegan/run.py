"""The run folder: config, environment, metrics, weights and figures of one run."""

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
import yaml
from safetensors.torch import save_file
from torch import Tensor, nn

from vaegan.build import build_adversarial
from vaegan.config import DEFAULT_ADV, Config
from vaegan.errors import OptionError
from vaegan.figures import save_animation, save_curves, save_reconstructions, save_samples
from vaegan.files import write_whole
from vaegan.nets.blocks import parameter_count, without_spectral_norm
from vaegan.nets.players import Players

LONGEST_NAME = 100  # characters of a name made by us
N_REFERENCE = 10  # held-out images that every picture of reconstructions shows
PACKAGES = (
    "torchvision",
    "timm",
    "kornia",
    "wandb",
    "numpy",
    "safetensors",
    "pydantic",
    "scikit-learn",
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


def new_run(config: Config, reference: Tensor) -> "Run":
    """A run in a folder of its own, also when others start in the same moment."""
    while True:
        try:
            return Run(plan_folder(config), config, reference)
        except FileExistsError:
            continue  # made by another run in between: the next number, or the name is taken


def describe(config: Config) -> str:
    """A name that says what the run is: data set, networks, the game's loss, its weight in a VAE's."""
    data = Path(config.dataset).name or "folder"
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

    def __init__(self, folder: Path, config: Config, reference: Tensor):
        """folder: made here. config: resolved. reference: uint8 [N, C, H, W], drawn as reconstructed.

        Raises: FileExistsError when there is such a folder, OptionError when none can be made.
        """
        self.folder = folder
        self.config = config
        self.reference = reference
        try:
            folder.mkdir(parents=True)
            self.figures = folder / "figures"
            self.weights = folder / "checkpoints" / "last.safetensors"
            self.samples = self.figures / "samples"
            self.samples.mkdir(parents=True)
            self.weights.parent.mkdir()
        except FileExistsError:
            raise
        except OSError as error:
            raise OptionError("runs_dir", f"cannot make the folder {folder} ({error.strerror})") from None

    def write_setting(self, players: Players, device: torch.device, command: list[str]) -> None:
        """config.yaml, which --config takes back, and environment.json."""
        text = yaml.safe_dump(self.config.to_dict(), sort_keys=False, allow_unicode=True)
        (self.folder / "config.yaml").write_text(text, encoding="utf-8")
        setting = environment(device, command)
        setting["parameters"] = {name: parameter_count(net) for name, net in players.networks().items()}
        (self.folder / "environment.json").write_text(json.dumps(setting, indent=2) + "\n", encoding="utf-8")

    def on_step(self, *_: Any) -> None:
        """Nothing: a run is written after each epoch."""

    def on_epoch(self, record: dict[str, Any], players: Players) -> None:
        """The epoch's line of metrics.jsonl, the weights, and the pictures as they are now."""
        with (self.folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
        state = {name: value.detach().cpu().contiguous() for name, value in players.state_dict().items()}
        metadata = {"epoch": str(record["epoch"])}
        write_whole(self.weights, lambda path: save_file(state, path, metadata=metadata))
        epoch = record["epoch"] + 1
        if self.config.figure_epochs is None or epoch in (*self.config.figure_epochs, self.config.epochs):
            self._draw(epoch, players)

    def _draw(self, epoch: int, players: Players) -> None:
        """Reconstructions, if there is an encoder, and samples; those of each epoch are kept."""
        if players.encoder is not None:
            save_reconstructions(self.figures / "reconstructions.png", players, self.reference)
        of_epoch = self.samples / f"epoch-{epoch:04}.png"
        save_samples(of_epoch, players)
        write_whole(self.figures / "samples.png", lambda path: shutil.copyfile(of_epoch, path))

    def records(self) -> list[dict[str, Any]]:
        """The records of the epochs so far."""
        file = self.folder / "metrics.jsonl"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return [json.loads(line) for line in lines]

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
        write_whole(path, lambda temporary: torch.save(state, temporary))
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
        "packages": {package: _version(package) for package in PACKAGES} | {"torch": torch.__version__},
    }


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
