"""List published configs, which `train --config NAME` and `ablate NAME` find, and presets."""

import argparse
from itertools import groupby
from pathlib import Path

from vaegan.config import presets
from vaegan.config.published import FOLDER, PRESETS, names


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare no arguments."""


def run(arguments: argparse.Namespace) -> None:
    """Print name, kind and first line of each published config, by its folder, and those of presets."""
    width = max(map(len, names())) + 2
    for group, members in groupby(names(), key=lambda name: str(Path(name).parent)):
        print(f"{group}/")
        for name in members:
            comment = heading(FOLDER / f"{name}.yaml")
            print(f"  {name:{width}}{kind(comment):10}{comment[0]}")
        print()
    print("--preset, options for a learned loss below those of a config and of flags:")
    for name in presets.names():
        print(f"  {name:{width}}{'preset':10}{heading(PRESETS / f'{name}.yaml')[0]}")


def heading(file: Path) -> list[str]:
    """The lines of the comment at the file's beginning; one empty line if there is none."""
    lines = []
    for line in file.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return lines or [""]


def kind(comment: list[str]) -> str:
    """The kind of file, from the command in its comment: a run, an ablation, or a base of other files."""
    command = next((line for line in comment if line.startswith("Command:")), "")
    return "ablation" if " ablate " in command else "run" if command else "base"
