"""Commands to copy from the terminal: they work in the user's folder, with the present Python."""

import os
import shlex
import shutil
import sys
from pathlib import Path

from vaegan import plugins

PACKAGE = Path(__file__).resolve().parent.parent
PROGRAM = PACKAGE.parent / "train_vaegan.py"
IN_A_CHECKOUT = not (PACKAGE / "datasets").is_dir()  # the folder is then next to the package


def training(*arguments: object, processes: int | None = None) -> str:
    """The training command with these arguments. processes: for torchrun to start on this machine."""
    if not processes and not IN_A_CHECKOUT:
        return command("train", *arguments)
    program = [shown(PROGRAM)] if IN_A_CHECKOUT else ["-m", "vaegan", "train"]
    launcher = [*_torchrun(), "--nproc-per-node", processes] if processes else [python()]
    return _joined(*launcher, *program, *arguments, *_plugins())


def command(*arguments: object) -> str:
    """`vaegan` with these arguments if it is installed, `python -m vaegan` in a checkout."""
    if not IN_A_CHECKOUT and _is_at_hand("vaegan"):
        return _joined("vaegan", *arguments, *_plugins())
    if IN_A_CHECKOUT and Path.cwd() != PACKAGE.parent:
        return _joined(python(), shown(PACKAGE), *arguments, *_plugins())
    return _joined(python(), "-m", "vaegan", *arguments, *_plugins())


def wandb() -> str:
    """The `wandb` command, to append arguments to."""
    return "wandb" if _is_at_hand("wandb") else _joined(python(), "-m", "wandb")


def tensorboard() -> str:
    """The `tensorboard` command, to append arguments to."""
    return "tensorboard" if _is_at_hand("tensorboard") else _joined(python(), "-m", "tensorboard.main")


def python() -> str:
    """`python` if that starts the present Python, else its path."""
    found = shutil.which("python")
    same = found and os.path.realpath(found) == os.path.realpath(sys.executable)
    return "python" if same and _is_at_hand("python") else shown(Path(sys.executable or "python"))


def shown(path: Path) -> str:
    """The path relative to the working directory, if it is inside."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _plugins() -> list[str]:
    """--plugins with those of this process, which the printed command needs, too."""
    given = [each.given for each in plugins.loaded() if not each.installed]
    return ["--plugins", *given] if given else []


def _torchrun() -> list[str]:
    return ["torchrun"] if _is_at_hand("torchrun") else [python(), "-m", "torch.distributed.run"]


def _is_at_hand(program: str) -> bool:
    """True if that name calls the program that belongs to the present Python."""
    found = shutil.which(program)
    return found is not None and Path(found).absolute().parent == Path(sys.executable).absolute().parent


def _joined(*parts: object) -> str:
    return shlex.join(map(str, parts))
