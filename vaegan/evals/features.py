"""Feature networks, whose outputs represent images when distributions are compared."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import OptionError, did_you_mean
from vaegan.evals.classifier import Say
from vaegan.evals.material import Material
from vaegan.nets.blocks import features_of
from vaegan.pixels import from_uint8
from vaegan.seeds import seed_for, seed_torch
from vaegan.training.portions import Portions

ASKED = ("auto", "classifier", "inception", "inception:FILE", "timm:NAME", "random")
INCEPTION_SIDE = 299
INCEPTION_DIM = 2048
IMAGENET_CLASSES = 1000  # outputs of torchvision's Inception
ORIGINAL_CLASSES = 1008  # outputs of the Inception that FID was defined with
RANDOM_DIM = 64  # small, so that some hundreds of images are enough for a covariance
BATCH = 64


class FeatureNetwork(Protocol):
    """Turns images into features. name: for a protocol; remark: a note on its figures, or ""."""

    name: str
    dim: int
    is_inception: bool
    remark: str

    def features(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 [N, dim] on the CPU."""


@dataclass(frozen=True)
class ColourNetwork:
    """A feature network for colour images. apply: uint8 [B, 3, H, W] on the device -> [B, dim]."""

    name: str
    dim: int
    apply: Callable[[Tensor], Tensor]
    device: torch.device
    is_inception: bool = False
    remark: str = ""

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """uint8 [N, C, H, W] -> float32 [N, dim] on the CPU; grey images are converted to colour."""

        def of_some(batch: Tensor) -> Tensor:
            return self.apply(batch.to(self.device).expand(-1, 3, -1, -1)).float().cpu()

        return torch.cat(list(Portions(BATCH).of(of_some, images)))


def find_features(
    asked: str, material: Material, classifier: FeatureNetwork | None, say: Say
) -> FeatureNetwork:
    """The requested network, one of `ASKED`.

    auto: the classifier if there are labels, else Inception if torchvision's weights have already been
    downloaded, else the random network. classifier: of the labels, if there are any. say: called with the
    name of the network, except for the classifier, which has already been reported.
    Raises: OptionError for a name that is none of these, a file that holds no Inception, weights that cannot
    be loaded, and a classifier without labels.
    """
    check_features(asked)
    if asked in ("auto", "classifier"):
        if classifier is not None:
            return classifier
        if asked == "classifier":
            raise OptionError("features", "this data set has no labels that a classifier could learn")
        asked = "random"
        if _downloaded().is_file():
            try:
                return _told(_torchvisions_inception(material.device), say)
            except OptionError as error:
                say(f"features: {error.problem}")
    kind, _, argument = asked.partition(":")
    device = material.device
    if asked == "inception":
        network = _torchvisions_inception(device)
    elif asked == "random":
        network = _random(material.originals.shape[-1], device)
    elif kind == "inception":
        network = _inception_from(Path(argument).expanduser(), device)
    else:
        network = _timm(argument, device)
    return _told(network, say)


def check_features(asked: str) -> None:
    """Checks a name as far as possible without images. Raises: OptionError for an invalid one."""
    kind, _, argument = asked.partition(":")
    known = ("auto", "classifier", "inception", "random")
    if asked not in known and not (kind in ("inception", "timm") and argument):
        hint = did_you_mean(asked, ASKED)
        raise OptionError("features", f"no such feature network; {hint}Known: {', '.join(ASKED)}.")
    if kind == "timm":
        _check_timm(argument)
    if kind == "inception" and argument and not Path(argument).expanduser().is_file():
        raise OptionError("features", f"{argument}: No such file or directory")


def _check_timm(name: str) -> None:
    """Raises: OptionError for a network that timm does not know."""
    import timm

    if not timm.is_model(name):
        hint = did_you_mean(name, timm.list_models())
        raise OptionError("features", f'timm has no network "{name}"; {hint}timm.list_models() lists all')


def _told(network: FeatureNetwork, say: Say) -> FeatureNetwork:
    say(f"features: {network.name}")
    return network


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
    return _network(name, net, side, [0.5] * 3, [0.5] * 3, device, remark=remark)


def _timm(name: str, device: torch.device) -> FeatureNetwork:
    """A timm network with pretrained weights; its features are the input of its classifier."""
    import timm

    try:
        net = timm.create_model(name, pretrained=True, num_classes=0)
    except (OSError, RuntimeError) as error:
        problem = f"no pretrained weights for {name}: {str(error).splitlines()[0]}"
        raise OptionError("features", problem) from error
    data = timm.data.resolve_model_data_config(net)
    return _network(
        f"{name} (timm, pretrained)", net, data["input_size"][-1], data["mean"], data["std"], device
    )


def _network(
    name: str,
    net: nn.Module,
    side: int,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    device: torch.device,
    **more: Any,
) -> ColourNetwork:
    """A network for colour images `side` pixels wide, normalised per channel by mean and deviation."""
    net = net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
    shift, scale = (torch.tensor(each, device=device)[:, None, None] for each in (mean, std))
    (dim,) = features_of(net, (3, side, side))
    return ColourNetwork(
        name, dim, lambda images: net((_resized(images, side) - shift) / scale), device, **more
    )


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
        net,
        INCEPTION_SIDE,
        [0.5] * 3,
        [0.5] * 3,
        device,
        is_inception=True,
        remark="figures from the original FID weights differ from those with torchvision's",
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
    return ColourNetwork(name, INCEPTION_DIM, lambda images: net(images)[0], device, is_inception=True)
