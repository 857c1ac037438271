"""Layers that the networks share."""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vaegan.errors import OptionError

SMALLEST_MAP = 4  # pixels a side; where halving stops when no depth is given
SMALLEST_SIZED = 16  # pixels a side, of networks whose depth follows from the size


def activation(name: str) -> nn.Module:
    """The activation layer of that name; leaky ReLU has slope 0.2."""
    layers = {
        "relu": lambda: nn.ReLU(inplace=True),
        "leaky_relu": lambda: nn.LeakyReLU(0.2, inplace=True),
        "elu": nn.ELU,
        "gelu": nn.GELU,
        "silu": nn.SiLU,
        "tanh": nn.Tanh,
    }
    return layers[name]()


def norm(name: str, channels: int) -> nn.Module:
    """The normalisation layer of that name for [B, channels, H, W]; "auto" is batch."""
    if name == "none":
        return nn.Identity()
    if name == "group":
        return nn.GroupNorm(math.gcd(channels, 8), channels)
    return nn.BatchNorm2d(channels)


def halvings(size: int, depth: int | None) -> int:
    """How often a network halves images `size` pixels a side: `depth`, or down to 4 pixels.

    Raises: OptionError for a size that the halvings do not divide, since the decoder could not
    arrive at the size again.
    """
    deepest = (size & -size).bit_length() - 1  # how often 2 divides the size
    if deepest == 0:
        raise OptionError("image_size", f"{size} pixels cannot be halved; this network needs an even size")
    if depth is None:
        return max((d for d in range(1, deepest + 1) if size >> d >= SMALLEST_MAP), default=1)
    if depth > deepest:
        raise OptionError(
            "depth", f"{size} pixels cannot be halved so often; the greatest depth is {deepest}"
        )
    return depth


def halvings_to(side: int, size: int) -> int:
    """How often images `size` pixels a side are halved until maps of `side` pixels are left.

    Raises: OptionError for a size that the published networks have no depth for.
    """
    if size < SMALLEST_SIZED or size & (size - 1):
        raise OptionError(
            "image_size",
            f"{size} pixels: this network's depth follows from sizes that are powers of two, "
            f"from {SMALLEST_SIZED} on",
        )
    return (size // side).bit_length() - 1


def widths(base_channels: int, depth: int) -> list[int]:
    """Channels of each stage, from the largest map to the smallest: doubled each time, 8 times at most."""
    return [base_channels * min(2**stage, 8) for stage in range(depth)]


def conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution that keeps the map's size, or halves an even one with stride 2.

    An even kernel keeps no size at stride 1: it is made smaller by one there.
    """
    if stride == 1 and kernel_size % 2 == 0:
        kernel_size -= 1
    return nn.Conv2d(in_channels, out_channels, kernel_size, stride, (kernel_size - 1) // 2, bias=bias)


def conv_transpose(
    in_channels: int, out_channels: int, kernel_size: int, *, bias: bool = True
) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles the map's size."""
    return nn.ConvTranspose2d(
        in_channels, out_channels, kernel_size, 2, (kernel_size - 1) // 2, kernel_size % 2, bias=bias
    )


def conv_trunk(
    image_shape: tuple[int, int, int],
    base_channels: int,
    depth: int | None,
    kernel_size: int,
    activation_name: str,
    norm_name: str,
    *,
    norm_first: bool = True,
) -> tuple[list[nn.Module], int]:
    """Stages of stride-2 convolution, normalisation and activation, and how many features come out.

    norm_first: whether the first stage normalises; DCGAN's discriminator does not.
    """
    in_channels, size, _ = image_shape
    depth = halvings(size, depth)
    stages = []
    for index, out_channels in enumerate(widths(base_channels, depth)):
        name = norm_name if index > 0 or norm_first else "none"
        stages.append(
            nn.Sequential(
                conv(in_channels, out_channels, kernel_size, stride=2, bias=name == "none"),
                norm(name, out_channels),
                activation(activation_name),
            )
        )
        in_channels = out_channels
    return stages, in_channels * (size >> depth) ** 2


def doubling_stage(
    in_channels: int, out_channels: int, kernel_size: int, activation_name: str, norm_name: str
) -> nn.Module:
    """Transposed convolution to twice the size, normalisation, activation."""
    return nn.Sequential(
        conv_transpose(in_channels, out_channels, kernel_size, bias=norm_name == "none"),
        norm(norm_name, out_channels),
        activation(activation_name),
    )


def dense_layers(in_features: int, hidden_dim: int, num_layers: int, activation_name: str) -> list[nn.Module]:
    """`num_layers` linear layers of `hidden_dim` units, each with its activation."""
    layers = []
    for _ in range(num_layers):
        layers.append(nn.Sequential(nn.Linear(in_features, hidden_dim), activation(activation_name)))
        in_features = hidden_dim
    return layers


class FeatureNorm(nn.BatchNorm1d):
    """Batch norm of [B, F] that takes one image alone by its running statistics: it has no spread."""

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or len(features) > 1:
            return super().forward(features)
        statistics = (self.running_mean, self.running_var)
        return F.batch_norm(features, *statistics, self.weight, self.bias, eps=self.eps)


class GaussianHead(nn.Module):
    """The posterior's mean and log variance from features: [B, ...] -> two of [B, latent_dim]."""

    def __init__(self, in_features: int, latent_dim: int):
        super().__init__()
        self.mu = nn.Linear(in_features, latent_dim)
        self.logvar = nn.Linear(in_features, latent_dim)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = features.flatten(1)
        return self.mu(features), self.logvar(features)


class ToMap(nn.Module):
    """A linear layer from latents to the smallest map: [B, latent_dim] -> [B, channels, side, side]."""

    def __init__(self, latent_dim: int, channels: int, side: int, bias: bool = True):
        super().__init__()
        self.shape = (channels, side, side)
        self.linear = nn.Linear(latent_dim, channels * side * side, bias=bias)

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z).unflatten(1, self.shape)


class StagedDiscriminator(nn.Module):
    """A discriminator made of stages and a head, which can hand out what each stage computes."""

    def __init__(self, stages: list[nn.Module], head: nn.Module):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x [B, C, H, W] -> logits [B] and the output of each stage, first to last."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.head(x).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B]; above 0 means "an original"."""
        return self.with_features(x)[0]


def forget_running_statistics(module: nn.Module) -> nn.Module:
    """Make every batch norm inside use the batch's own statistics, in training and in evaluation.

    For discriminators: originals and fakes come in separate batches, so running means are a blend
    that fits neither, and a discriminator judged with them scores far from what it scored in training.
    """
    for layer in module.modules():
        if is_batch_norm(layer):
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return module


def is_batch_norm(layer: nn.Module) -> bool:
    """Whether the layer is a batch norm, of whatever dimension."""
    return isinstance(layer, nn.modules.batchnorm._BatchNorm)


def is_norm(layer: nn.Module) -> bool:
    """Whether the layer divides by the spread of what passes through it."""
    return is_batch_norm(layer) or isinstance(layer, (nn.GroupNorm, nn.LayerNorm))


def dcgan_init(layer: nn.Module) -> None:
    """DCGAN's initial weights: N(0, 0.02), around 1 for a normalisation's factors; biases 0.

    Source: Radford et al., Unsupervised Representation Learning with DCGANs (arXiv 1511.06434), section 4;
    the normalisation's as in the authors' code.
    """
    normalises = is_norm(layer)
    if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)) or normalises:
        if layer.weight is not None:
            nn.init.normal_(layer.weight, mean=1.0 if normalises else 0.0, std=0.02)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def with_spectral_norm(layer: nn.Module) -> None:
    """Divide the layer's weights by their largest singular value, found by power iteration, in every use.

    Source: Miyato et al., Spectral Normalization for GANs (arXiv 1802.05957), section 2.1.
    """
    if isinstance(layer, (nn.Linear, nn.Conv2d)):
        nn.utils.parametrizations.spectral_norm(layer)


def without_spectral_norm(module: nn.Module) -> nn.Module:
    """The same network with its weights as they are used; the module itself where there is nothing to do."""
    normed = [name for name, layer in module.named_modules() if parametrize.is_parametrized(layer)]
    if not normed:
        return module
    plain = copy.deepcopy(module).eval()  # in training a look at a weight is a step of the power iteration
    for name in normed:
        layer = plain.get_submodule(name)
        # the normed weight is a property of the layer's class, which the copy has in common with the original
        layer.__class__ = type(type(layer).__name__, type(layer).__bases__, dict(vars(type(layer))))
        parametrize.remove_parametrizations(plain.get_submodule(name), "weight")
    return plain


def parameter_count(module: nn.Module) -> int:
    """How many numbers training adjusts."""
    return sum(parameter.numel() for parameter in module.parameters())


def features_of(module: nn.Module, in_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The shape [C, H, W] or [C] that a module makes of one image, found by running it on zeros."""
    device = next(module.parameters()).device
    training = module.training
    with torch.no_grad():
        shape = module.eval()(torch.zeros(2, *in_shape, device=device)).shape[1:]
    module.train(training)
    return tuple(shape)
