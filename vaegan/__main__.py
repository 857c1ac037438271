"""All commands: `vaegan COMMAND` or `python -m vaegan COMMAND`, each a module of `vaegan.commands`.

Imports nothing heavy: a command's module is imported when that command is called.
"""

import argparse
import ast
import contextlib
import importlib.util
import os
import pkgutil
import sys
from pathlib import Path
from types import ModuleType
from typing import NoReturn

if __name__ == "__main__" and not __package__:  # `python path/to/vaegan COMMAND`, without an installation
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import vaegan.commands
from vaegan.cli.parser import Parser, print_any_text
from vaegan.errors import OptionError, UserError, did_you_mean, flag
from vaegan.failures import in_a_line, out_of_memory
from vaegan.training.signals import end_at_ctrl_c, heed_ctrl_c


def program(prog: str = "vaegan") -> NoReturn:
    """Run the program and exit. prog: its name, as it was started."""
    end_at_ctrl_c()  # while a command is imported, which may take seconds
    leave(main(prog=prog))


def main(argv: list[str] | None = None, prog: str = "python -m vaegan") -> int:
    """Run the command line; returns the exit status: 2 for a user's mistake, else the command's, or 0."""
    print_any_text()
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview(prog))
        return 0 if arguments else 2
    if arguments[0] == "--version":
        print(f"vaegan {version()}")
        return 0
    typed = argparse.Namespace()
    try:
        command = find(arguments[0])
        prog = f"{prog} {arguments[0]}"
        if hasattr(command, "main"):  # a program with a command line of its own
            return command.main(arguments[1:], prog)
        from vaegan.cli.plugin_flags import add_plugins_argument, import_plugins  # imports PyTorch

        import_plugins(arguments[1:])
        parser = Parser(prog=prog, description=command.__doc__)
        command.add_arguments(parser)
        add_plugins_argument(parser)
        typed = parser.parse(arguments[1:])
        heed_ctrl_c()
        status = command.run(typed) or 0
        sys.stdout.flush()  # this may fail, too
        return status
    except OptionError as error:
        print(explained(error, typed), file=sys.stderr)
        return 2
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, MemoryError, RuntimeError) as error:
        if not isinstance(error, OSError) and not out_of_memory(error):
            raise
        print(in_a_line(error), file=sys.stderr)
        drop_output()
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def leave(status: int) -> NoReturn:
    """End this process with its exit status; one of several that torchrun started, as `parallel` does."""
    if os.environ.get("WORLD_SIZE", "1") != "1":
        from vaegan import parallel  # imports PyTorch

        parallel.leave(status)
    sys.exit(status)


def drop_output() -> None:
    """Discard output that cannot be written, as on a full disk: Python would try again at exit."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def names() -> list[str]:
    """The commands as they are typed."""
    modules = pkgutil.iter_modules(vaegan.commands.__path__)
    return sorted(module.name.replace("_", "-") for module in modules if not module.ispkg)


def find(name: str) -> ModuleType:
    """The module of a command. Raises: UserError for an unknown one, with the nearest match."""
    if name not in names():
        raise UserError(f"{name}: unknown command; {did_you_mean(name, names())}Known: {', '.join(names())}.")
    return importlib.import_module(_module(name))


def overview(prog: str) -> str:
    """The commands, each with the first line of its help."""
    lines = [f"  {name:16}{_first_line(name)}" for name in names()]
    return "\n".join([f"usage: {prog} COMMAND ...  (COMMAND --help says more)", "", *lines])


def version() -> str:
    """The version of the package; in a checkout that is not installed, from its pyproject.toml."""
    import tomllib
    from importlib import metadata

    try:
        return metadata.version("vaegan")
    except metadata.PackageNotFoundError:
        project = Path(__file__).resolve().parent.parent / "pyproject.toml"
        return tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"]


def explained(error: OptionError, typed: argparse.Namespace) -> str:
    """The error with the flag and its value as typed in front."""
    value = getattr(typed, error.option, None)
    return str(error) if value is None else f"{flag(error.option)} {value}: {error.problem}"


def _module(name: str) -> str:
    return f"vaegan.commands.{name.replace('-', '_')}"


def _first_line(name: str) -> str:
    """The first line of a command's help, read from its source: importing it may take seconds."""
    source = Path(importlib.util.find_spec(_module(name)).origin).read_text(encoding="utf-8")
    return ast.get_docstring(ast.parse(source)).splitlines()[0]


if __name__ == "__main__":
    program("python -m vaegan")
