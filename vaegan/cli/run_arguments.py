"""The arguments that the commands working on a trained run share."""

import argparse
from pathlib import Path

from vaegan.errors import UserError
from vaegan.files import check_writable
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
    trained = open_run(arguments.run, device, arguments.checkpoint)
    for remark in trained.remarks:
        print(remark)
    return trained


def check_run_folder(folder: Path) -> None:
    """Raises: UserError for a run that there is no right or no room to add to, in a command with --out."""
    try:
        check_writable(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder}: cannot be written ({reason}); name another folder with --out") from None
