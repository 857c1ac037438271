"""Feature networks, whose outputs represent images when distributions are compared."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import OptionError, did_you_mean
from vaegan.evals.classifier import Say
from vaegan.evals.material import Material
from vaegan.nets.blocks import features_of
from vaegan.nets.pretrained import check_pretrained, frozen_network, has_efficientnet
from vaegan.pixels import from_uint8
from vaegan.seeds import seed_for, seed_torch
from vaegan.training.portions import Portions

ASKED = ("auto", "classifier", "inception", "inception:FILE", "efficientnet", "timm:NAME", "random")
EFFICIENTNET_SIDE = 96
INCEPTION_SIDE = 299
INCEPTION_DIM = 2048
INCEPTION = "timm:inception_v3"  # the same network where a loss uses it
IMAGENET_CLASSES = 1000  # outputs of torchvision's Inception
ORIGINAL_CLASSES = 1008  # outputs of the Inception that FID was defined with
RANDOM_DIM = 64  # small, so that some hundreds of images are enough for a covariance
BATCH = 64


class FeatureNetwork(Protocol):
    """Turns images into features.

    name: for a protocol. kind: "random", as in the key of its section. short: for titles. remark: a note on
    its figures, or "". pretrained: its name in `vaegan.nets.pretrained`, by which losses use it; or "".
    """

    name: str
    kind: str
    short: str
    pretrained: str
    dim: int
    is_inception: bool
    remark: str

    def features(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 [N, dim] on the CPU."""


@dataclass(frozen=True)
class ColourNetwork:
    """A feature network for colour images. apply: uint8 [B, 3, H, W] on the device -> [B, dim]."""

    name: str
    kind: str
    short: str
    dim: int
    apply: Callable[[Tensor], Tensor]
    device: torch.device
    remark: str = ""
    pretrained: str = ""

    @property
    def is_inception(self) -> bool:
        return self.kind == "inception"

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 [N, dim] on the CPU; grey images are converted to colour."""

        def of_some(batch: Tensor) -> Tensor:
            return self.apply(batch.to(self.device).expand(-1, 3, -1, -1)).float().cpu()

        return torch.cat(list(Portions(BATCH).of(of_some, images)))


def find_features(
    asked: str, material: Material, classifier: FeatureNetwork | None, say: Say
) -> dict[str, FeatureNetwork]:
    """The requested networks by the sections of their figures: "distances", then "distances_efficientnet".

    asked: of `ASKED`, separated by commas. auto: the classifier if there are labels, else Inception if
    torchvision's weights have already been downloaded, else EfficientNet if its package is installed, else
    the random network. classifier: of the labels, if there are any. say: called with the name of each
    network, except for the classifier, which has already been reported.
    Raises: OptionError for a name that is none of these, a file that holds no Inception, weights that cannot
    be loaded, and a classifier without labels.
    """
    found: dict[str, FeatureNetwork] = {}
    for name in check_features(asked):
        network = _find(name, material, classifier, say)
        if network is not classifier:
            say(f"features: {network.name}")
        if network.name in [each.name for each in found.values()]:
            continue  # `auto` may be one of the others
        found[f"distances_{network.kind}" if found else "distances"] = network
    return found


def check_features(asked: str) -> list[str]:
    """The requested names, checked as far as possible without images.

    Raises: OptionError for an invalid one, and for two after the first that would share a section.
    """
    names = [name.strip() for name in asked.split(",")]
    for name in names:
        kind, _, argument = name.partition(":")
        if (kind == "timm" and argument) or name == "efficientnet":
            check_pretrained("features", name)
        elif kind == "inception" and argument:
            if not Path(argument).expanduser().is_file():
                raise OptionError("features", f"{argument}: No such file or directory")
        elif name not in ("auto", "classifier", "inception", "random"):
            known = f"{did_you_mean(name, ASKED)}Known: {', '.join(ASKED)}."
            raise OptionError("features", f"no such feature network; {known}")
    kinds = [name.partition(":")[0] for name in names[1:]]
    if twice := next((kind for kind in kinds if kinds.count(kind) > 1), None):
        raise OptionError(
            "features", f"two of the networks after the first are of the kind {twice}; name one"
        )
    return names


def takes_classifier(asked: str) -> bool:
    """True if one of the requested networks is, or may be, the classifier of the labels."""
    return not {"auto", "classifier"}.isdisjoint(check_features(asked))


def _find(name: str, material: Material, classifier: FeatureNetwork | None, say: Say) -> FeatureNetwork:
    """The network of that name, or the one that `auto` takes."""
    if name in ("auto", "classifier"):
        if classifier is not None:
            return classifier
        if name == "classifier":
            raise OptionError("features", "this data set has no labels that a classifier could learn")
        name = "efficientnet" if has_efficientnet() else "random"
        if _downloaded().is_file():
            try:
                return _torchvisions_inception(material.device)
            except OptionError as error:
                say(f"features: {error.problem}")
    kind, _, argument = name.partition(":")
    device = material.device
    if name == "inception":
        return _torchvisions_inception(device)
    if name == "random":
        return _random(material.originals.shape[-1], device)
    if kind == "inception":
        return _inception_from(Path(argument).expanduser(), device)
    return _pretrained(name, device)


def _random(size: int, device: torch.device) -> FeatureNetwork:
    """ResNet-18 with random weights, always the same ones.

    Untrained features favour no kind of images. In evaluation mode its batch norms do nothing. timm's
    default would start its residual branches at zero, so that it would only be a few layers deep.
    Source: Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models (arXiv 2002.09797),
    section 5, whose random network is a VGG-16.
    """
    import timm

    with torch.random.fork_rng(devices=[]):
        seed_torch(seed_for(0, "random features"), torch.device("cpu"))
        net = timm.create_model("resnet18", num_classes=RANDOM_DIM, zero_init_last=False)
    side = 32 if size <= 32 else 64  # it halves five times; the larger, the slower
    name = f"ResNet-18 with random weights, {RANDOM_DIM} outputs, at {side} pixels"
    remark = "untrained features: figures compare only with others of this same network and image size"
    return _network(name, "random", "random ResNet-18", net, side, device, remark)


def _pretrained(name: str, device: torch.device) -> FeatureNetwork:
    """EfficientNet or a timm network, pretrained; its features are the input of its classifier."""
    network = frozen_network(name)
    kind, _, backbone = name.partition(":")
    network.side = EFFICIENTNET_SIDE if kind == "efficientnet" else network.trained_side
    network = network.to(device, memory_format=torch.channels_last)
    title = f"{network.title}, at {network.side} pixels" if kind == "efficientnet" else network.title
    return ColourNetwork(
        title,
        kind,
        backbone or "EfficientNet-Lite0",
        network.dim,
        lambda images: network.pooled(from_uint8(images)),
        device,
        pretrained=name,
    )


def _network(
    name: str,
    kind: str,
    short: str,
    net: nn.Module,
    side: int,
    device: torch.device,
    remark: str,
    pretrained: str = "",
) -> ColourNetwork:
    """A network for colour images `side` pixels wide, in [-1, 1]. Others: see FeatureNetwork."""
    net = net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    half = torch.tensor([0.5] * 3, device=device)[:, None, None]
    (dim,) = features_of(net, (3, side, side))

    def apply(images: Tensor) -> Tensor:
        return net((_resized(images, side) - half) / half)

    return ColourNetwork(name, kind, short, dim, apply, device, remark=remark, pretrained=pretrained)


def _resized(images: Tensor, side: int) -> Tensor:
    """uint8 [B, C, H, W] -> [B, C, side, side] in [0, 1], bilinear and anti-aliased."""
    x = from_uint8(images)
    if x.shape[-1] == side:
        return x
    return F.interpolate(x, size=(side, side), mode="bilinear", antialias=True)


def _downloaded() -> Path:
    """The path of Inception's weights once torchvision has downloaded them."""
    from torchvision.models import Inception_V3_Weights

    file = Inception_V3_Weights.IMAGENET1K_V1.url.rpartition("/")[2]
    return Path(torch.hub.get_dir()) / "checkpoints" / file


def _torchvisions_inception(device: torch.device) -> FeatureNetwork:
    """Inception with torchvision's weights, downloaded if necessary."""
    from torchvision.models import Inception_V3_Weights

    try:
        state = Inception_V3_Weights.IMAGENET1K_V1.get_state_dict(
            progress=False, check_hash=True, weights_only=True
        )
    except Exception as error:  # an existing file may be damaged in any way
        reason = str(error).splitlines()[0]
        problem = f"no Inception weights from torchvision ({reason}); name a file with inception:FILE"
        raise OptionError("features", problem) from error
    return _torchvision_network(state, "torchvision IMAGENET1K_V1", device)


def _inception_from(path: Path, device: torch.device) -> FeatureNetwork:
    """Inception with the weights in a file: torchvision's, or those that FID was defined with."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # runs no code from the file
    except OSError as error:
        raise OptionError("features", f"{path}: {error.strerror or error}") from None
    except Exception as error:  # a damaged file raises many kinds of errors
        raise OptionError("features", f"{path}: not a file of weights that can be read") from error
    outputs = state.get("fc.bias") if isinstance(state, Mapping) else None
    n_classes = len(outputs) if isinstance(outputs, Tensor) and outputs.ndim == 1 else 0
    try:
        if n_classes == ORIGINAL_CLASSES:
            return _original_network(state, path.name, device)
        if n_classes == IMAGENET_CLASSES:
            return _torchvision_network(state, f"torchvision's, weights of {path.name}", device)
    except RuntimeError as error:  # from load_state_dict
        raise OptionError("features", f"{path}: these are not Inception-v3's weights") from error
    problem = f"{path}: neither torchvision's inception_v3 nor the Inception of FID (as pytorch-fid has it)"
    raise OptionError("features", problem)


def _torchvision_network(state: Mapping[str, Tensor], whose: str, device: torch.device) -> FeatureNetwork:
    from torchvision.models import inception_v3

    net = inception_v3(weights=None, init_weights=False, transform_input=False)
    net.load_state_dict(state)
    net.fc = nn.Identity()
    return _network(
        f"Inception-v3, {whose}",
        "inception",
        "Inception-v3",
        net,
        INCEPTION_SIDE,
        device,
        "figures from the original FID weights differ from those with torchvision's",
        pretrained=INCEPTION,
    )


def _original_network(state: Mapping[str, Tensor], file: str, device: torch.device) -> FeatureNetwork:
    """The Inception that FID was defined with, from torch-fidelity; it resizes the images itself."""
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
    except ImportError:
        problem = f"{file} holds FID's original weights; their network needs the package torch-fidelity"
        raise OptionError("features", problem) from None
    # its own way to load weights can run code from the file, so it is given the loaded weights
    checked = io.BytesIO()
    torch.save(dict(state), checked)
    checked.seek(0)
    net = FeatureExtractorInceptionV3("inception", [str(INCEPTION_DIM)], checked).to(device)
    name = f"Inception-v3, FID's original form, weights of {file}"
    return ColourNetwork(
        name,
        "inception",
        "Inception-v3",
        INCEPTION_DIM,
        lambda images: net(images)[0],
        device,
        pretrained=INCEPTION,
    )
