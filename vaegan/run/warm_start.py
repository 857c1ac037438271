"""Initial weights taken from another run (`--init-from`)."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vaegan.config.build import outline_players
from vaegan.config.schema import INIT_PARTS, Config
from vaegan.errors import OptionError, UserError, did_you_mean
from vaegan.nets.players import Players
from vaegan.nets.timm_backbone import STATISTICS
from vaegan.run.layout import RunPaths
from vaegan.training.checkpoint import ENDING, DamagedCheckpoint, Found, named, newest

AVERAGED = "ema.module."  # prefix of the averaged decoder's names, if a run has one; that one decodes


@dataclass(frozen=True)
class Start:
    """Initial weights of a run that are another run's.

    checkpoint: the other run's file; sha256: its digest; epochs: finished when it was written; pixel_range:
    of the other run. taken: the state of each part that fits. left: for each of the other parts, the reason.
    averaged: True if that run's decoder has averaged weights.
    """

    checkpoint: Path
    sha256: str
    epochs: int
    pixel_range: str
    taken: dict[str, dict[str, Tensor]]
    left: dict[str, str]
    averaged: bool

    @property
    def run(self) -> Path:
        """The folder of the other run."""
        return RunPaths.of_checkpoint(self.checkpoint).folder

    @property
    def name(self) -> str:
        """The value of --init-from that names this checkpoint from any folder and at any time."""
        return f"{self.run.resolve()}:{self.checkpoint.stem}"

    def note(self) -> dict[str, Any]:
        """Origin of the weights, for environment.json."""
        return {
            "run": str(self.run.resolve()),
            "checkpoint": self.checkpoint.name,
            "sha256": self.sha256,
            "epochs": self.epochs,
            "taken": list(self.taken),
            "not_taken": self.left,
            "averaged_decoder": self.averaged and "decoder" in self.taken,
        }

    def line(self, pixel_range: str) -> str:
        """The origin in words. pixel_range: of the new run."""
        parts = [f"{part} (averaged)" if part == "decoder" and self.averaged else part for part in self.taken]
        said = f"begins with the {' and the '.join(parts)} of {self.run}, {self.checkpoint.stem}"
        if self.left:
            said += "; not taken: " + _listed(self.left)
        if self.pixel_range != pixel_range:
            said += f"; note: they are of --pixel-range {self.pixel_range}, and this run has {pixel_range}"
        return said

    def load(self, players: Players) -> None:
        """Copy the weights into the players, and the decoder's into its average, if there is one."""
        for part, state in self.taken.items():
            getattr(players, part).load_state_dict(state)
            state.clear()  # no longer needed, and large
        if players.ema is not None:
            players.ema.set(players.decoder)


def find_start(config: Config, image_shape: tuple[int, int, int]) -> Start | None:
    """Initial weights for a run of this resolved config; None without --init-from.

    Raises: OptionError for a run or a checkpoint that does not exist or cannot be read, if no part fits, and
    for a part that was asked for by name and does not fit.
    """
    if config.init_from is None:
        return None
    found = _find(config.init_from)
    theirs = {part: _state(found.tensors, part) for part in INIT_PARTS}
    players = outline_players(config, image_shape)
    taken, left = {}, {}
    for part in config.init_parts or INIT_PARTS:
        network = getattr(players, part)
        if problem := _problem(network, theirs[part]):
            left[part] = problem
        elif theirs[part]:
            taken[part] = theirs[part]
    if not taken:
        problem = _listed(left) or "it has no weights of such a part"
        raise OptionError("init_from", f"no network of {found.path} fits this run: {problem}")
    if config.init_parts and left:
        raise OptionError("init_parts", f"not to be had from {found.path}: {_listed(left)}")
    with found.path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    pixel_range = found.facts["config"]["pixel_range"]
    averaged = any(name.startswith(AVERAGED) for name in found.tensors)
    return Start(found.path, sha256, found.epochs, pixel_range, taken, left, averaged)


def _listed(left: Mapping[str, str]) -> str:
    return ", ".join(f"{part} ({why})" for part, why in left.items())


def _find(given: str) -> Found:
    """The checkpoint that RUN or RUN:CHECKPOINT names."""
    run, colon, name = given.rpartition(":")
    folder = Path(given).expanduser()
    if colon and not folder.is_dir():
        folder = Path(run).expanduser()
    else:
        name = ""
    checkpoints = RunPaths(folder).checkpoints
    if not checkpoints.is_dir():
        runs = [each.parent.name for each in folder.parent.glob(f"*/{checkpoints.name}")]
        what = "no run's folder" if folder.is_dir() else "no such folder"
        raise OptionError("init_from", f"{what}; {did_you_mean(folder.name, runs)}a run's folder is accepted")
    try:
        found = named(checkpoints, name) if name else newest(checkpoints)
    except DamagedCheckpoint as error:
        raise OptionError("init_from", str(error)) from None
    except LookupError as error:
        raise OptionError("init_from", f"no checkpoint {name.removesuffix(ENDING)}; {error}") from None
    except OSError as error:
        raise OptionError("init_from", f"cannot read {error.filename} ({error.strerror})") from None
    except UserError as error:
        raise OptionError("init_from", str(error)) from None
    if found is None:
        raise OptionError("init_from", "the run has no checkpoint yet")
    return found


def _state(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """A part's state in a checkpoint; the averaged one for a decoder that has an average."""
    prefixes = [AVERAGED, "decoder."] if part == "decoder" else [f"{part}."]
    for prefix in prefixes:
        state = {
            name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)
        }
        if state:
            return state
    return {}


def _problem(network: nn.Module | None, theirs: Mapping[str, Tensor]) -> str:
    """Reason why a network cannot take that state; "" if it can, or if both runs lack the part."""
    ours = {} if network is None else network.state_dict()
    if not ours or not theirs:
        return "this run has none" if theirs else "that run has none" if ours else ""
    for name, value in theirs.items():
        if name not in ours and not name.endswith(STATISTICS):
            return f"another network: {name} is there alone"
        if name in ours and value.shape != ours[name].shape:
            return f"{name} is {list(value.shape)} there, {list(ours[name].shape)} here"
    missing = next((name for name in ours if name not in theirs), None)
    return f"another network: {missing} is here alone" if missing else ""
