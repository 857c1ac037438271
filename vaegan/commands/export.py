"""Write a run's networks as weights and programs that load without this package.

The programs map uint8 images to uint8 images, or to and from latents, in batches of any size: encode,
decode, reconstruct, discriminate, each for torch.export, ONNX and TorchScript. The weights are plain state
dictionaries. A README.md and an example.py in the same folder show how to load each.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from vaegan.cli.run_arguments import add_out_argument, add_run_arguments, open_typed_run
from vaegan.errors import UserError, did_you_mean
from vaegan.export.guide import example, readme
from vaegan.export.programs import FORMATS, export, programs, saved, state_dicts
from vaegan.files import free_name, new_folder
from vaegan.progress import with_progress
from vaegan.run.layout import RunPaths
from vaegan.run.trained import Trained, weights_of

WEIGHTS = "pth"
KNOWN = (WEIGHTS, *FORMATS)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_run_arguments(parser)
    add_out_argument(parser, "exports in the run's folder")
    parser.add_argument(
        "--format",
        type=_formats,
        metavar="NAMES",
        help=f"formats, separated by commas: {', '.join(KNOWN)} (default: all that can be made here)",
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a run that cannot be read, OptionError for an invalid folder or format."""
    trained = open_typed_run(arguments)
    # set for the error messages about it
    arguments.out = arguments.out or Path(free_name(str(RunPaths(arguments.run).exports), ""))
    wanted = arguments.format or KNOWN
    with new_folder(arguments.out) as unfinished:
        jobs = [job for job in _jobs(trained) if job[0] in wanted]
        files, left_out = [], []
        for name, file, content in with_progress(jobs, len(jobs), "exporting"):
            try:
                (unfinished / file).write_bytes(content())
                files.append(file)
            except UserError as error:
                if arguments.format:
                    raise UserError(f"--format {name}: {error}") from None
                left_out.append(f"left out  {file}: {error}")
        (unfinished / "README.md").write_text(readme(trained, files), encoding="utf-8")
        (unfinished / "example.py").write_text(example(trained), encoding="utf-8")
    print("\n".join([f"weights   {weights_of(trained)}", f"exported  {', '.join(files)}", *left_out]))
    print(f"folder    {arguments.out}; README.md and example.py there show how to load each")


def _jobs(trained: Trained) -> list[tuple[str, str, Callable[[], bytes]]]:
    """Each file that can be requested: its format, its name, and a function that makes its content."""
    players = trained.players
    jobs = [
        (WEIGHTS, f"{name}.pth", partial(saved, weights)) for name, weights in state_dicts(players).items()
    ]
    found = programs(players, trained.image_shape)
    for name, format in FORMATS.items():
        jobs += [(name, program.name + format.ending, partial(export, program, name)) for program in found]
    return jobs


def _formats(given: str) -> list[str]:
    """Argument type of --format. Raises: UserError for an unknown name."""
    names = [name.strip() for name in given.split(",")]
    for name in names:
        if name not in KNOWN:
            hint = did_you_mean(name, KNOWN)
            raise UserError(f"--format {given}: {name!r} is unknown; {hint}Known: {', '.join(KNOWN)}.")
    return names
