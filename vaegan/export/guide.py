"""Documentation of exported networks: a README and an example program that loads them."""

import textwrap
from collections.abc import Sequence

import torch

from vaegan.export.programs import FORMATS
from vaegan.nets.blocks import is_batch_norm
from vaegan.run.trained import Trained, weights_of

EXAMPLE = '''\
"""Loads each file of this folder and runs it on a batch of 5; needs PyTorch, and onnxruntime for ONNX."""

from pathlib import Path

import torch

images = torch.randint(0, 256, (5, {channels}, {size}, {size}), dtype=torch.uint8)  # [B, C, H, W]
z = torch.randn(5, {latent_dim})
inputs = {{"encode": images, "reconstruct": images, "discriminate": images, "decode": z}}

for path in sorted(Path(__file__).resolve().parent.iterdir()):
    x = inputs.get(path.name.split(".")[0])
    if path.name.endswith(".pth"):
        weights = torch.load(path, weights_only=True)
        print(f"{{path.name}}: {{sum(tensor.numel() for tensor in weights.values()):,}} numbers")
        continue
    elif path.name.endswith(".pt2"):
        outputs = torch.export.load(path).module()(x)
    elif path.name.endswith(".torchscript.pt"):
        outputs = torch.jit.load(path)(x)
    elif path.name.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        outputs = session.run(None, {{session.get_inputs()[0].name: x.numpy()}})
    else:
        continue
    outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
    print(f"{{path.name}}: {{', '.join(f'{{y.dtype}} {{list(y.shape)}}' for y in outputs)}}")
'''


def example(trained: Trained) -> str:
    """example.py: a program that loads all files in its folder without this package."""
    channels, size, _ = trained.image_shape
    return EXAMPLE.format(channels=channels, size=size, latent_dim=trained.players.latent_dim)


def readme(trained: Trained, files: Sequence[str]) -> str:
    """README.md: the inputs and outputs of each file. files: their names."""
    channels, size, _ = trained.image_shape
    latent_dim = trained.players.latent_dim
    images = f"uint8 [B, {channels}, {size}, {size}]"
    of_programs = {
        "encode": (f"images, {images}", f"mu and logvar of the posterior, each float32 [B, {latent_dim}]"),
        "decode": (f"z, float32 [B, {latent_dim}]", f"images, {images}"),
        "reconstruct": (f"images, {images}", f"images decoded from mu, {images}"),
        "discriminate": (
            f"images, {images}",
            'logits, float32 [B]; above 0 means "an original"; of a D with maps of logits, their means',
        ),
    }
    rows = [
        f"| {', '.join(f'`{file}`' for file in files if file.split('.')[0] == name)} | {takes} | {gives} |"
        for name, (takes, gives) in of_programs.items()
        if any(file.split(".")[0] == name for file in files)
    ]
    return "\n\n".join(filter(None, [_origin(trained), _programs(trained, rows), _weights(files)])) + "\n"


def _origin(trained: Trained) -> str:
    text = f"Networks of the run `{trained.folder.resolve().name}`: {weights_of(trained)}. "
    text += f"Written with PyTorch {torch.__version__}. "
    text += "`python example.py` loads each file; the package that trained them is not needed."
    return "\n\n".join(["# Exported networks", textwrap.fill(text, 110)])


def _programs(trained: Trained, rows: Sequence[str]) -> str:
    """The table of programs, and notes on using them."""
    if not rows:
        return ""
    channels, size, _ = trained.image_shape
    endings = ", ".join(f"`{format.ending}` is {format.title}" for format in FORMATS.values())
    crop = trained.config.crop
    cut = "the largest square" if crop is None else f"a square of {crop} pixels (the largest, where smaller)"
    if trained.config.value_range is not None:
        cut = "values from {:g} to {:g} scaled to 0 to 255, ".format(*trained.config.value_range) + cut
    colours = "grey" if channels == 1 else "red, green, blue"
    notes = [
        f"{endings}. B, the batch size, is any number from 1 on. Everything is computed in float32. "
        "PyTorch has deprecated TorchScript in favour of torch.export.",
        f"Images hold 0 to 255 ({colours}), as in a file: {cut} out of the middle, resized to "
        f"{size} x {size}. Scaling to the networks' range and back, and rounding, are part of the programs.",
        "Samples: decode z from a standard normal distribution.",
    ]
    if trained.players.encoder is not None:
        notes.append("Draws from a posterior: z = mu + exp(logvar / 2) * noise.")
    if trained.players.disc is not None and any(map(is_batch_norm, trained.players.disc.modules())):
        notes.append(
            "discriminate normalises by the batch that it is given, as in training: a logit depends on the "
            "other images in its batch. Give it originals and fakes in separate, large batches."
        )
    table = ["| program | takes | gives |", "|---|---|---|", *rows]
    return "\n\n".join(["## Programs", "\n".join(table), *(textwrap.fill(note, 110) for note in notes)])


def _weights(files: Sequence[str]) -> str:
    """The list of state dictionaries."""
    names = [f"`{file}`" for file in files if file.endswith(".pth")]
    if not names:
        return ""
    text = f"{', '.join(names)}: plain state dictionaries, for `torch.load(path, weights_only=True)`; "
    text += "spectral norm, if any, is already applied to them."
    return "\n\n".join(["## Weights", textwrap.fill(text, 110)])
