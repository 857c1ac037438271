"""All commands: `python -m vaegan COMMAND`, each a module of `vaegan.commands`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    if not __package__:  # `python path/to/vaegan COMMAND`, which works without an installation
        sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from vaegan.training.signals import end_at_ctrl_c

    end_at_ctrl_c()  # before the imports that take seconds

import argparse
import ast
import contextlib
import importlib
import importlib.util
import os
import pkgutil
from types import ModuleType

import vaegan.commands
from vaegan.cli.parser import Parser, print_any_text
from vaegan.errors import OptionError, UserError, did_you_mean, flag
from vaegan.failures import in_a_line, out_of_memory
from vaegan.training.signals import heed_ctrl_c


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status: 2 for a user's mistake, else the command's, or 0."""
    print_any_text()
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0 if arguments else 2
    typed = argparse.Namespace()
    try:
        command = find(arguments[0])
        prog = f"python -m vaegan {arguments[0]}"
        if hasattr(command, "main"):  # a program with a command line of its own
            return command.main(arguments[1:], prog)
        parser = Parser(prog=prog, description=command.__doc__)
        command.add_arguments(parser)
        typed = parser.parse(arguments[1:])
        heed_ctrl_c()
        status = command.run(typed) or 0
        sys.stdout.flush()  # which may fail, too
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


def drop_output() -> None:
    """Give up what standard output cannot take, as on a full disk: Python would try again at its exit."""
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
    return importlib.import_module(f"vaegan.commands.{name.replace('-', '_')}")


def overview() -> str:
    """The commands, each with the first line of its help."""
    lines = [f"  {name:16}{summary(name)}" for name in names()]
    return "\n".join(["usage: python -m vaegan COMMAND ...  (COMMAND --help says more)", "", *lines])


def summary(name: str) -> str:
    """The first line of a command's help, read from its file: importing them all would take seconds."""
    module = importlib.util.find_spec(f"vaegan.commands.{name.replace('-', '_')}")
    return ast.get_docstring(ast.parse(Path(module.origin).read_bytes())).splitlines()[0]


def explained(error: OptionError, typed: argparse.Namespace) -> str:
    """The error behind the flag and its value as they were typed."""
    value = getattr(typed, error.option, None)
    return str(error) if value is None else f"{flag(error.option)} {value}: {error.problem}"


if __name__ == "__main__":
    status = main()
    if "WORLD_SIZE" in os.environ:  # one of the processes that train a run together
        from vaegan.parallel import leave

        leave(status)
    sys.exit(status)
