"""Arguments shared by the commands that work on a trained run."""

import argparse
from pathlib import Path

from vaegan.errors import UserError
from vaegan.files import check_writable
from vaegan.run.trained import Trained, open_run


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add RUN and --checkpoint."""
    parser.add_argument("run", metavar="RUN", type=Path, help="the run's folder")
    parser.add_argument(
        "--checkpoint",
        metavar="NAME",
        help='one of its checkpoints, such as "best" or "epoch-0010" (default: the newest)',
    )


def add_out_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """Add --out FOLDER, for commands that make a folder. default: the default in words."""
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help=f"made by this command (default: {default})"
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """Add --device, for commands that can use a GPU."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda", "mps"),
        default="auto",
        help="device of the networks; auto takes a GPU if there is one (default: %(default)s)",
    )


def open_typed_run(arguments: argparse.Namespace) -> Trained:
    """The run that was typed; on the CPU, for a command without --device. Raises: as `open_run`."""
    device = getattr(arguments, "device", "cpu")
    trained = open_run(arguments.run, device, arguments.checkpoint)
    for remark in trained.remarks:
        print(remark)
    return trained


def check_run_folder(folder: Path) -> None:
    """Raises: UserError for a run folder without write permission or disk space, in a command with --out."""
    try:
        check_writable(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder}: cannot be written ({reason}); name another folder with --out") from None
