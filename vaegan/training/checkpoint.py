"""Checkpoints: the state to resume a run from. Each file is written completely or not at all.

Reading one runs no code.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from vaegan.config.interval import Interval
from vaegan.config.schema import FEW_EPOCHS, Config
from vaegan.config.used_plugins import plugins_of
from vaegan.errors import UserError, did_you_mean
from vaegan.files import link_or_copy, write_whole
from vaegan.nets.players import Players
from vaegan.parallel import ALONE, Ranks
from vaegan.training.background import Background
from vaegan.training.budget import Budget
from vaegan.training.meters import Meter
from vaegan.training.optim import PlayerOptimiser

FORMAT = 1
WITHIN_AN_EPOCH = Interval(minutes=10)  # between two saves
KEPT = 2  # of the latest checkpoints, step-*
ENDING = ".safetensors"
PATTERN = re.compile(rf"step-(\d+){re.escape(ENDING)}")
BEST = "best"


class DamagedCheckpoint(Exception):
    """A file that differs from the one written; its text is the reason, for a user."""


@dataclass
class Progress:
    """Position in training and running sums.

    epoch, batch: the next to train on, from 0 (batch = batches per epoch: the epoch's evaluation is next).
    step: batches so far. seconds: of training in this epoch so far. floor: the PBP loss of perfect
    reconstructions of the training images, once it is known. records: of the finished epochs.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    seconds: float = 0.0
    floor: float | None = None
    meter: Meter = field(default_factory=Meter)
    records: list[dict[str, Any]] = field(default_factory=list)


def write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write one safetensors file with the tensors, the facts as JSON, and a digest of both.

    Raises: OSError when it cannot be written completely; an earlier file at `path` then remains.
    """
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    text = json.dumps(facts)
    content = save(kept, {"facts": text, "digest": _digest(kept, text)})
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the facts.

    Raises: DamagedCheckpoint for a file that differs from the one written, UserError for one of another
    format, OSError for one that cannot be read. Neither safetensors nor JSON can hold code, so nothing in a
    file is ever executed.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
        text = metadata["facts"]
        whole = _digest(tensors, text) == metadata["digest"]
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from None
    except (SafetensorError, KeyError, ValueError) as error:
        raise DamagedCheckpoint(f"not a checkpoint, or cut short ({error})") from None
    if not whole:
        raise DamagedCheckpoint("its content has changed since it was written")
    facts = json.loads(text)
    if facts.get("format") != FORMAT:
        raise UserError(f"{path}: of format {facts.get('format')}; this version reads format {FORMAT}")
    return tensors, facts


def _digest(tensors: Mapping[str, Tensor], text: str) -> str:
    """A hash of all names, types, shapes, values, and of the text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(repr((name, str(value.dtype), tuple(value.shape))).encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


@dataclass(frozen=True)
class Found:
    """A checkpoint that was read: file, tensors, facts. damaged: newer files, with the reason for each."""

    path: Path
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    damaged: dict[Path, str]

    @property
    def epochs(self) -> int:
        """Finished epochs."""
        return self.facts["progress"]["epoch"]

    @property
    def step(self) -> int:
        """Batches trained on."""
        return self.facts["progress"]["step"]


def newest(folder: Path) -> Found | None:
    """The newest readable checkpoint in a run's `checkpoints`; None if there is no checkpoint at all.

    Raises: UserError if there are checkpoints, but none can be read.
    """
    kept = [*folder.glob(f"epoch-*{ENDING}"), *folder.glob(f"{BEST}{ENDING}")]
    kept.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    damaged: dict[Path, str] = {}
    for path in [*_following(folder)[::-1], *kept]:
        try:
            return Found(path, *read(path), damaged)
        except DamagedCheckpoint as error:
            damaged[path] = str(error)
    if damaged:
        path, reason = next(iter(damaged.items()))
        raise UserError(f"{path}: {reason}; there is no other one that could be read")
    return None


def checkpoint_names(folder: Path) -> list[str]:
    """Names of a run's checkpoints, without their ending."""
    return sorted(path.stem for path in folder.glob(f"*{ENDING}"))


def after_epoch(folder: Path, epoch: int) -> Path:
    """The path of the checkpoint kept after that epoch, from 1; the file need not exist."""
    return folder / f"epoch-{epoch:04}{ENDING}"


def named(folder: Path, name: str) -> Found:
    """Read a checkpoint by its name, with or without its ending.

    Raises: LookupError with the names of the existing ones; as `read` for one that cannot be read.
    """
    path = folder / f"{name.removesuffix(ENDING)}{ENDING}"
    if not path.is_file():
        there = checkpoint_names(folder)
        raise LookupError(f"{did_you_mean(path.stem, there)}There: {', '.join(there) or 'none'}.")
    return Found(path, *read(path), {})


def _following(folder: Path) -> list[Path]:
    """The latest checkpoints, step-*, oldest first."""
    steps = {path: int(match[1]) for path in folder.glob("*") if (match := PATTERN.fullmatch(path.name))}
    return sorted(steps, key=steps.__getitem__)


def last_checkpoint(folder: Path) -> Path | None:
    """The path of the newest step-* checkpoint, which is not read."""
    return next(reversed(_following(folder)), None)


@dataclass(frozen=True)
class Best:
    """Rule for the best epoch. key: of metrics.jsonl. greatest: True if a greater value is better."""

    key: str
    greatest: bool = False

    @classmethod
    def parse(cls, given: str) -> "Best":
        """From `KEY`, whose least value is the best, or `KEY:max`."""
        return cls(given.removesuffix(":max"), given.endswith(":max"))

    def is_last(self, records: Sequence[Mapping[str, Any]]) -> bool:
        """True if the last record is the best of those made with the same weights.

        A total or a weighted term is another figure under other weights. If they change for good, as
        with the first combo epoch or a decay, the search for the best starts again. An epoch in which the
        gate leaves out the adversarial term is never the best.
        """
        if self.key not in records[-1]:
            return False
        weights = self._weights(records[-1])
        if weights.get("adv") == 0 and any(self._weights(record).get("adv") for record in records):
            return False
        alike = [record for record in records if self.key in record and self._weights(record) == weights]
        values = [record[self.key] for record in alike]
        return values[-1] == (max if self.greatest else min)(values) and values[-1] not in values[:-1]

    def _weights(self, record: Mapping[str, Any]) -> dict[str, float]:
        """The weights of the terms that the figure is made of; none for an unweighted figure."""
        losses, _, name = self.key.rpartition("/")  # test/gen, total
        prefix = losses.replace("test/", "weight/") + "/"
        weights = {key.removeprefix(prefix): w for key, w in record.items() if key.startswith(prefix)}
        return {
            term: weight
            for term, weight in weights.items()
            if name == f"{term}_weighted" or (name == "total" and f"{losses}/{term}" in record)
        }


class Checkpoints:
    """Saves a run into its folder `checkpoints`, and restores it.

    Kept are the last two (`step-00001234.safetensors`), those after the epochs of `keep_epochs`
    (`epoch-0010.safetensors`) and the one after the best epoch by the rule `Best` (`best.safetensors`).
    """

    def __init__(
        self,
        folder: Path,
        config: Config,
        data: Mapping[str, Any],
        found: Found | None = None,
        ranks: Ranks = ALONE,
        background: Background | None = None,
    ):
        """config: resolved. data: facts that identify the images. found: the checkpoint to resume from.

        ranks: the run's processes, of which the first reads and writes. background: the thread that writes,
        after its earlier calls; None to write at once.
        """
        self.folder = folder
        self._setting = {
            "format": FORMAT,
            "config": config.to_dict(),
            "data": dict(data),
            "plugins": [each.note() for each in plugins_of(config)],
        }
        self._every = config.save_every or WITHIN_AN_EPOCH
        self._thinned = config.save_every is None and config.epochs > FEW_EPOCHS
        self._epochs = config.epochs
        self._budget = Budget()
        self._keep_epochs = config.keep_epochs or ()
        self._best = Best.parse(config.keep_best) if config.keep_best else None
        self._found = found
        self._ranks = ranks
        self._background = background
        self._writing: Future[None] | None = None
        self._saved_at = (found.step if found else 0, time.monotonic())

    def restore(
        self, players: Players, optims: Mapping[str, PlayerOptimiser], records: list[dict[str, Any]]
    ) -> Progress:
        """Restore players and optimisers in all processes; returns the position in training.

        records: of the finished epochs.
        """
        facts = self._ranks.from_first(self._found and self._found.facts)
        self._ranks.copy_first(players.state_dict().values())
        if facts is None:
            return Progress()
        tensors = self._ranks.tensors_from_first(self._found.tensors if self._found else {})
        for path in self._found.damaged if self._found else ():  # its name must be free for the next one
            path.replace(path.with_suffix(".damaged"))
        if self._found is not None:
            self._found.tensors.clear()  # no longer needed, and large
        players.load_state_dict({name: value for name, value in tensors.items() if "/" not in name})
        for player, optim in optims.items():
            prefix = f"optim/{player}/"
            optim.load({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})
        progress = Progress(**facts["progress"], records=records)
        if facts["meter"]:
            device = next(players.parameters()).device
            sums, counts = (self._own(tensors[f"meter/{name}"]) for name in ("sums", "counts"))
            values = zip(sums.to(device), counts.tolist(), strict=True)
            # a checkpoint from before weighted values were metered has no units
            progress.meter.load(dict(zip(facts["meter"], values, strict=True)), facts.get("meter_units", {}))
        return progress

    def is_due(self, step: int) -> bool:
        """True if a checkpoint within the epoch is due. Raises: the error of the one before."""
        if self._background is not None:
            self._background.raise_error()
        saved_step, saved_s = self._saved_at
        return self._every.is_over(step - saved_step, time.monotonic() - saved_s)

    def is_worth(self, progress: Progress) -> bool:
        """True if the end of an epoch is to be saved.

        In a long run, epochs may be shorter than saving. Then the epochs saved are those that there is time
        for, the last, and those to keep. Nothing is lost for good: a resumed run repeats the others
        identically.
        """
        due = not self._thinned or progress.epoch == self._epochs or self._budget.allows()
        return due or any(self._to_keep(progress))

    def save(self, progress: Progress, players: Players, optims: Mapping[str, PlayerOptimiser]) -> None:
        """Write the state of the run; all processes take part.

        Raises: OSError when this checkpoint or the one before cannot be written; existing files are intact.
        """
        with self._budget.spend():
            self._save(progress, players, optims)

    def _save(self, progress: Progress, players: Players, optims: Mapping[str, PlayerOptimiser]) -> None:
        self._saved_at = (progress.step, time.monotonic())
        tensors = dict(players.state_dict())
        for player, optim in optims.items():
            tensors |= {f"optim/{player}/{key}": value for key, value in optim.state().items()}
        meter = progress.meter.state()
        if meter:
            sums, counts = zip(*meter.values(), strict=True)
            tensors["meter/sums"] = self._ranks.gather(torch.stack(sums))
            tensors["meter/counts"] = self._ranks.gather(torch.tensor(counts))
        if not self._ranks.first:
            return
        stands = {name: getattr(progress, name) for name in ("epoch", "batch", "step", "seconds", "floor")}
        facts = self._setting | {
            "progress": stands,
            "meter": list(meter),
            "meter_units": progress.meter.units,
        }
        # the one to resume from comes last: it shows that all else is written
        paths = [*self._to_keep(progress), self.folder / f"step-{progress.step:08}{ENDING}"]
        if self._background is None:
            self._write(paths, tensors, facts)
            return
        if self._writing is not None:
            self._writing.result()  # at most one copy of the networks at a time
        copies = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        self._writing = self._background.do(self._write, paths, copies, facts)

    def _write(self, paths: list[Path], tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        write(paths[0], tensors, facts)
        for path in paths[1:]:
            link_or_copy(paths[0], path)
        for path in _following(self.folder)[:-KEPT]:
            path.unlink(missing_ok=True)

    def _to_keep(self, progress: Progress) -> Iterator[Path]:
        """Paths for the end of an epoch that is to be kept, in addition to the step-* file."""
        epoch_ended = progress.batch == 0
        if epoch_ended and progress.epoch in self._keep_epochs:
            yield after_epoch(self.folder, progress.epoch)
        if epoch_ended and progress.records and self._best and self._best.is_last(progress.records):
            yield self.folder / f"{BEST}{ENDING}"

    def _own(self, rows: Tensor) -> Tensor:
        """This rank's saved row of sums; if the number of ranks has changed, rank 0 takes the sum."""
        if len(rows) == self._ranks.size:
            return rows[self._ranks.rank]
        return rows.sum(0) if self._ranks.first else torch.zeros_like(rows[0])
