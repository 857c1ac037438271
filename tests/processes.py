"""Runs in separate processes, which can be killed at any time; and the results of a run."""

import atexit
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import torch
import yaml
from tiny_runs import plain

import train_vaegan
import vaegan.run.folder
import vaegan.training.loop
from vaegan.files import TEMPORARY
from vaegan.training.checkpoint import read
from vaegan.training.step import Step

PATIENCE = 120  # seconds that a process may take
TINY = "--latent-dim 2 --image-size 16 --batch-size 256 --save-every 3 --evaluate false"  # 6 steps an epoch
HYBRID = (
    f"{TINY} --vae dense --hidden-dim 8 --disc dense --disc-hidden-dim 4 --solo-epochs 1 --epochs 3 "
    "--augment hflip --instance-noise 0.1 --diffaug colour,translation --ema 0.9 --disc-steps 2 "
    "--lr-schedule cosine --warmup-epochs 1 --pbp gaussian --keep-epochs 1,2 --keep-best test/gen/pbp"
)
GAN = (
    f"{TINY} --gan dense --hidden-dim 8 --disc dense --disc-hidden-dim 8 --adv wgan-gp --disc-steps 2 "
    "--epochs 3 --penalty-every 2 --keep-best test/gen/diversity:max"
)
CONV = (
    f"{TINY} --vae conv --base-channels 2 --disc conv --disc-base-channels 2 --solo-epochs 1 --epochs 3 "
    "--disc-warmup-epochs 1 --lecam 0.3 --gates 1,0.1 --adv hinge --spectral-norm --ema 0.9 "
    "--max-disc-loss 0 --lr exp(0.001,0.0001,100%) --beta linear(0,1,100%) --disc-weight linear(0,10,9st)"
)
STEERED = (
    f"{TINY} --vae conv --base-channels 2 --disc small_conv --disc-base-channels 2 --solo-epochs 1 "
    "--epochs 3 --disc-weight share(linear(0,0.3,50%)) --feature-matching share(0.2) --r1 0.3 "
    "--perceptual-weight 0.1 --perceptual-network random --fakes both --adv-to decoder"
)

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["pytest", "processes"])
_started: list[Any] = []


@atexit.register
def _end_all() -> None:
    """Those that a failed test has left would else be waited for."""
    for process in _started:
        process.kill()


def start(arguments: Iterable[str], log: Path, prepare: Callable[[], None] | None = None) -> Any:
    """A process of `train_vaegan.py` that prints into `log`; its `exitcode` is the exit status.

    prepare: called in it first, a function of a module. Imports are paid for once for all processes.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))  # the server would not see it else
    try:
        forkserver.ensure_running()
    finally:
        os.environ.pop("PYTHONPATH") if before is None else os.environ.update(PYTHONPATH=before)
    process = _processes.Process(target=_main, args=(plain([*arguments]), log, prepare), daemon=True)
    process.start()
    _started.append(process)
    return process


def _main(arguments: list[str], log: Path, prepare: Callable[[], None] | None) -> None:
    printed = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(printed, 1)
    os.dup2(printed, 2)
    torch.set_num_threads(1)
    vaegan.run.folder.save_curves = plain_curves
    if prepare is not None:
        prepare()
    sys.exit(train_vaegan.main(arguments))


def plain_curves(path: Path, records: list[dict[str, Any]], draws: Any) -> None:
    """The curves of `save_curves` as text, since drawing takes longer than everything else."""
    text = json.dumps([without_timings(records), draws])
    vaegan.run.folder.write_whole(path, lambda temporary: temporary.write_text(text))


def ended(process: Any) -> int:
    """The exit status of a process, when it has ended by itself; minus the signal's number if by one."""
    process.join(PATIENCE)
    assert process.exitcode is not None, "it hangs"
    return process.exitcode


def wait_for(text: str, log: Path) -> None:
    """Until the process has printed that."""
    end = time.monotonic() + PATIENCE
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.005)


def killed_after(seconds: float, process: Any) -> bool:
    """True if the process still existed when it was killed."""
    process.join(seconds)
    if process.exitcode is not None:
        return False
    process.kill()
    process.join()
    return True


def die(*_: Any, **__: Any) -> None:
    """SIGKILL to this very process."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at_operation(number: int, part: str = "") -> None:
    """From now on the process is killed as it is about to change files for that time, from 1.

    part: of the path; other files are not counted. Of a checkpoint, half has then been written.
    """
    count = 0

    def about_to_change(path: Any) -> bool:
        nonlocal count
        name = os.readlink(f"/proc/self/fd/{path}") if isinstance(path, int) else os.fspath(path)
        count += part in str(name)
        return count == number and part in str(name)

    def wrap(owner: Any, name: str) -> None:
        change = getattr(owner, name)

        def changed(path, *more, **named):
            if about_to_change(path):
                die()
            return change(path, *more, **named)

        setattr(owner, name, changed)

    write_bytes = Path.write_bytes

    def half_written(path: Path, content: bytes) -> int:
        if about_to_change(path):
            write_bytes(path, content[: len(content) // 2])
            die()
        return write_bytes(path, content)

    Path.write_bytes = half_written
    for name in ("fsync", "replace", "link", "unlink"):
        wrap(os, name)


def hold_at_step(number: int, until: Path) -> None:
    """Before that step, from 0, a process says so, and waits until there is that file."""

    def hold(now: int) -> None:
        if now == number:
            print("waiting before the step", flush=True)
            while not until.exists():
                time.sleep(0.005)

    Step.__call__ = preceded(Step.__call__, hold)


def preceded(play: Callable[..., None], do: Callable[[int], None]) -> Callable[..., None]:
    """`Step.__call__` with something done before it. do: is given the step's number, from 0."""

    def changed(self, images, whole, phase, step, *more):
        do(step)
        play(self, images, whole, phase, step, *more)

    return changed


def without_timings(records: Iterable[dict[str, Any]]) -> list[list[tuple[str, Any]]]:
    """Records, with the order of their keys."""
    return [
        [(key, value) for key, value in record.items() if not key.startswith(("time/", "memory/"))]
        for record in records
    ]


def outcome(folder: Path) -> dict[str, Any]:
    """All that must not depend on how often a run was interrupted, nor on where its folder is."""
    found: dict[str, Any] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if path.suffix == ".safetensors":
            tensors, facts = read(path)
            facts["progress"].pop("seconds")
            facts["config"].pop("runs_dir")
            found[f"{name}: facts"] = facts
            for key, value in tensors.items():
                found[f"{name}: {key}"] = (value.dtype, value.shape, value.numpy().tobytes())
        elif name == "metrics.jsonl":
            found[name] = without_timings(map(json.loads, path.read_text().splitlines()))
        elif name == "config.yaml":
            found[name] = yaml.safe_load(path.read_text()) | {"runs_dir": None}
        else:
            found[name] = "there" if name == "environment.json" else path.read_bytes()
    return found


def differences(folder: Path, expected: dict[str, Any]) -> list[str]:
    """The differences to another run's outcome."""
    found = outcome(folder)
    return sorted(key for key in found.keys() | expected.keys() if found.get(key) != expected.get(key))


def unfinished(folder: Path) -> list[str]:
    """The temporary files of writers that never came to their end."""
    return sorted(
        str(p.relative_to(folder)) for p in folder.rglob(".*") if TEMPORARY.fullmatch(p.name) and p.is_file()
    )


def go_on(folder: Path, flags: str, log: Path, prepare: Callable[[], None] | None = None) -> Any:
    """A process that goes on with a run, or makes it when there is nothing to go on with."""
    if (folder / "config.yaml").exists():
        return start(["--resume", str(folder)], log, prepare)
    shutil.rmtree(folder, ignore_errors=True)  # made, but without the file that makes it a run
    return start([*flags.split(), "--runs-dir", str(folder.parent), "--run-name", folder.name], log, prepare)


def where(folder: Path, log: Path, before: Iterable[str] = ()) -> str:
    """The stage of a process when it was killed. before: files that were unfinished at its start."""
    if names := {*unfinished(folder)} - {*before}:
        return "writing a checkpoint" if any("checkpoints/" in name for name in names) else "writing a file"
    return "training" if "held-out images, " in log.read_text() else "starting"


def kill_at_random(
    folder: Path, flags: str, kills: int, longest: float, rng: random.Random, log: Path
) -> list[str]:
    """Make a run, killed so often, each time after up to so many seconds; returns where that was.

    A run that comes to its end before so many kills is made once more.
    """
    fell: list[str] = []
    while len(fell) < kills:
        before = unfinished(folder)
        process = go_on(folder, flags, log)
        if killed_after(rng.uniform(0, longest), process):
            fell.append(where(folder, log, before))
        else:
            assert process.exitcode == 0, log.read_text()
            shutil.rmtree(folder)
    assert ended(go_on(folder, flags, log)) == 0, log.read_text()
    return fell
