"""Sorts existing runs into the arms of a table."""

from collections.abc import Sequence
from pathlib import Path

from vaegan.ablation.table import ArmRuns
from vaegan.cli import again
from vaegan.errors import UserError
from vaegan.report.comparison import differing_options, labelled
from vaegan.run.reading import RunFiles, read_run


def arms_of(folders: Sequence[Path]) -> list[ArmRuns]:
    """The runs by arm, in the given order. Runs that differ only in their seed belong to one arm.

    Raises: UserError for a folder that is not an evaluated run, and for two runs that do not differ.
    """
    runs = [read_run(folder) for folder in folders]
    for run in runs:
        if run.evaluation is None:
            raise UserError(f"{run.folder}: not evaluated yet; run {again.command('evaluate', run.folder)}")
    options = [key for key in differing_options(runs) if key != "seed"]
    arms: dict[str, dict[int, RunFiles]] = {}
    for run in runs:
        key = repr([run.config.get(option) for option in options])
        seed = run.config["seed"]
        if seed in arms.setdefault(key, {}):
            raise UserError(
                f"{run.folder}: the same options and seed as {arms[key][seed].folder}; name only one of them"
            )
        arms[key][seed] = run
    firsts = [next(iter(arm.values())) for arm in arms.values()]
    return [
        ArmRuns(label, arm)
        for (label, _), arm in zip(labelled(firsts, without=("seed",)), arms.values(), strict=True)
    ]
