"""Writes an ablation as a sweep of Weights & Biases, whose agents can run it on any machine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from vaegan.ablation.metrics import OF_RUNS, known_metrics
from vaegan.ablation.spec import Spec
from vaegan.cli.again import IN_A_CHECKOUT, PACKAGE, shown
from vaegan.files import write_whole


def write_sweep(path: Path, spec: Spec, files: Mapping[str, Path], project: str) -> None:
    """Write `sweep.yaml`: every arm's file with every seed. files: of each arm's options, by its label.

    An agent starts `python -m vaegan train --config=FILE --seed=N` in the folder that the files' paths begin
    in.
    Source: docs.wandb.ai, "Sweep configuration options".
    """
    tracked = [name for name in spec.metrics if name not in OF_RUNS]  # those are worked out for the table
    first = next((name for name in tracked if known_metrics()[name].better), None)
    module = [] if IN_A_CHECKOUT else ["-m"]
    sweep: dict[str, Any] = {
        "name": spec.name,
        "project": project,
        "program": shown(PACKAGE) if IN_A_CHECKOUT else "vaegan",
        "method": "grid",
        "command": ["${env}", "${interpreter}", *module, "${program}", "train", "${args}"],
        "parameters": {
            "config": {"values": [str(file) for file in files.values()]},
            "seed": {"values": list(spec.seeds)},
            "wandb-group": {"value": spec.name},
        },
    }
    if first:
        goal = "maximize" if known_metrics()[first].better == "higher" else "minimize"
        name = first if first.startswith(("test/", "train/")) else f"eval/{first}"
        sweep["metric"] = {"name": name, "goal": goal}
    text = yaml.safe_dump(sweep, sort_keys=False)
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
