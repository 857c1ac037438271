"""Runs that exist, sorted into the arms of a table."""

from collections.abc import Sequence
from pathlib import Path

from vaegan.ablation.table import ArmRuns
from vaegan.cli import again
from vaegan.errors import UserError
from vaegan.report.comparison import differing_options, labelled
from vaegan.run.reading import RunFiles, read_run


def arms_of(folders: Sequence[Path]) -> list[ArmRuns]:
    """The runs by arm: those that differ in their seed alone are one. In the order in which they were named.

    Raises: UserError for a folder that is no evaluated run's, and for two runs that differ in nothing.
    """
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        if run.evaluation is None:
            raise UserError(f"{run.folder}: not evaluated; {again.command('evaluate', run.folder)} does it")
    options = [key for key in differing_options(runs) if key != "seed"]
    arms: dict[str, dict[int, RunFiles]] = {}
    for run in runs:
        key = repr([run.config.get(option) for option in options])
        seed = run.config["seed"]
        if seed in arms.setdefault(key, {}):
            raise UserError(f"{run.folder}: the same options and seed as {arms[key][seed].folder}; name one")
        arms[key][seed] = run
    firsts = [next(iter(arm.values())) for arm in arms.values()]
    return [
        ArmRuns(label, arm)
        for (label, _), arm in zip(labelled(firsts, without=("seed",)), arms.values(), strict=True)
    ]
