"""The arguments that the commands working on a trained run share."""

import argparse
from pathlib import Path

from vaegan.config.paths import path_options
from vaegan.config.yaml_files import looked_for, read_config
from vaegan.datasets import Request, Splits, open_source
from vaegan.errors import OptionError, UserError
from vaegan.new_paths import check_room
from vaegan.run.trained import Trained, open_run


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """RUN and --checkpoint."""
    parser.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
    parser.add_argument(
        "--checkpoint",
        metavar="NAME",
        help='one of its checkpoints, such as "best" or "epoch-0010" (default: the newest)',
    )


def add_out_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """--out FOLDER, for commands that make one. default: which, in words."""
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"made by this command (default: {default})"
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """--device, for commands that can use another than the CPU."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="where the networks compute; auto takes a GPU where there is one (default: %(default)s)",
    )


def open_typed_run(arguments: argparse.Namespace) -> Trained:
    """The run that was typed; on the CPU, for a command without --device. Raises: as `open_run`."""
    device = getattr(arguments, "device", "cpu")
    return open_run(arguments.run.expanduser(), device, arguments.checkpoint)


def images_of(trained: Trained, advice: str, **typed: str | None) -> tuple[Request, Splits]:
    """What the run's images are asked for with, and the images.

    advice: for who has moved them. typed: `dataset` and `data_dir`, None where they were not.
    Raises: OptionError for what was typed; UserError that names the run's file for what stands there.
    """
    file = trained.folder / "config.yaml"
    stands = read_config(file, origin=str(file))[-1][1]
    if not stands:
        raise UserError(f"{file}: holds no options; put back those of the run")
    options = trained.config.to_dict() | {name: stands[name] for name in path_options() if name in stands}
    options |= {name: value for name, value in typed.items() if value is not None}
    request = Request.of(options)
    try:
        return request, open_source(request).load()
    except OptionError as error:
        if typed.get(error.option) is not None or error.option not in options:
            raise
        reason, _, _ = error.problem.partition(";")  # what it advises are flags of a training
        what = f"{file}: {error.option}: {options[error.option]}: {reason}"
        looked = looked_for(file, error.option) if error.option in path_options() else ""
        raise UserError("; ".join(filter(None, [what, looked, advice]))) from None


def check_run_folder(folder: Path) -> None:
    """Raises: UserError for a run that there is no right or no room to add to, in a command with --out."""
    try:
        check_room(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder}: cannot be written ({reason}); name another folder with --out") from None


def weights_of(trained: Trained) -> str:
    """Which of the run's weights were taken, in words: checkpoint, epochs, averaged or not."""
    finished = f"{trained.epochs} epoch{'' if trained.epochs == 1 else 's'}"
    return f"{trained.weights}, {finished} ({trained.checkpoint.stem})"
