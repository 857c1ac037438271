"""A run's networks as weights and as programs that work without this package: uint8 images in and out."""

import copy
import importlib.util
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from vaegan.errors import UserError
from vaegan.nets.blocks import without_spectral_norm
from vaegan.nets.players import Players, image_logits
from vaegan.pixels import PixelRange, output_activation, to_model_range, to_unit_range

BATCHES = (2, 1, 3)  # the first is not 1, because torch.export would take 1 as fixed


class Encode(nn.Module):
    """images, uint8 [B, C, H, W] -> the posterior's mu and logvar, each [B, latent_dim]."""

    def __init__(self, encoder: nn.Module, pixel_range: PixelRange):
        super().__init__()
        self.encoder = encoder
        self.pixel_range: PixelRange = pixel_range

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(to_model_range(images, self.pixel_range))


class Decode(nn.Module):
    """z [B, latent_dim] -> images, uint8 [B, C, H, W]."""

    def __init__(self, decoder: nn.Module, pixel_range: PixelRange):
        super().__init__()
        self.decoder = decoder
        self.pixel_range: PixelRange = pixel_range

    def forward(self, z: Tensor) -> Tensor:
        x = output_activation(self.decoder(z), self.pixel_range)
        return to_unit_range(x, self.pixel_range).mul(255).round().to(torch.uint8)


class Reconstruct(nn.Module):
    """images, uint8 [B, C, H, W] -> images decoded from the posterior's mean, uint8 [B, C, H, W]."""

    def __init__(self, encode: Encode, decode: Decode):
        super().__init__()
        self.encode = encode
        self.decode = decode

    def forward(self, images: Tensor) -> Tensor:
        mu, _ = self.encode(images)
        return self.decode(mu)


class Discriminate(nn.Module):
    """images, uint8 [B, C, H, W] -> logits [B]; above 0 means "an original". Of a map, its mean."""

    def __init__(self, disc: nn.Module, pixel_range: PixelRange):
        super().__init__()
        self.disc = disc
        self.pixel_range: PixelRange = pixel_range

    def forward(self, images: Tensor) -> Tensor:
        return image_logits(self.disc(to_model_range(images, self.pixel_range)))


class _OfImages(nn.Module):
    """A traced program of images that refuses other inputs, as the other formats do by themselves.

    It is scripted, because a trace drops conditions: traced for uint8 images, it would divide floats by 255
    as well.
    """

    def __init__(self, traced: nn.Module, example: Tensor):
        super().__init__()
        self.traced = traced
        self.shape: list[int] = list(example.shape[1:])
        self.expected = f"images: expected uint8 [B, {', '.join(map(str, self.shape))}], from 0 to 255"

    def forward(self, images: Tensor):  # TorchScript infers the return type
        if images.dtype != torch.uint8:
            raise ValueError(self.expected + ", given another type")
        if images.dim() != 4 or list(images.shape[1:]) != self.shape:
            raise ValueError(self.expected + ", given " + str(images.shape))
        return self.traced(images)


@dataclass
class Program:
    """A function of one batch, in evaluation mode, on the CPU and in float32.

    input, outputs: their names. examples: a batch of 2, with which the program is traced, and batches of
    other sizes, with which it is tested.
    """

    name: str
    module: nn.Module
    input: str
    outputs: tuple[str, ...]
    examples: list[Tensor]

    @cached_property
    def exported(self) -> ExportedProgram:
        """The program exported by `torch.export`, for any batch size of at least 1."""
        return torch.export.export(
            self.module, (self.examples[0],), dynamic_shapes=({0: Dim("batch", min=1)},), strict=False
        )


def programs(players: Players, image_shape: tuple[int, int, int]) -> list[Program]:
    """All programs of the networks, with averaged weights if there are any; the players are not changed."""
    pixel_range = players.pixel_range
    decode = Decode(_plain(players.trained_decoder), pixel_range)
    generator = torch.Generator().manual_seed(0)
    noise = [torch.randn(n, players.latent_dim, generator=generator) for n in BATCHES]
    images = [torch.randint(256, (n, *image_shape), generator=generator).byte() for n in BATCHES]
    found = [Program("decode", decode.eval(), "z", ("images",), noise)]
    if players.encoder is not None:
        encode = Encode(_plain(players.encoder), pixel_range)
        reconstruct = Reconstruct(encode, decode)
        found.append(Program("encode", encode.eval(), "images", ("mu", "logvar"), images))
        found.append(Program("reconstruct", reconstruct.eval(), "images", ("reconstructions",), images))
    if players.disc is not None:
        discriminate = Discriminate(_plain(players.disc), pixel_range)
        found.append(Program("discriminate", discriminate.eval(), "images", ("logits",), images))
    return found


def state_dicts(players: Players) -> dict[str, dict[str, Tensor]]:
    """The state dictionary of each network: averaged weights if there are any, spectral norm applied."""
    networks = players.networks() | {"decoder": players.trained_decoder}
    return {name: _plain(network).state_dict() for name, network in networks.items()}


def saved(weights: dict[str, Tensor]) -> bytes:
    """The bytes of a file for `torch.load`."""
    content = io.BytesIO()  # written directly to a file, a full disk would not raise an OSError
    torch.save(weights, content)
    return content.getvalue()


def as_torch_export(program: Program) -> bytes:
    """The bytes of a file for `torch.export.load`."""
    content = io.BytesIO()
    torch.export.save(program.exported, content)
    return content.getvalue()


def as_onnx(program: Program) -> bytes:
    """The bytes of a file for ONNX runtimes. Raises: UserError if the packages for ONNX are missing."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"needs {' and '.join(missing)}; pip install 'vaegan[export]'")
    made = torch.onnx.export(
        program.exported,
        dynamo=True,
        verbose=False,
        input_names=[program.input],
        output_names=list(program.outputs),
    )
    return made.model_proto.SerializeToString()


def as_torchscript(program: Program) -> bytes:
    """The bytes of a file for `torch.jit.load`. Raises: UserError for a PyTorch without TorchScript."""
    if not hasattr(torch.jit, "trace"):
        raise UserError(f"PyTorch {torch.__version__} has no TorchScript any more")
    traced = torch.jit.trace(program.module, program.examples[0], check_trace=False)
    for example in program.examples:  # otherwise the batch size of the example might stay as a constant
        torch.testing.assert_close(traced(example), program.module(example))
    made = traced if program.input != "images" else torch.jit.script(_OfImages(traced, program.examples[0]))
    content = io.BytesIO()
    torch.jit.save(made, content)
    return content.getvalue()


@dataclass(frozen=True)
class Format:
    """A file format for programs. title: its name for readers; make: creates the file's bytes."""

    title: str
    ending: str
    make: Callable[[Program], bytes]


FORMATS = {
    "torch-export": Format("torch.export", ".pt2", as_torch_export),
    "onnx": Format("ONNX", ".onnx", as_onnx),
    "torchscript": Format("TorchScript", ".torchscript.pt", as_torchscript),
}


def export(program: Program, name: str) -> bytes:
    """The program as a file of that format. Raises: UserError with the reason if that is not possible."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # exporters warn about themselves and about deprecations
            return FORMATS[name].make(program)
    except UserError:
        raise
    except Exception as error:  # exporters raise many kinds on a network that they cannot follow
        reason = next(iter(str(error).strip().splitlines()), "")
        raise UserError(f"PyTorch cannot export {program.name} ({type(error).__name__}: {reason})") from error


def _plain(network: nn.Module) -> nn.Module:
    """An export-ready CPU copy (no spectral norm, contiguous, eval mode) that computes the same."""
    plain = copy.deepcopy(without_spectral_norm(network)).cpu()
    return plain.to(memory_format=torch.contiguous_format).eval().requires_grad_(False)
