"""The folder of an ablation: its table, and the facts from which it was made."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vaegan.ablation.plan import options_of
from vaegan.config.schema import Config
from vaegan.config.used_plugins import plugins_of
from vaegan.config.yaml_files import PLUGINS
from vaegan.errors import OptionError
from vaegan.files import check_writable, write_whole
from vaegan.run.tracker_notes import tracker_notes, with_tracker_note


class Folder:
    """Keeps the facts of an ablation that must not change between starts.

    notes: `made_from`, `equal_time`, `wandb_id`.
    path: of the folder, which is created by the first `note`, or by `write_arms`.
    """

    def __init__(self, path: Path):
        """Raises: OptionError for a folder with other contents, and for one whose facts are damaged."""
        self.path = path
        self._file = path / "ablation.json"
        self.notes: dict[str, Any] = {}
        if self._file.is_file():
            try:
                self.notes = json.loads(self._file.read_text(encoding="utf-8"))
            except ValueError:
                raise OptionError("out", f"{self._file} is damaged; name a new folder") from None
        elif path.is_file() or (path.is_dir() and any(path.iterdir())):
            raise OptionError("out", f"{path} has other contents; name a new folder")

    def check(self, made_from: str) -> None:
        """Raises: OptionError for a folder that holds the table of another ablation."""
        before = self.notes.get("made_from", made_from)
        if before != made_from:
            raise OptionError(
                "out", f"{self.path} holds the table of {before}; name another folder with --out"
            )

    def check_room(self, runs_dir: Path) -> None:
        """Raises: OptionError without the right or the disk space to write the table, or runs."""
        for option, path in (("out", self.path), ("runs_dir", runs_dir)):
            try:
                check_writable(path)
            except OSError as error:
                raise OptionError(option, f"cannot write into {path} ({error.strerror or error})") from None

    def note(self, **facts: Any) -> None:
        """Saves these facts, in addition to those saved before."""
        self.notes |= facts
        text = json.dumps(self.notes, indent=2) + "\n"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            write_whole(self._file, lambda path: path.write_text(text, encoding="utf-8"))
        except OSError as error:
            raise OptionError("out", f"cannot write into {self.path} ({error.strerror})") from None

    def tracker_notes(self) -> dict[str, Any]:
        """The facts that each tracker kept of the table, by the tracker's name."""
        return tracker_notes(self.notes)

    def note_tracker(self, name: str, kept: Any) -> None:
        """Keep what a tracker needs to show a later table in the same place."""
        self.note(**with_tracker_note(self.notes, name, kept))

    def write_arms(self, configs: Mapping[str, Config]) -> dict[str, Path]:
        """Writes a file of options for each arm, for `--config`. Returns the files by the arms' labels."""
        arms = self.path / "arms"
        arms.mkdir(parents=True, exist_ok=True)
        files = {}
        for number, (label, config) in enumerate(configs.items(), start=1):
            name = re.sub(r"[^a-z0-9.]+", "_", label.lower()).strip("_")[:60]
            files[label] = arms / f"{number:02}_{name}.yaml"
            write_options(files[label], config, label)
        for file in set(arms.glob("*.yaml")) - set(files.values()):  # of an earlier version of the ablation
            file.unlink()
        return files


def write_options(path: Path, config: Config, title: str) -> None:
    """Writes a config as a file for `--config`, for any seed. title: its first line."""
    own = [each.origin for each in plugins_of(config) if not each.installed]
    values = options_of(config) | ({PLUGINS: own} if own else {})
    text = f"# {title}\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
