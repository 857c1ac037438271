"""LPIPS: the distance of each reconstruction from its original in the layers of a network."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import OptionError
from vaegan.evals.classifier import Say
from vaegan.evals.material import Material
from vaegan.evals.own_judge import mark_own_judge
from vaegan.evals.section import Section
from vaegan.pixels import from_uint8
from vaegan.quantities import Quantity, add_all

SMALLEST = 64  # pixels a side; LPIPS was learned on patches of this size, and AlexNet needs as many
FEW = 100  # images; a mean over fewer gets a warning
BATCH = 64

add_all(
    "perceptual",
    {
        "lpips": Quantity(
            "LPIPS",
            better="lower",
            headline=True,
            text="learned perceptual distance of reconstructions from their originals, 0 for equal images",
        )
    },
)


@dataclass(frozen=True)
class Backbone:
    """A network for LPIPS. model, weights: in torchvision. pretrained: its name in losses, or ""."""

    title: str
    model: str
    weights: str
    pretrained: str = ""


BACKBONES = {  # by their names in torchmetrics
    "alex": Backbone("AlexNet", "alexnet", "AlexNet_Weights"),
    "vgg": Backbone("VGG-16", "vgg16", "VGG16_Weights", "timm:vgg16"),
    "squeeze": Backbone("SqueezeNet 1.1", "squeezenet1_1", "SqueezeNet1_1_Weights"),
}


@dataclass(frozen=True)
class Lpips:
    """LPIPS with the weights of one backbone. name: for a protocol. pretrained: as in `Backbone`."""

    name: str
    net: nn.Module
    pretrained: str = ""


def check_lpips(asked: str | None) -> None:
    """Raises: OptionError for a name that is neither a backbone nor a file."""
    if asked is not None and asked not in BACKBONES and not Path(asked).expanduser().is_file():
        known = ", ".join(BACKBONES)
        raise OptionError("lpips", f"neither a file of weights nor one of {known} (which are downloaded)")


def find_lpips(asked: str | None, say: Say) -> Lpips | None:
    """LPIPS with the requested backbone's weights; None if there are none.

    asked: "alex", "vgg" or "squeeze", downloaded by torchvision if necessary; or a file of the weights of one
    of these. None for AlexNet, if torchvision has already downloaded it. say: called with its name.
    Raises: OptionError for weights that cannot be loaded.
    """
    check_lpips(asked)
    if asked is None:
        file = _downloaded("alex")
        if not file.is_file():
            return None
        try:
            found = _with(_read(file), f"torchvision's {file.name}")
        except OptionError as error:
            say(f"lpips: {error.problem}")
            return None
    elif asked in BACKBONES:
        found = _with(_from_torchvision(asked), "torchvision's weights")
    else:
        path = Path(asked).expanduser()
        found = _with(_read(path), f"weights of {path.name}")
    say(f"lpips: {found.name}")
    return found


def evaluate_perceptual(
    material: Material, lpips: Lpips | None, options: Mapping[str, Any] = MappingProxyType({})
) -> Section | None:
    """LPIPS of the held-out images' reconstructions; None for a GAN, and without a network.

    options: the run's, whose loss may use the same network.
    """
    if lpips is None or not material.reconstructs:
        return None
    net = lpips.net.to(material.device)
    side = material.originals.shape[-1]

    @torch.no_grad()
    def distances(originals: Tensor, reconstructions: Tensor) -> Tensor:
        pair = [_prepared(images.to(material.device)) for images in (originals, reconstructions)]
        return net(*pair, normalize=True).flatten().double().cpu()

    of_each = torch.cat(
        [
            distances(*pair)
            for pair in zip(
                material.originals.split(BATCH), material.reconstructions.split(BATCH), strict=True
            )
        ]
    )
    size = f"{side} x {side} pixels"
    if side < SMALLEST:
        size += f", enlarged to {SMALLEST} x {SMALLEST} (bilinear)"
    protocol = material.protocol(network=lpips.name, size=size, reconstructions="from the posterior's mean")
    n = len(of_each)
    warnings = [] if n >= FEW else [f"A mean over {n} images only."]
    values = {"lpips": of_each.mean().item()}
    section = Section("perceptual", "Perceptual distance", protocol, values, warnings)
    return mark_own_judge(section, lpips.pretrained, lpips.name.partition(",")[0], options)


def _prepared(images: Tensor) -> Tensor:
    """uint8 [B, C, H, W] -> [B, 3, h, w] in [0, 1], at least `SMALLEST` pixels a side."""
    x = from_uint8(images).expand(-1, 3, -1, -1)
    if x.shape[-1] < SMALLEST:
        x = F.interpolate(x, size=(SMALLEST, SMALLEST), mode="bilinear").clamp(0, 1)
    return x


def _with(state: Mapping[str, Tensor], whose: str) -> Lpips:
    """LPIPS with these weights of a torchvision network, which say themselves whose they are.

    torchmetrics has the weights of LPIPS's own layers, and only downloads those of the backbone.
    Raises: OptionError if they are of no known network.
    """
    import torchvision
    from torchmetrics.functional.image.lpips import _NoTrainLpips

    features = {key.removeprefix("features."): v for key, v in state.items() if key.startswith("features.")}
    shapes = {key: getattr(value, "shape", None) for key, value in features.items()}
    for name, backbone in BACKBONES.items():
        with torch.device("meta"):
            trunk = getattr(torchvision.models, backbone.model)(weights=None).features
        if shapes != {key: value.shape for key, value in trunk.state_dict().items()}:
            continue
        trunk.load_state_dict(features, assign=True)
        with torch.random.fork_rng(devices=[]):
            net = _NoTrainLpips(net=name, pnet_rand=True)
        for part in net.net.modules():
            if type(part) is nn.Sequential:  # its layers have the numbers that they have in the trunk
                for number, layer in part.named_children():
                    layer.load_state_dict(trunk[int(number)].state_dict())
        return Lpips(f"{backbone.title}, {whose}", net, backbone.pretrained)
    titles = ", ".join(each.model for each in BACKBONES.values())
    raise OptionError("lpips", f"{whose}: not those of one of torchvision's networks {titles}")


def _read(path: Path) -> Mapping[str, Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # runs no code from the file
    except Exception as error:  # a damaged file raises many kinds of errors
        raise OptionError("lpips", f"{path}: not a file of weights that can be read") from error
    return state if isinstance(state, Mapping) else {}


def _weights(name: str) -> Any:
    import torchvision

    return getattr(torchvision.models, BACKBONES[name].weights).DEFAULT


def _downloaded(name: str) -> Path:
    """The path of a backbone's weights once torchvision has downloaded them."""
    return Path(torch.hub.get_dir()) / "checkpoints" / _weights(name).url.rpartition("/")[2]


def _from_torchvision(name: str) -> Mapping[str, Tensor]:
    try:
        return _weights(name).get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # an existing file may be damaged in any way
        reason = str(error).splitlines()[0]
        raise OptionError("lpips", f"no weights from torchvision ({reason}); name a file of them") from error
