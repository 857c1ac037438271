"""export: weights and programs load in a Python without this package, with the outputs of the run."""

import io
import itertools
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from tiny_runs import DENSE, GAN, HYBRID, refused, typed
from torch import nn

from vaegan.config.build import build_players
from vaegan.config.knobs import signature_knobs
from vaegan.errors import UserError
from vaegan.export.programs import FORMATS, Program, export, programs
from vaegan.nets.blocks import forget_running_statistics
from vaegan.nets.decoders import DECODERS
from vaegan.nets.decoders.dense import DenseDecoder
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.nets.players import Players, image_logits
from vaegan.run.trained import Trained, open_run

NARROW = {"base_channels": 4, "hidden_dim": 8}
BACKBONE = "timm:lcnet_035"
SHAPE = (3, 16, 16)
LATENT_DIM = 3
BATCHES = (1, 3, 7)
TAKES = {"encode": "images", "decode": "z", "reconstruct": "images", "discriminate": "images"}
ENDINGS = (".pt2", ".onnx", ".torchscript.pt")

# runs each program of some folders on the inputs given and saves what comes out
FRESH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("vaegan", "datasets"):
            raise ImportError(name)

sys.meta_path.insert(0, Absent())
for name in ("vaegan", "datasets"):
    try:
        __import__(name)
    except ImportError:
        continue
    raise SystemExit(f"{name} can be imported")

import runpy
from pathlib import Path
import torch

takes, batches = map(eval, sys.argv[1:3])
inputs = torch.load("inputs.pt")
results = {folder: {} for folder in inputs}
for path in [path for folder in inputs for path in Path(folder).iterdir()]:
    name, folder = path.name.split(".")[0], str(path.parent)
    if path.name.endswith(".pth"):
        results[folder][path.name] = torch.load(path, weights_only=True)
        continue
    if path.name.endswith(".pt2"):
        program = torch.export.load(path).module()
    elif path.name.endswith(".torchscript.pt"):
        program = torch.jit.load(path)
    elif path.name.endswith(".onnx"):
        import onnxruntime
        session = onnxruntime.InferenceSession(path)
        program = lambda x: [torch.from_numpy(y) for y in session.run(None, {takes[name]: x.numpy()})]
    else:
        continue
    for n in batches:
        outputs = program(inputs[folder][takes[name]][:n])
        results[folder][path.name, n] = list(outputs) if isinstance(outputs, (tuple, list)) else [outputs]
torch.save(results, "results.pt")
for folder in inputs:
    runpy.run_path(f"{folder}/example.py")
"""


@pytest.fixture
def run(shared_run, tmp_path):
    """A VAE's run in the test's folder."""
    return shutil.copytree(shared_run(DENSE), tmp_path / "run")


def run_elsewhere(inputs, tmp_path) -> tuple[dict, str]:
    """The outputs of the folders' files in a fresh interpreter that cannot import this package."""
    torch.save(inputs, tmp_path / "inputs.pt")
    command = [sys.executable, "-I", "-c", FRESH, repr(TAKES), repr(BATCHES)]
    done = subprocess.run(command, cwd=tmp_path, check=True, stdout=subprocess.PIPE, text=True)
    return torch.load(tmp_path / "results.pt"), done.stdout


def by_the_players(trained: Trained, inputs, n: int) -> dict[str, list[torch.Tensor]]:
    """The same by the run's own networks, in float32."""
    players = trained.players
    players.precision = "fp32"
    low, width = {"01": (0.0, 1.0), "pm1": (-1.0, 2.0)}[players.pixel_range]
    x = inputs["images"][:n].float() / 255 * width + low

    def levels(pixels):
        return ((pixels - low) / width * 255).round()

    outputs = {"decode": [levels(players.pixels(players.decode(inputs["z"][:n])))]}
    if players.encoder is not None:
        outputs |= {"encode": list(players.encode(x)), "reconstruct": [levels(players.reconstruct(x))]}
    if players.disc is not None:
        outputs["discriminate"] = [players.discriminate(x)]
    return outputs


def random_inputs(trained: Trained) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (max(BATCHES), *trained.image_shape), generator=generator).byte()
    return {"images": images, "z": torch.randn(max(BATCHES), LATENT_DIM, generator=generator)}


@pytest.mark.slow
def test_every_file_works_without_the_package_as_the_run_does(shared_run, tmp_path, capfd):
    pytest.importorskip("onnxruntime")
    folders = [
        shutil.copytree(shared_run(flags), tmp_path / name)
        for name, flags in {"hybrid": HYBRID, "gan": GAN}.items()
    ]
    runs = [open_run(folder, "cpu") for folder in folders]
    for trained in runs:
        status, output, errors = typed(capfd, "export", trained.folder)
        assert (status, errors) == (0, "")
        assert [line.split()[0] for line in output.splitlines()] == ["weights", "exported", "folder"]
    inputs = {str(trained.folder / "exports"): random_inputs(trained) for trained in runs}
    results, example = run_elsewhere(inputs, tmp_path)
    for trained in runs:
        folder = str(trained.folder / "exports")
        assert_all_is_there(trained, results[folder], example)
        assert_programs_do_the_same(trained, results[folder], inputs[folder])
        assert_weights_do_the_same(trained, results[folder], inputs[folder])
    assert_hybrid_is_no_easy_case(runs[0], inputs[str(runs[0].folder / "exports")])


def assert_all_is_there(trained: Trained, results, example: str) -> None:
    can = {"decode", "discriminate"} | ({"encode", "reconstruct"} if trained.players.encoder else set())
    programs_there = {name + ending for name in can for ending in ENDINGS}
    weights = {f"{name}.pth" for name in trained.players.networks()}
    assert {key if isinstance(key, str) else key[0] for key in results} == programs_there | weights
    text = (trained.folder / "exports" / "README.md").read_text()
    for file in programs_there | weights:
        assert f"`{file}`" in text and f"{file}: " in example


def assert_programs_do_the_same(trained: Trained, results, inputs) -> None:
    for n in BATCHES:
        for (name, expected), ending in itertools.product(
            by_the_players(trained, inputs, n).items(), ENDINGS
        ):
            for theirs, ours in zip(results[name + ending, n], expected, strict=True):
                assert theirs.dtype == (torch.uint8 if ours.ndim == 4 else torch.float32)
                tolerance = {"atol": 1, "rtol": 0} if ours.ndim == 4 else {"atol": 1e-4, "rtol": 1e-4}
                torch.testing.assert_close(theirs.float(), ours, **tolerance)


def assert_weights_do_the_same(trained: Trained, results, inputs) -> None:
    """In networks without spectral norm and averages."""
    config = trained.config.model_copy(update={"spectral_norm": False, "precision": "fp32", "ema": None})
    plain = build_players(config, trained.image_shape).eval()
    for name, network in plain.networks().items():
        network.load_state_dict(results[f"{name}.pth"])
    expected = by_the_players(trained, inputs, 7)
    for name, outputs in by_the_players(replace(trained, players=plain), inputs, 7).items():
        for theirs, ours in zip(outputs, expected[name], strict=True):
            torch.testing.assert_close(theirs, ours, atol=1 if ours.ndim == 4 else 1e-4, rtol=1e-4)


def assert_hybrid_is_no_easy_case(trained: Trained, inputs) -> None:
    """Its averaged decoder differs from the last, its logits depend on the batch, its outputs vary."""
    outputs = by_the_players(trained, inputs, 7)
    assert outputs["decode"][0].std(0).max() > 5
    last = (torch.sigmoid(trained.players.decoder(inputs["z"])) * 255).round()
    assert (outputs["decode"][0] - last).abs().max() > 3
    alone = by_the_players(trained, inputs, 1)["discriminate"][0]
    assert (outputs["discriminate"][0][:1] - alone).abs() > 1e-2


def assert_weights_are_those(trained: Trained, weights, inputs) -> None:
    """They make plain networks that compute what the run's do."""
    config = trained.config.model_copy(update={"spectral_norm": False, "precision": "fp32", "ema": None})
    plain = build_players(config, trained.image_shape).eval()
    for name, network in plain.networks().items():
        network.load_state_dict(weights[name])
    ours = by_the_players(trained, inputs, 7)
    again = Trained(trained.folder, config, plain, trained.image_shape, trained.device, trained.checkpoint, 1)
    for name, outputs in by_the_players(again, inputs, 7).items():
        for one, other in zip(outputs, ours[name], strict=True):
            torch.testing.assert_close(one, other, atol=1 if one.ndim == 4 else 1e-5, rtol=1e-4)


def test_only_what_is_asked_for(run, tmp_path, capfd):
    out = tmp_path / "out"
    assert typed(capfd, "export", run, "--out", out, "--format", "pth,torchscript")[0] == 0
    programs_there = [f"{name}.torchscript.pt" for name in ("encode", "decode", "reconstruct")]
    expected = {"encoder.pth", "decoder.pth", *programs_there, "README.md", "example.py"}
    assert {path.name for path in out.iterdir()} == expected
    text = (out / "README.md").read_text()
    assert "| `encode.torchscript.pt` | images, uint8 [B, 1, 16, 16] | mu and logvar" in text
    assert "`discriminate" not in text and ".pt2`," not in text


@pytest.mark.slow
def test_programs_refuse_what_is_no_batch_of_the_runs_images(shared_run):
    """Floats in [0, 1] above all, which a trace would divide by 255 once more."""
    onnxruntime = pytest.importorskip("onnxruntime")
    trained = open_run(shared_run(DENSE), "cpu")
    images = random_inputs(trained)["images"]
    others = [
        *(images / 255, images.long(), images.expand(-1, 3, -1, -1)),
        *(images.repeat(1, 1, 2, 2), images[0]),
    ]
    _, encode, reconstruct = programs(trained.players, trained.image_shape)
    scripts = [torch.jit.load(io.BytesIO(export(each, "torchscript"))) for each in (encode, reconstruct)]
    session = onnxruntime.InferenceSession(export(encode, "onnx"))
    exported = torch.export.load(io.BytesIO(export(encode, "torch-export"))).module()
    for run in (*scripts, exported, lambda x: session.run(None, {"images": x.numpy()})):
        run(images)
        for other in others:
            with pytest.raises(Exception):  # noqa: B017 (each format has its own)
                run(other)
    expected = r"images: expected uint8 \[B, 1, 16, 16\], from 0 to 255, given"
    for script in scripts:
        with pytest.raises(torch.jit.Error, match=f"{expected} another type"):
            script(images=others[0])
        with pytest.raises(torch.jit.Error, match=rf"{expected} \[7, 3, 16, 16\]"):
            script(others[2])


def networks():
    for registry in (ENCODERS, DECODERS, DISCRIMINATORS):
        for name, _ in registry.entries():
            name = BACKBONE if name == "timm:NAME" else name
            yield pytest.param(registry, name, id=f"{registry.kind}-{name}")


@pytest.mark.slow
@pytest.mark.parametrize(("registry", "name"), list(networks()))
def test_every_network_can_be_followed_for_any_batch(registry, name):
    cls, leading = registry.find(name)
    knobs = {knob: value for knob, value in NARROW.items() if knob in signature_knobs(cls)}
    latent = () if registry is DISCRIMINATORS else (LATENT_DIM,)
    network = cls(*leading, SHAPE, *latent, **knobs)
    own = {ENCODERS: "encode", DECODERS: "decode", DISCRIMINATORS: "discriminate"}[registry]
    players = Players(
        network if registry is ENCODERS else None,
        network if registry is DECODERS else DenseDecoder(SHAPE, LATENT_DIM, hidden_dim=2),
        None,
        forget_running_statistics(network) if registry is DISCRIMINATORS else None,
        latent_dim=LATENT_DIM,
        pixel_range="pm1",
    ).eval()
    (program,) = [each for each in programs(players, SHAPE) if each.name == own]
    followed = program.exported.module()
    generator = torch.Generator().manual_seed(1)
    for n in BATCHES:
        if own == "decode":
            z = torch.randn(n, LATENT_DIM, generator=generator)
            pixels = (torch.tanh(players.decode(z)) + 1) / 2
            torch.testing.assert_close(followed(z).float(), (pixels * 255).round(), atol=1, rtol=0)
        else:
            images = torch.randint(0, 256, (n, *SHAPE), generator=generator).byte()
            x = images.float() / 127.5 - 1
            expected = players.encode(x) if own == "encode" else image_logits(players.discriminate(x))
            torch.testing.assert_close(followed(images), expected, atol=1e-4, rtol=1e-4)


class Looping(nn.Module):
    """Adds a batch up by a loop, whose length a trace takes for a constant; torch.export, too, refuses."""

    def forward(self, x):
        return sum(x[i] for i in range(len(x)))


@pytest.mark.parametrize("format", ["torchscript", "torch-export"])
def test_what_exporters_cannot_follow_is_one_line(format):
    looping = Program("decode", Looping(), "z", ("sum",), [torch.ones(n, 2) for n in (2, 1, 3)])
    with pytest.raises(UserError, match=r"^PyTorch cannot export decode \(.+\)$"):
        export(looping, format)


def test_without_the_extra_onnx_is_left_out(run, capfd, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    monkeypatch.setattr("vaegan.commands.export.KNOWN", ("pth", "onnx"))
    line = refused(capfd, "export", run, "--format", "onnx")
    assert line == "--format onnx: needs onnxscript; pip install 'vaegan[export]'"
    assert not (run / "exports").exists()
    status, output, _ = typed(capfd, "export", run)
    assert status == 0
    assert "left out  encode.onnx: needs onnxscript; pip install 'vaegan[export]'" in output
    assert not list((run / "exports").glob("*.onnx")) and (run / "exports" / "decoder.pth").exists()


def test_without_torchscript_one_line_says_so(monkeypatch):
    program = Program("decode", nn.Identity(), "z", ("images",), [torch.ones(2, 2)])
    assert export(program, "torchscript")
    monkeypatch.delattr(torch.jit, "trace")
    with pytest.raises(UserError, match="has no TorchScript any more"):
        export(program, "torchscript")


def test_mistakes_leave_nothing(run, tmp_path, capfd, monkeypatch):
    before = sorted(tmp_path.rglob("*"))
    line = refused(capfd, "export", run, "--format", "onxx")
    assert line == (
        "--format onxx: 'onxx' is unknown; did you mean \"onnx\"? "
        "Known: pth, torch-export, onnx, torchscript."
    )
    line = refused(capfd, "export", run, "--out", run)
    assert line == f"--out {run}: exists already; name a new or an empty folder"
    assert refused(capfd, "export", tmp_path / "gone") == f"{tmp_path / 'gone'}: no such folder"

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("vaegan.commands.export.readme", interrupted)
    assert typed(capfd, "export", run, "--format", "pth")[0] == 130
    assert sorted(tmp_path.rglob("*")) == before
    monkeypatch.undo()
    assert typed(capfd, "export", run, "--format", "pth")[0] == 0
    assert typed(capfd, "export", run, "--format", "pth")[0] == 0  # beside the first, under the next name
    assert {path.name for path in run.iterdir()} >= {"exports", "exports-2"}
    line = refused(capfd, "export", run, "--out", run / "exports")
    assert line == f"--out {run / 'exports'}: exists already; name a new or an empty folder"


def test_every_format_has_an_ending_of_its_own():
    assert sorted(format.ending for format in FORMATS.values()) == sorted(ENDINGS)
