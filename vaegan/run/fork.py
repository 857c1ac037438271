"""Forks a run: a new one starts after the solo epochs of another."""

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from vaegan.config.build import build_players, build_schedule
from vaegan.config.paths import config_text
from vaegan.config.schema import Config
from vaegan.files import new_folder, write_text
from vaegan.run.layout import RunPaths
from vaegan.run.reading import read_records
from vaegan.run.trained import image_shape_of
from vaegan.run.warm_start import find_start
from vaegan.training.checkpoint import Checkpoints, Progress, read
from vaegan.training.loop import mean_weights, setting_record
from vaegan.training.optim import LearningRates
from vaegan.training.step import Step


def fork_run(checkpoint: Path, config: Config, folder: Path) -> None:
    """Make the folder of a run that `--resume` continues after another run's solo epochs.

    checkpoint: written after those epochs, by a run with the same solo epochs. config: the new run's.
    The VAE, its optimiser and the records are the other run's. The discriminator is new, with the weights it
    would have in a run of its own: on a CPU the forked run ends with the same bits as that run.
    Raises: DamagedCheckpoint and OSError for a checkpoint that cannot be read.
    """
    tensors, facts = read(checkpoint)
    leader = RunPaths.of_checkpoint(checkpoint)
    image_shape = image_shape_of(checkpoint, facts)
    config = config.model_copy(update={"precision": facts["config"]["precision"]})
    # no download of pretrained weights that are replaced at once
    players = build_players(config.model_copy(update={"pretrained": None}), image_shape)
    start = find_start(config, image_shape)
    if start is not None:  # D's initial weights may be another run's
        start.load(players)
    players.load_state_dict(
        players.state_dict()
        | {name: value for name, value in tensors.items() if "/" not in name and not _of_disc(name)}
    )
    play = Step(config, players)
    for name in ("gen", "memory"):
        prefix = f"optim/{name}/"
        of_name = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        play.saved[name].load(of_name)
    stands = facts["progress"]
    steps = facts["data"].get("batches an epoch", 1)
    rates = LearningRates(play.optims, config, steps)
    records = []
    for record in read_records(leader.folder)[: stands["epoch"]]:
        rates.set((record["epoch"] + 1) * steps)
        records.append(_as_ours(record, play, config, steps))
    progress = Progress(stands["epoch"], 0, stands["step"], floor=stands["floor"], records=records)
    with new_folder(folder, None) as unfinished:
        paths = RunPaths(unfinished)
        paths.checkpoints.mkdir()
        Checkpoints(paths.checkpoints, config, facts["data"]).save(progress, players, play.saved)
        write_text(paths.metrics, "".join(f"{json.dumps(record)}\n" for record in records))
        write_text(paths.config, config_text(config))
        origin = {"run": leader.folder.name, "epochs": stands["epoch"]}
        if start is not None:
            origin["init_from"] = start.note()
        write_text(paths.fork, json.dumps(origin) + "\n")
        _copy_samples(leader, paths, stands["epoch"])


def _of_disc(name: str) -> bool:
    return name.startswith("disc.")


def _as_ours(record: dict[str, Any], play: Step, config: Config, steps_per_epoch: int) -> dict[str, Any]:
    """An epoch's record of the other run with this run's weights and learning rates."""
    phase = build_schedule(config).at(record["epoch"], steps_per_epoch=steps_per_epoch)
    # a weight that follows from gradients is a number where the other run had it, in its record
    means = {key.replace("weight/", "") + "_weight": value for key, value in record.items()}
    setting = setting_record(play, mean_weights(phase.weights, means), phase.noise)
    ours: dict[str, Any] = {}
    for key, value in record.items():
        if key.startswith(("weight/", "lr/")):
            ours |= setting  # where the first of them stands
        else:
            ours[key] = value
    return ours


def _copy_samples(leader: RunPaths, run: RunPaths, epochs: int) -> None:
    run.samples.mkdir(parents=True)
    for epoch in range(1, epochs + 1):
        with contextlib.suppress(FileNotFoundError):  # not drawn in every epoch
            shutil.copyfile(leader.samples_after(epoch), run.samples_after(epoch))
