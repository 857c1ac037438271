"""What a report is made from: the files of a run's folder."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vaegan.config.paths import KEY
from vaegan.errors import UserError


@dataclass(frozen=True)
class RunFiles:
    """A run's files as they were read. evaluation: None where the run has not been evaluated."""

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    records: list[dict[str, Any]]
    evaluation: dict[str, Any] | None

    @property
    def name(self) -> str:
        return self.folder.resolve().name


def read_run(folder: Path, evaluated: Path | None = None) -> RunFiles:
    """The files of the run in that folder. Raises: UserError for a folder that is no run's.

    evaluated: the folder of its evaluation.json, where that is another one.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    missing = [each for each in ("config.yaml", "environment.json") if not (folder / each).is_file()]
    if missing:
        raise UserError(f"{folder}: not a run's folder: it has no {' and no '.join(missing)}")
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        if not isinstance(config, dict):
            raise UserError(f"{folder / 'config.yaml'}: holds no options; put back those of the run")
        config.pop(KEY, None)  # where things lay is no option
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        file = (evaluated or folder) / "evaluation.json"
        evaluation = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
        return RunFiles(folder, config, environment, read_records(folder), evaluation)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{folder}: one of its files is damaged: {' '.join(str(error).split())}") from None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """The epochs' records in a run's metrics.jsonl; a line that is not finished yet is none."""
    path = folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")[:-1] if path.is_file() else []
    return [json.loads(line) for line in lines]
