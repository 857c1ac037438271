"""Several processes that train one run get the same results as one process on the same batches."""

import contextlib
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import tiny_runs
import torch
import torch.nn.functional as F
import yaml
from tiny_runs import plain

import train_vaegan
from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.devices import pick_device
from vaegan.errors import OptionError, TrainingError
from vaegan.parallel import ALONE, LEAST_SHARE, Ranks, Share, join, launched_ranks, leave
from vaegan.training import precision
from vaegan.training.checkpoint import Checkpoints, last_checkpoint, newest, read
from vaegan.training.finite import FiniteCheck
from vaegan.training.loop import train
from vaegan.training.meters import Meter
from vaegan.training.step import Step

ROOT = Path(train_vaegan.__file__).parent
CPU = torch.device("cpu")
SHAPE = (3, 16, 16)  # of one channel there is but one memory layout
SMALL = {"vae": "dense", "hidden_dim": 16, "latent_dim": 3, "epochs": 2, "batch_size": 23}
PATIENCE_S = 200  # for processes that should be done long before; a hang lasts longer


# Shares


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_shares_cover_every_image_once_in_order_and_differ_by_one_at_most(size):
    for batch_size in range(1, 40):
        shares = [Ranks(rank, size).share(batch_size) for rank in range(size)]
        assert [image for share in shares for image in range(share.start, share.stop)] == list(
            range(batch_size)
        )
        lengths = [len(share) for share in shares]
        assert max(lengths) - min(lengths) <= 1
        assert sum(share.weight for share in shares) == pytest.approx(1)
        assert all(share.batch_size == batch_size for share in shares)


def test_the_mean_of_a_batch_is_the_weighted_sum_of_its_shares_means():
    values = torch.randn(23, generator=torch.Generator().manual_seed(0))
    for size in (1, 2, 3, 7):
        shares = [Ranks(rank, size).share(23) for rank in range(size)]
        total = sum(share.weight * share.of(values).mean() for share in shares)
        torch.testing.assert_close(total, values.mean())


def test_a_share_of_rows_is_cut_out_of_them():
    rows = torch.arange(10).view(5, 2)
    assert Share(1, 4, 5).of(rows).equal(rows[1:4])


@pytest.mark.parametrize("bounds", [(0, 8), (0, 3), (3, 5), (5, 8)])
def test_what_is_drawn_for_each_image_is_the_same_however_a_batch_is_shared(bounds):
    def change(x):
        return x * torch.rand(len(x), 1, 1, 1)

    share = Share(*bounds, 8)
    x = torch.rand(8, *SHAPE)
    torch.manual_seed(0)
    whole, after = change(x), torch.get_rng_state()
    torch.manual_seed(0)
    here = share.of(x).requires_grad_()
    transformed = share.transformed(change, here)
    assert transformed.equal(share.of(whole))
    assert torch.get_rng_state().equal(after)
    transformed.sum().backward()
    assert (here.grad > 0).all()


@pytest.mark.parametrize("parts", [1, 2, 3, 7, 40])
def test_parts_cover_their_share_and_none_is_a_single_image(parts):
    for length in range(2, 30):
        share = Share(5, 5 + length, 40)
        split = share.split(parts)
        images = [image for part in split for image in range(part.start, part.stop)]
        assert images == list(range(share.start, share.stop))
        assert len(split) <= parts
        lengths = [len(part) for part in split]
        assert min(lengths) >= LEAST_SHARE and max(lengths) - min(lengths) <= 1
        assert sum(part.weight for part in split) == pytest.approx(share.weight)


@pytest.mark.parametrize("size", [2, 3])
def test_all_processes_have_as_many_parts_since_synchronised_batch_norm_meets_in_each(size, monkeypatch):
    monkeypatch.setattr(Ranks, "add_up", lambda self, tensor: None)
    config = resolved(make_config({**SMALL, "accumulate": 3}), SHAPE[1])
    phase = build_schedule(config).at(0)
    players = build_players(config, SHAPE)
    passes = []
    players.encoder.register_forward_hook(lambda *_: passes.append(1))
    for batch_size in range(LEAST_SHARE * size, 24):
        numbers = set()
        for rank in range(size):
            passes.clear()
            ranks = Ranks(rank, size)
            images = ranks.share(batch_size).of(blobs(batch_size))
            Step(config, players, ranks)(images, batch_size, phase, 0, Meter(), FiniteCheck())
            numbers.add(len(passes))
        assert len(numbers) == 1, batch_size


def test_one_image_is_a_part_of_its_own():
    assert Share(0, 1, 1).split(3) == [Share(0, 1, 1)]


# Ranks


def test_alone_nothing_is_exchanged():
    tensor = torch.ones(2)
    ALONE.add_up(tensor)
    ALONE.copy_first([tensor])
    assert tensor.tolist() == [1, 1]
    assert ALONE.first and ALONE.any(True, False) == [True, False]
    assert ALONE.from_first("a") == "a" and ALONE.gather(tensor).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [({}, Ranks(0, 1)), ({"RANK": "2", "WORLD_SIZE": "3"}, Ranks(2, 3))],
)
def test_torchrun_says_which_process_this_is(monkeypatch, environment, expected):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launched_ranks() == expected


# Starting processes


class Ended(SimpleNamespace):
    """Results of processes. codes: their exit codes; out, errors: the output of each."""


def start(size, target, *arguments, folder):
    """Start target(*arguments) in so many processes that meet each other as those of torchrun do."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["test_parallel"])  # imports take seconds: once for all
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = []
    for rank in range(size):
        environment = {
            **{"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size},
            **{"MASTER_ADDR": "localhost", "MASTER_PORT": port},
        }
        printed = str(folder / f"out-{rank}"), str(folder / f"errors-{rank}")
        processes.append(
            context.Process(target=in_rank, args=(environment, printed, target, arguments), daemon=True)
        )
        # the server that they come from finds what it imports by this alone
        with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(filter(None, sys.path))):
            processes[-1].start()
    return processes


def in_rank(environment, printed, target, arguments):
    """The life of a process that was started."""
    os.environ.update({name: str(value) for name, value in environment.items()})
    for number, path in enumerate(printed, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    torch.set_num_threads(1)
    try:
        status = target(*arguments)
    except BaseException:
        traceback.print_exc()
        status = 99
    leave(status or 0)


def finished(processes, folder):
    """Wait for processes to end. Fails when they do not."""
    end = time.monotonic() + PATIENCE_S
    for process in processes:
        process.join(max(0, end - time.monotonic()))
    hanging = [rank for rank, process in enumerate(processes) if process.is_alive()]
    for process in processes:
        process.kill()
    ranks = range(len(processes))
    out, errors = ([(folder / f"{name}-{rank}").read_text() for rank in ranks] for name in ("out", "errors"))
    assert not hanging, (hanging, out, errors)
    return Ended(codes=[process.exitcode for process in processes], out=out, errors=errors)


# The same losses as of one process

DENSE = {"disc": "dense", "disc_hidden_dim": 8}
HYBRID = {**DENSE, "solo_epochs": 1}
COMBO = {**DENSE, "solo_epochs": 0}
CONV = {"vae": "conv", "hidden_dim": None, "base_channels": 4, "norm": "group"}
CONV_DISC = {"disc": "conv", "disc_base_channels": 4, "disc_norm": "group"}
GAN = {**DENSE, "vae": None, "gan": "dense"}

CASES = {
    "a VAE": {},
    "a VAE of convolutions": CONV,
    "solo, then combo": HYBRID,
    "convolutions that play": {**CONV, **CONV_DISC, "solo_epochs": 0},
    "wgan-gp, three steps of D": {**GAN, "adv": "wgan-gp", "disc_steps": 3},
    "wgan-gp of convolutions": {
        **{**CONV, "vae": None, "gan": "conv", **CONV_DISC},
        **{"adv": "wgan-gp", "disc_steps": 2},
    },
    "r1 in every second step": {**COMBO, "r1": 5, "penalty_every": 2},
    "r2 and a penalty": {**COMBO, "r2": 5, "gp": 3},
    "by share": {**COMBO, "disc_weight": "share(linear(0.1, 0.3, 50%))"},
    "hinge": {**GAN, "adv": "hinge"},
    "pairs": {**COMBO, "adv": "rpgan"},
    "instance noise": {**COMBO, "instance_noise": 0.5},
    "instance noise on convolutions": {**CONV, **CONV_DISC, "solo_epochs": 0, "instance_noise": 0.5},
    "diffaug": {**COMBO, "diffaug": "colour,translation,cutout", "r1": 1},
    "diffaug on convolutions, under noise": {
        **{**CONV, **CONV_DISC, "solo_epochs": 0, "gp": 1},
        **{"diffaug": "colour,translation,cutout", "instance_noise": 0.1},
    },
    "augment": {"augment": "hflip,vflip,rotate:20,shift,zoom,colour"},
    "gaussian": {"pbp": "gaussian"},
    "ema": {**COMBO, "ema": 0.9},
    "spectral norm": {**GAN, "spectral_norm": True},
    "weight clip": {**GAN, "adv": "wgan", "weight_clip": 0.05, "disc_steps": 2},
    "in three parts": {**COMBO, "accumulate": 3, "gp": 1, "instance_noise": 0.2},
    "the gate": {**COMBO, "max_disc_loss": 0},
    "the gates of each step": {**COMBO, "gates": "0.7,0.02"},
    "lecam": {**COMBO, "lecam": 3},
    "samples too, to the decoder": {**COMBO, "fakes": "both", "adv_to": "decoder", "gp": 1},
    "d warms up": {**DENSE, "solo_epochs": 1, "disc_warmup_epochs": 1},
    "courses over time": {
        **COMBO,
        **{"lr": "exp(1e-3, 1e-4, 100%)", "beta": "warmup(1, 2st)", "disc_weight": "linear(1, 10, 50%)"},
    },
    "cosine after a warm-up": {**COMBO, "lr_schedule": "cosine", "warmup_epochs": 1},
    "more batches, the last a small one": {"batch_size": 17},
    "one odd batch": {"batch_size": 55, "epochs": 3},
}
BATCH_NORM = {"batch norm": {**CONV, **CONV_DISC, "norm": "batch", "disc_norm": "batch", "ema": 0.9}}
CASES_AND_BATCH_NORM = CASES | BATCH_NORM
# a unit of D that is on for all images has a gradient of 0 under these, and Adam makes steps of what
# rounding leaves of it
LINEAR = ("hinge", "wgan", "wgan-gp")


class Records(tiny_runs.Records):
    """A watcher that keeps the records without times and memory, which differ from run to run."""

    def on_epoch(self, record, pictures):
        kept = {k: v for k, v in record.items() if not k.startswith(("time/", "memory/"))}
        super().on_epoch(kept, pictures)


def blobs(n, seed=0):
    """uint8 [n, 3, 16, 16], blurred blobs."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, SHAPE[0], 4, 4, generator=generator)
    return F.interpolate(coarse, size=SHAPE[1], mode="bilinear").mul(255).byte()


def trained(ranks, n=55, **options):
    """The records of a run, and what its networks have become."""
    config = resolved(make_config({**SMALL, **options}), SHAPE[1])
    players = build_players(config, SHAPE).to(memory_format=torch.channels_last)
    watcher = Records()
    train_set = Batches(blobs(n), config.batch_size, shuffle_seed=config.seed, ranks=ranks)
    test_set = Batches(blobs(30, seed=1), config.batch_size, ranks=ranks)
    train(config, players, build_schedule(config), train_set, test_set, [watcher], ranks=ranks)
    return watcher.records, {name: value.clone() for name, value in players.state_dict().items()}


def train_cases(names, path):
    """In one of several processes: train the cases, and leave what became of them beside the path."""
    ranks = launched_ranks()
    join(ranks, CPU)
    results = {}
    for name in names:
        try:
            results[name] = trained(ranks, **CASES_AND_BATCH_NORM[name])
        except BaseException:
            results[name] = traceback.format_exc()
        Path(f"{path}-{ranks.rank}").write_bytes(pickle.dumps(results))


def cases_of(size, names, folder):
    """By case: what each of so many processes came to."""
    ended = finished(start(size, train_cases, names, str(folder / "results"), folder=folder), folder)
    assert ended.codes == [0] * size, ended
    by_rank = [pickle.loads((folder / f"results-{rank}").read_bytes()) for rank in range(size)]
    return {name: [results[name] for results in by_rank] for name in names}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return cases_of(2, list(CASES_AND_BATCH_NORM), tmp_path_factory.mktemp("two"))


def assert_the_same(records, expected, rel=1e-5):
    """The records of two runs within rounding; what is near 0, like a difference of logits, absolutely."""
    assert len(records) == len(expected)
    for record, wanted in zip(records, expected, strict=True):
        assert record.keys() == wanted.keys()
        for key, value in wanted.items():
            if isinstance(value, float):
                value = pytest.approx(value, rel=rel, abs=rel / 10)
            assert record[key] == value, key


def assert_came_to_the_same(name, results):
    """Several processes' records and networks are those of one, and their networks the same to the bit."""
    expected = trained(ALONE, **CASES[name])
    for result in results:
        assert not isinstance(result, str), result
        assert_the_same(result[0], expected[0], rel=1e-4 if CASES[name].get("adv") in LINEAR else 1e-5)
        assert all(value.equal(results[0][1][name]) for name, value in result[1].items())
    # Adam moves a weight whose gradient is a rounding error by as much as any other
    off = [(value - expected[1][name]).abs().flatten() for name, value in results[0][1].items()]
    assert torch.cat(off).float().mean() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_two_processes_come_to_what_one_comes_to(name, two):
    assert_came_to_the_same(name, two[name])


@pytest.mark.slow
def test_batch_norm_on_cpus_is_measured_and_kept_as_the_first_process_has_it(two):
    (records, state), (others_records, others_state) = two["batch norm"]
    assert records == others_records
    assert all(value.equal(others_state[name]) for name, value in state.items())
    _, alone = trained(ALONE, **BATCH_NORM["batch norm"])
    (means,) = [name for name in state if name.startswith("decoder.") and name.endswith("running_mean")][:1]
    assert not torch.allclose(state[means], alone[means], rtol=1e-3)  # it saw half of each batch


def test_three_processes_come_to_what_one_comes_to(tmp_path):
    name = "diffaug on convolutions, under noise"
    assert_came_to_the_same(name, cases_of(3, [name], tmp_path)[name])


# What ranks exchange


def exchange(path):
    ranks = launched_ranks()
    join(ranks, CPU)
    found = {"first": ranks.first, "on_this_machine": ranks.on_this_machine}
    tensor = torch.tensor([1.0, 2.0]) * (ranks.rank + 1)
    ranks.add_up(tensor)
    found["add_up"] = tensor.tolist()
    found["any"] = ranks.any(ranks.rank == 1, False, True)
    found["gather"] = ranks.gather(torch.tensor([ranks.rank])).tolist()
    image = torch.full((2, 3, 4, 4), float(ranks.rank)).to(memory_format=torch.channels_last)
    number = torch.tensor(ranks.rank)
    ranks.copy_first([image, number])
    found["copy_first"] = [image.unique().tolist(), number.item()]
    found["from_first"] = ranks.from_first({"rank": ranks.rank})
    given = {"a": torch.arange(3.0).view(3, 1), "b": torch.tensor(True)} if ranks.first else {}
    found["tensors_from_first"] = {k: v.tolist() for k, v in ranks.tensors_from_first(given).items()}
    meter = Meter()
    meter.add("gen", {"pbp": torch.tensor(float(ranks.rank))}, 1 + 2 * ranks.rank)
    found["meter"] = meter.means(ranks)
    players = build_players(resolved(make_config(SMALL), SHAPE[1]), SHAPE)
    for parameter in players.parameters():
        torch.nn.init.constant_(parameter, ranks.rank)
    Checkpoints(Path(path), make_config({}), {}, ranks=ranks).restore(players, {}, [])
    found["weights at the start"] = {value.unique().item() for value in players.parameters()}
    done = Path(f"{path}-done")
    with ranks.one_on_each_machine_first():
        found["done before"] = done.exists()
        time.sleep(0.2)
        done.touch()
    precision.faster_precision = lambda *_: ("fp32", "bf16")[ranks.rank]
    config = resolved(make_config({"precision": "auto"}), 16)
    found["precision"] = precision.with_precision(
        config, SHAPE, CPU, ranks, lambda line: found.update(printed=line)
    ).precision
    Path(f"{path}-{ranks.rank}").write_bytes(pickle.dumps(found))


def test_what_processes_exchange(tmp_path):
    ended = finished(start(2, exchange, str(tmp_path / "found"), folder=tmp_path), tmp_path)
    assert ended.codes == [0, 0], ended
    first, second = (pickle.loads((tmp_path / f"found-{rank}").read_bytes()) for rank in range(2))
    assert (first.pop("first"), second.pop("first")) == (True, False)
    assert (first.pop("done before"), second.pop("done before")) == (False, True)
    assert first == second
    assert first["on_this_machine"] == 2
    assert first["add_up"] == [3, 6]
    assert first["any"] == [True, False, True]
    assert first["gather"] == [[0], [1]]
    assert first["copy_first"] == [[0.0], 0]
    assert first["from_first"] == {"rank": 0}
    assert first["tensors_from_first"] == {"a": [[0], [1], [2]], "b": True}
    assert first["meter"] == {"gen/pbp": 3 / 4}  # (0 * 1 + 1 * 3) / 4
    assert first["precision"] == "fp32"
    assert first["weights at the start"] == {0}


def lose_the_other(path):
    ranks = launched_ranks()
    join(ranks, CPU)
    ranks.any()
    if not ranks.first:
        os._exit(3)
    for exchange in (
        lambda: ranks.add_up(torch.zeros(2)),
        lambda: ranks.any(True),
        lambda: ranks.gather(torch.zeros(2)),
        lambda: ranks.copy_first([torch.zeros(2)] * 2000),  # to send is not to be received
        lambda: ranks.from_first(1),
    ):
        with contextlib.suppress(TrainingError):
            exchange()
    try:
        ranks.add_up(torch.zeros(2))
    except TrainingError as error:
        Path(path).write_text(str(error))


@pytest.mark.slow
def test_an_exchange_with_a_process_that_is_gone_says_so(tmp_path):
    ended = finished(start(2, lose_the_other, str(tmp_path / "said"), folder=tmp_path), tmp_path)
    assert ended.codes == [0, 3], ended
    said = (tmp_path / "said").read_text()
    assert said.startswith("another process of the run has ended or cannot be reached (")
    assert "\n" not in said and ".cpp" not in said


# The command


def command_line(flags, folder, dies=None):
    """In one of several processes: the command. dies: {rank: the number of the step that kills it}."""
    if dies:
        last = dies.get(launched_ranks().rank)
        play = Step.__call__

        def dying(self, images, batch_size, phase, step, *more, **options):
            if step == last:
                os.kill(os.getpid(), signal.SIGKILL)
            play(self, images, batch_size, phase, step, *more, **options)

        Step.__call__ = dying
    return train_vaegan.main([*plain(flags.split()), "--runs-dir", folder])


def in_processes(size, flags, runs, folder, dies=None):
    return finished(start(size, command_line, flags, str(runs), dies, folder=folder), folder)


TINY = "--vae dense --hidden-dim 8 --latent-dim 2 --image-size 16 --evaluate false"
TINY_HYBRID = f"{TINY} --disc dense --disc-hidden-dim 4 --solo-epochs 0 --ema 0.9"


def records_of(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in r.items() if not k.startswith(("time/", "memory/"))} for r in lines]


def assert_the_same_checkpoint(one, other):
    (tensors, facts), (expected, expected_facts) = (
        read(last_checkpoint(run / "checkpoints")) for run in (one, other)
    )
    for known in (facts, expected_facts):
        known["progress"].pop("seconds")
        known["config"].pop("runs_dir")
    assert facts == expected_facts
    assert tensors.keys() == expected.keys()
    assert [name for name, value in tensors.items() if not value.equal(expected[name])] == []


LINES = f"{TINY_HYBRID} --epochs 2 --batch-size 400 --save-every 1 --run-name run"


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run of two processes: what they left, and its folder."""
    folder = tmp_path_factory.mktemp("whole")
    ended = in_processes(2, LINES, folder / "runs", folder)
    assert ended.codes == [0, 0], ended
    return ended, folder / "runs" / "run"


@pytest.mark.slow
def test_the_first_process_alone_writes_and_prints(whole_run):
    ended, folder = whole_run
    assert ended.out[0].count("epoch 2/2") == 1
    assert "2 processes on cpu" in ended.out[0]
    assert ended.out[0].rstrip().endswith(f"Run folder: {folder}")
    assert (ended.out[1], ended.errors[1]) == ("", "")
    assert [path.name for path in folder.parent.iterdir()] == ["run"]
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2
    assert json.loads((folder / "environment.json").read_text())["processes"] == 2
    assert "batch norm" not in ended.out[0]


@pytest.mark.slow
def test_a_run_of_two_processes_records_what_a_run_of_one_does(whole_run, command, tmp_path):
    _, folder = whole_run
    status, _, errors = command(LINES)
    assert status == 0, errors
    assert_the_same(records_of(folder), records_of(tmp_path / "runs" / "run"), rel=1e-4)


@pytest.fixture(scope="module")
def killed_run(tmp_path_factory):
    """The folder of such a run whose processes were killed in the second epoch's second step."""
    folder = tmp_path_factory.mktemp("killed")
    ended = in_processes(2, LINES, folder / "runs", folder, dies={0: 5, 1: 5})
    assert ended.codes == [-signal.SIGKILL] * 2, ended
    assert newest(folder / "runs" / "run" / "checkpoints").step == 5
    return folder / "runs" / "run"


@pytest.mark.slow
def test_a_killed_run_goes_on_in_two_processes_to_the_bit(whole_run, killed_run, tmp_path):
    shutil.copytree(killed_run, tmp_path / "run")
    ended = in_processes(2, f"--resume {tmp_path / 'run'}", tmp_path / "elsewhere", tmp_path)
    assert ended.codes == [0, 0], ended
    assert "epoch 2, step 6" in ended.out[0] and ended.out[1] == ""
    assert records_of(tmp_path / "run") == records_of(whole_run[1])
    assert_the_same_checkpoint(tmp_path / "run", whole_run[1])


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 3])
def test_a_killed_run_goes_on_in_another_number_of_processes_within_rounding(
    size, whole_run, killed_run, tmp_path
):
    shutil.copytree(killed_run, tmp_path / "run")
    ended = in_processes(size, f"--resume {tmp_path / 'run'}", tmp_path / "elsewhere", tmp_path)
    assert ended.codes == [0] * size, ended
    assert_the_same(records_of(tmp_path / "run"), records_of(whole_run[1]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_process_ends_the_run_with_a_message_and_its_checkpoint_is_whole(dead, tmp_path):
    started = time.monotonic()
    ended = in_processes(2, LINES, tmp_path / "runs", tmp_path, dies={dead: 3})
    assert time.monotonic() - started < PATIENCE_S
    assert ended.codes[dead] == -signal.SIGKILL and ended.codes[1 - dead] == 1
    assert newest(tmp_path / "runs" / "run" / "checkpoints").step == 3
    if dead == 1:
        assert ended.errors[0].startswith("stopped: another process of the run has ended")
        assert ended.errors[0].count("\n") == 1
        folder = tmp_path / "runs" / "run"
        assert f"to go on: torchrun --nproc-per-node 2 train_vaegan.py --resume {folder}" in ended.out[0]


@pytest.mark.slow
def test_a_loss_that_is_not_finite_is_named_once(tmp_path):
    ended = in_processes(2, f"{TINY} --lr 1e30 --run-name run", tmp_path / "runs", tmp_path)
    assert ended.codes == [1, 1], ended
    assert re.fullmatch(r"stopped: train/gen/\w+ became (nan|inf) in epoch 1, step \d; .*\n", ended.errors[0])
    assert ended.errors[1] == ""


@pytest.mark.slow
def test_batch_norm_on_cpus_gives_a_warning_and_trains(tmp_path):
    flags = "--vae conv --base-channels 2 --latent-dim 2 --image-size 16 --epochs 1 --batch-size 700"
    ended = in_processes(
        2, f"{flags} --disc conv --disc-base-channels 2 --solo-epochs 0", tmp_path / "runs", tmp_path
    )
    assert ended.codes == [0, 0], ended
    text = " ".join(ended.out[0].split())
    assert text.count("note: without GPUs batch norm uses each process's own images only") == 1
    assert "batch norm" not in ended.out[1] + ended.errors[1]


@pytest.mark.slow
def test_bf16_in_two_parts_trains(tmp_path):
    flags = f"{TINY_HYBRID} --gp 1 --precision bf16 --accumulate 2 --epochs 1 --batch-size 700 --run-name run"
    ended = in_processes(2, flags, tmp_path / "runs", tmp_path)
    assert ended.codes == [0, 0], ended
    assert yaml.safe_load((tmp_path / "runs" / "run" / "config.yaml").read_text())["precision"] == "bf16"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--batch-size 5", "--batch-size 5: 3 processes need 2 images each"),
        ("--batch-size 11 --accumulate 2", "3 processes need 2 images each in each of 2 parts"),
        ("--batch-sise 5", "--batch-sise: unknown flag"),
    ],
)
def test_a_mistake_is_named_once_in_a_line(flags, said, tmp_path):
    ended = in_processes(3, f"{TINY} {flags}", tmp_path / "runs", tmp_path)
    assert ended.codes == [2, 2, 2]
    assert said in ended.errors[0] and ended.errors[0].count("\n") == 1
    assert ended.out == ["", "", ""] and ended.errors[1:] == ["", ""]
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_more_processes_than_gpus_are_refused_in_each_since_the_first_prints(rank, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", str(rank))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "3")
    with pytest.raises(OptionError, match="more processes than the 2 GPUs of this machine; start fewer"):
        pick_device("cuda")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    if rank < 2:
        assert pick_device("cuda") == torch.device("cuda", rank)


@pytest.mark.slow
def test_fewer_held_out_images_than_processes_are_enough(tmp_path):
    ended = finished(start(2, one_held_out, folder=tmp_path), tmp_path)
    assert ended.codes == [0, 0], ended


def one_held_out():
    """Raises: AssertionError unless a single held-out image gives what it gives alone."""
    ranks = launched_ranks()
    join(ranks, CPU)
    found = []
    for each in (ranks, ALONE):
        config = resolved(make_config({**SMALL, **COMBO, "epochs": 1}), SHAPE[1])
        players, watcher = build_players(config, SHAPE), Records()
        sets = Batches(blobs(46), 23, shuffle_seed=0, ranks=each), Batches(blobs(1), 23, ranks=each)
        train(config, players, build_schedule(config), *sets, [watcher], ranks=each)
        found.append(watcher.records)
    assert_the_same(*found)


# torchrun itself


def torchrun(flags, *, script=ROOT / "train_vaegan.py"):
    """Start the command under torchrun in two processes."""
    line = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*line, *plain(flags.split())],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    """(status, output, errors). Fails when it does not end."""
    try:
        output, errors = process.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return process.returncode, output, errors


def wait_for(condition):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)


@pytest.mark.slow
def test_sigterm_to_torchrun_saves_the_run_and_names_the_command_that_goes_on(tmp_path):
    folder = tmp_path / "run"
    flags = f"{TINY_HYBRID} --epochs 10000 --batch-size 400 --save-every 1 --figure-epochs 1"
    process = torchrun(f"{flags} --runs-dir {tmp_path} --run-name run")
    wait_for(lambda: last_checkpoint(folder / "checkpoints"))
    process.send_signal(signal.SIGTERM)
    status, output, errors = ended(process)
    assert status != 0
    assert f"to go on: torchrun --nproc-per-node 2 train_vaegan.py --resume {folder}" in " ".join(
        output.split()
    )
    assert errors.count("stopped as asked, and saved") == 1
    found = newest(folder / "checkpoints")
    assert found.damaged == {} and found.step > 0


DYING = """
import os, signal, train_vaegan
from vaegan.parallel import leave
from vaegan.training.step import Step

play = Step.__call__

def dying(self, images, batch_size, phase, step, *more, **options):
    if step == 3 and os.environ["RANK"] == "{rank}":
        os.kill(os.getpid(), signal.SIGKILL)
    play(self, images, batch_size, phase, step, *more, **options)

Step.__call__ = dying
leave(train_vaegan.main())
"""


@pytest.mark.slow
def test_a_run_under_torchrun_is_evaluated_by_its_first_process(tmp_path):
    flags = TINY.replace(" --evaluate false", " --train-images 200 --epochs 1")
    status, output, errors = ended(torchrun(f"{flags} --runs-dir {tmp_path} --run-name run"))
    assert status == 0, errors
    assert (tmp_path / "run" / "report.html").exists()
    assert output.splitlines()[-1] == f"Run folder: {tmp_path / 'run'}"


@pytest.mark.long
@pytest.mark.parametrize("rank", [0, 1])
def test_a_dead_process_ends_torchrun(rank, tmp_path):
    script = tmp_path / "dying.py"
    script.write_text(DYING.format(rank=rank))
    process = torchrun(f"{LINES} --runs-dir {tmp_path}", script=script)
    wait_for(lambda: last_checkpoint(tmp_path / "run" / "checkpoints"))
    started = time.monotonic()
    status, _, errors = ended(process)
    assert status != 0 and time.monotonic() - started < PATIENCE_S
    assert rank == 0 or errors.count("stopped: another process of the run has ended") == 1
    assert re.search(rf"rank +: {rank} ", errors)  # torchrun's own report of the first failure
    assert newest(tmp_path / "run" / "checkpoints").step == 3


@pytest.mark.long
def test_a_mistake_under_torchrun_is_named_once(tmp_path):
    status, output, errors = ended(torchrun(f"{TINY} --batch-size 3 --runs-dir {tmp_path}"))
    assert status != 0 and output == ""
    assert errors.count("--batch-size 3: 2 processes need 2 images each") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("disc", ["resnet", "timm:efficientnet_b0"])
def test_networks_whose_batch_norm_is_synchronised_are_the_same_networks(disc):
    from timm.layers import convert_sync_batchnorm

    config = resolved(make_config({"vae": "conv", "disc": disc, "base_channels": 4}), 32)
    players = build_players(config, (3, 32, 32)).eval()
    x = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        expected = players.reconstruct(x), players.discriminate(x)
        converted = convert_sync_batchnorm(players)
        assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in converted.disc.modules())
        torch.testing.assert_close((converted.reconstruct(x), converted.discriminate(x)), expected)
    assert converted.state_dict().keys() == players.state_dict().keys()
