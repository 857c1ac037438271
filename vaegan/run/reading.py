"""Reads the files of a run's folder: options, environment, records, evaluation."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vaegan.config.paths import KEY
from vaegan.errors import UserError
from vaegan.run.layout import RunPaths


@dataclass(frozen=True)
class RunFiles:
    """Contents of a run's files. evaluation: None if the run has not been evaluated."""

    folder: Path
    config: dict[str, Any]
    environment: dict[str, Any]
    records: list[dict[str, Any]]
    evaluation: dict[str, Any] | None

    @property
    def name(self) -> str:
        return self.folder.resolve().name


def read_run(folder: Path, evaluated: Path | None = None) -> RunFiles:
    """Read the files of the run in that folder. Raises: UserError for a folder that is not a run's.

    evaluated: the folder of its evaluation.json, if that is another one.
    """
    check_is_run(folder)
    try:
        return RunFiles(
            folder,
            read_options(folder),
            read_environment(folder),
            read_records(folder),
            read_evaluation(evaluated or folder),
        )
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{folder}: one of its files is damaged: {' '.join(str(error).split())}") from None


def check_is_run(folder: Path) -> None:
    """Raises: UserError for a missing folder, and for one without a run's options and environment."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    paths = RunPaths(folder)
    missing = [path.name for path in (paths.config, paths.environment) if not path.is_file()]
    if missing:
        raise UserError(f"{folder}: not a run's folder: it has no {' and no '.join(missing)}")


def read_options(folder: Path) -> dict[str, Any]:
    """Options in a run's config.yaml. Raises: UserError if it is empty, YAMLError for a damaged file."""
    file = RunPaths(folder).config
    options = yaml.safe_load(file.read_text(encoding="utf-8"))
    if not isinstance(options, dict):
        raise UserError(f"{file}: holds no options; put back those of the run")
    options.pop(KEY, None)  # stored paths are not an option
    return options


def read_environment(folder: Path) -> dict[str, Any]:
    """A run's environment.json. Raises: ValueError for a damaged file."""
    return _read_json(RunPaths(folder).environment)


def plugin_notes(folder: Path) -> list[dict[str, Any]]:
    """The plug-ins that a run was made with, or last resumed with; empty if none are recorded."""
    if not RunPaths(folder).environment.is_file():
        return []
    first = read_environment(folder)
    return [first, *first.get("resumed", [])][-1].get("plugins", [])


def read_evaluation(folder: Path) -> dict[str, Any] | None:
    """The evaluation.json in a folder; None if there is none. Raises: ValueError for a damaged file."""
    file = RunPaths(folder).evaluation
    return _read_json(file) if file.is_file() else None


def read_origin(folder: Path) -> dict[str, Any] | None:
    """Name and number of epochs of the run that this one was forked from; None for one that was not."""
    file = RunPaths(folder).fork
    return _read_json(file) if file.is_file() else None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """Records of the epochs in a run's metrics.jsonl, without an unfinished last line."""
    return [json.loads(line) for line in record_lines(folder)]


def record_lines(folder: Path) -> list[str]:
    """Finished lines of a run's metrics.jsonl."""
    file = RunPaths(folder).metrics
    return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []


def copy_report_files(folder: Path, to: Path) -> None:
    """Copy the files of a run that its report is made from, besides its evaluation."""
    theirs, ours = RunPaths(folder), RunPaths(to)
    shutil.copyfile(theirs.config, ours.config)
    shutil.copyfile(theirs.environment, ours.environment)
    if theirs.metrics.is_file():
        shutil.copyfile(theirs.metrics, ours.metrics)


def _read_json(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))
