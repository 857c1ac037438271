"""`--precision auto`: its choice, that it is saved, and that measuring changes nothing."""

import itertools
import json

import pytest
import torch
import yaml
from safetensors.torch import load_file

import train_vaegan
import vaegan.training.precision
from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.devices import bf16_is_emulated
from vaegan.parallel import ALONE
from vaegan.training.checkpoint import last_checkpoint
from vaegan.training.precision import ROUNDS, faster_precision, with_precision

CPU = torch.device("cpu")
SHAPE = (1, 16, 16)
TINY = "--vae dense --hidden-dim 8 --latent-dim 2 --image-size 16 --batch-size 400 --epochs 1"
HYBRID = f"{TINY} --disc dense --disc-hidden-dim 4 --disc-steps 2"


def small(**options):
    return resolved(make_config({"vae": "dense", "hidden_dim": 8, "batch_size": 8, **options}), SHAPE[1])


def taking(monkeypatch, fp32, bf16, first=(0.0, 0.0)):
    """Let each round of steps take so many seconds, the first ones that much longer."""
    more = itertools.chain(first, itertools.repeat(0.0))
    lengths = (length + extra for length, extra in zip(itertools.cycle((fp32, bf16)), more, strict=False))
    now = 0.0

    def clock(device):
        nonlocal now
        if clock.started:
            now += next(lengths)
        clock.started = not clock.started
        return now

    clock.started = False
    monkeypatch.setattr(vaegan.training.precision, "clock", clock)
    emulate(monkeypatch, False)


def emulate(monkeypatch, emulated):
    monkeypatch.setattr(vaegan.training.precision, "bf16_is_emulated", lambda device: emulated)


@pytest.mark.parametrize(
    ("seconds", "picked"),
    [
        ({"fp32": 2.0, "bf16": 1.0}, "bf16"),
        ({"fp32": 1.0, "bf16": 2.0}, "fp32"),
        ({"fp32": 1.0, "bf16": 1.0}, "fp32"),
        ({"fp32": 1.04, "bf16": 1.0}, "fp32"),  # not worth shorter numbers
        ({"fp32": 1.06, "bf16": 1.0}, "bf16"),
        ({"fp32": 1.0, "bf16": 2.0, "first": (99.0, 0.0)}, "fp32"),  # the first is to warm up
        ({"fp32": 2.0, "bf16": 1.0, "first": (0.0, 99.0)}, "bf16"),
        (
            {"fp32": 1.0, "bf16": 2.0, "first": (0.0, 0.0, 50.0, 0.0)},
            "fp32",
        ),  # one slow round decides nothing
    ],
    ids=str,
)
def test_the_faster_one_is_picked(monkeypatch, seconds, picked):
    taking(monkeypatch, **seconds)
    assert faster_precision(small(), SHAPE, CPU, 4) == picked


def test_emulated_bf16_is_not_even_measured(monkeypatch):
    emulate(monkeypatch, True)
    monkeypatch.setattr(vaegan.training.precision, "Step", lambda *_: pytest.fail("a step was built"))
    assert faster_precision(small(), SHAPE, CPU, 4) == "fp32"


@pytest.mark.parametrize(
    ("capabilities", "emulated"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, True),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": False}, False),
        ({"avx2": True, "avx512_bf16": True, "amx_bf16": True}, False),
        ({}, False),  # not known
    ],
)
def test_whether_a_cpu_has_bf16(monkeypatch, capabilities, emulated):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert bf16_is_emulated(CPU) is emulated
    assert bf16_is_emulated(torch.device("cuda")) is False


def test_both_are_measured_as_often_on_whole_steps_of_the_last_epoch(monkeypatch):
    taking(monkeypatch, fp32=1.0, bf16=1.0)
    steps = []

    def recording(config, players):
        def play(images, batch_size, phase, number, *_):
            steps.append((players.precision, tuple(images.shape), batch_size, phase.name, number))

        return play

    monkeypatch.setattr(vaegan.training.precision, "Step", recording)
    faster_precision(small(disc="dense", disc_steps=3, epochs=4), SHAPE, CPU, 8)
    a_round = [(p, (8, *SHAPE), 8, "combo", number) for p in ("fp32", "bf16") for number in range(3)]
    assert steps == a_round * (1 + ROUNDS)


@pytest.mark.parametrize(
    "options",
    [{}, {"disc": "dense", "gp": 1, "accumulate": 2}, {"vae": None, "gan": "dense", "disc": "dense"}],
    ids=str,
)
def test_it_measures_what_it_will_train(monkeypatch, options):
    emulate(monkeypatch, False)
    assert faster_precision(small(**options), SHAPE, CPU, 4) in ("fp32", "bf16")


def folder_of(command, tmp_path, flags, name):
    status, output, errors = command(f"{flags} --run-name {name}")
    assert status == 0, errors
    return tmp_path / "runs" / name, " ".join(output.split())


def written(folder):
    return yaml.safe_load((folder / "config.yaml").read_text())["precision"]


@pytest.mark.parametrize(("fp32", "bf16", "picked"), [(1.0, 2.0, "fp32"), (2.0, 1.0, "bf16")])
def test_a_run_writes_down_what_was_picked_and_is_the_run_of_it(
    command, tmp_path, monkeypatch, fp32, bf16, picked
):
    taking(monkeypatch, fp32=fp32, bf16=bf16)
    auto, output = folder_of(command, tmp_path, f"{HYBRID} --precision auto", "auto")
    assert output.count(f"--precision auto: {picked} is the faster one here") == 1
    assert written(auto) == picked
    given, output = folder_of(command, tmp_path, f"{HYBRID} --precision {picked}", "given")
    assert "is the faster one here" not in output
    assert (auto / "config.yaml").read_text() == (given / "config.yaml").read_text()
    tensors, expected = (load_file(last_checkpoint(run / "checkpoints")) for run in (auto, given))
    assert tensors.keys() == expected.keys()
    assert all(value.equal(expected[name]) for name, value in tensors.items())
    records = [
        [
            {k: v for k, v in json.loads(line).items() if not k.startswith(("time/", "memory/"))}
            for line in (run / "metrics.jsonl").read_text().splitlines()
        ]
        for run in (auto, given)
    ]
    assert records[0] == records[1]


def test_on_a_cpu_fp32_is_the_default_and_nothing_is_measured(command, tmp_path, monkeypatch):
    monkeypatch.setattr(
        vaegan.training.precision, "faster_precision", lambda *_: pytest.fail("it was measured")
    )
    folder, output = folder_of(command, tmp_path, TINY, "plain")
    assert written(folder) == "fp32" and "precision" not in output


def test_on_a_gpu_auto_is_the_default(monkeypatch):
    monkeypatch.setattr(vaegan.training.precision, "faster_precision", lambda *_: "bf16")
    said = []
    for asked, expected in ((None, "bf16"), ("auto", "bf16"), ("fp32", "fp32")):
        config = small(precision=asked)
        device = torch.device("cuda")
        assert with_precision(config, SHAPE, device, ALONE, said.append).precision == expected
    assert said == ["--precision auto: bf16 is the faster one here"] * 2


def test_emulated_bf16_is_used_where_it_is_asked_for_with_a_note(command, tmp_path, monkeypatch):
    emulate(monkeypatch, True)
    folder, output = folder_of(command, tmp_path, f"{TINY} --precision bf16", "asked")
    assert written(folder) == "bf16"
    assert "note: this CPU has no bf16 instructions; --precision fp32 is faster on it" in output


def test_a_run_goes_on_with_what_was_picked(command, tmp_path, monkeypatch, capsys):
    taking(monkeypatch, fp32=2.0, bf16=1.0)
    folder, _ = folder_of(command, tmp_path, f"{TINY} --precision auto", "auto")
    monkeypatch.setattr(
        vaegan.training.precision, "faster_precision", lambda *_: pytest.fail("it was measured again")
    )
    assert train_vaegan.main(["--resume", str(folder), "--epochs", "2"]) == 0, capsys.readouterr().err
    assert written(folder) == "bf16"
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 2


def test_weights_stay_fp32_under_bf16():
    players = build_players(small(precision="bf16", disc="dense"), SHAPE)
    assert {parameter.dtype for parameter in players.parameters()} == {torch.float32}
    mu, logvar = players.encode(torch.rand(2, *SHAPE))
    assert mu.dtype == logvar.dtype == players.discriminate(torch.rand(2, *SHAPE)).dtype == torch.float32
