"""Layers and helper functions that the networks share."""

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

from vaegan.errors import OptionError

SMALLEST_MAP = 4  # pixels a side; halving stops here if no depth is given
SMALLEST_SIZED = 16  # pixels a side, for networks whose depth is set by the image size


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
    """Number of times a network halves images of `size` pixels a side: `depth`, or else down to 4 pixels.

    Raises: OptionError for a size that cannot be halved so often without a remainder, since the decoder
    could not double its way back to that size.
    """
    deepest = (size & -size).bit_length() - 1  # number of times that 2 divides the size
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
    """Number of halvings from images of `size` pixels a side to maps of `side` pixels a side.

    Raises: OptionError for a size for which the published networks define no depth.
    """
    if size < SMALLEST_SIZED or size & (size - 1):
        raise OptionError(
            "image_size",
            f"{size} pixels: this network needs an image size that is a power of two, "
            f"at least {SMALLEST_SIZED}",
        )
    return (size // side).bit_length() - 1


def widths(base_channels: int, depth: int) -> list[int]:
    """Channels of each stage, from the largest map to the smallest: doubled at each stage, up to 8 times."""
    return [base_channels * min(2**stage, 8) for stage in range(depth)]


def conv(
    in_channels: int, out_channels: int, kernel_size: int, *, stride: int = 1, bias: bool = True
) -> nn.Conv2d:
    """A convolution that keeps the map's size, or halves an even size with stride 2.

    At stride 1 an even kernel cannot keep the size, so a kernel smaller by one is used.
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
    first_convolution: Callable[..., nn.Module] = conv,
) -> tuple[list[nn.Module], int]:
    """Stages of stride-2 convolution, normalisation and activation, and the number of output features.

    norm_first: True if the first stage normalises; that of DCGAN's discriminator does not. first_convolution:
    makes the layer on the image from channels in and out, kernel size, stride and bias.
    """
    in_channels, size, _ = image_shape
    depth = halvings(size, depth)
    stages = []
    for index, out_channels in enumerate(widths(base_channels, depth)):
        name = norm_name if index > 0 or norm_first else "none"
        convolution = first_convolution if index == 0 else conv
        stages.append(
            nn.Sequential(
                convolution(in_channels, out_channels, kernel_size, stride=2, bias=name == "none"),
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
    """`num_layers` linear layers of `hidden_dim` units, each followed by its activation."""
    layers = []
    for _ in range(num_layers):
        layers.append(nn.Sequential(nn.Linear(in_features, hidden_dim), activation(activation_name)))
        in_features = hidden_dim
    return layers


class FeatureNorm(nn.BatchNorm1d):
    """Batch norm of [B, F]. A batch of one image has no spread, so it uses the running statistics."""

    def forward(self, features: Tensor) -> Tensor:
        if not self.training or len(features) > 1:
            return super().forward(features)
        statistics = (self.running_mean, self.running_var)
        return F.batch_norm(features, *statistics, self.weight, self.bias, eps=self.eps)


class GaussianHead(nn.Module):
    """Maps features [B, ...] to the posterior's mean and log variance, each [B, latent_dim]."""

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
    """A discriminator made of stages and a head, which can also return the output of each stage.

    head: gives [B, 1], or a map [B, 1, h, w].
    """

    def __init__(self, stages: list[nn.Module], head: nn.Module):
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.head = head

    def with_features(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """x [B, C, H, W] -> logits [B] or [B, h, w] and the output of each stage, first to last."""
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return self.head(x).squeeze(1), features

    def forward(self, x: Tensor) -> Tensor:
        """x [B, C, H, W] -> logits [B] or [B, h, w]; above 0 means "an original"."""
        return self.with_features(x)[0]


def forget_running_statistics(module: nn.Module) -> nn.Module:
    """Makes every batch norm inside use the statistics of the batch, in training and in evaluation.

    For discriminators: originals and fakes come in separate batches, so running statistics are a mixture
    that fits neither. With them, a discriminator's logits would be far from those in training.
    """
    for layer in module.modules():
        if is_batch_norm(layer):
            layer.track_running_stats = False
            layer.running_mean = layer.running_var = layer.num_batches_tracked = None
    return module


def is_batch_norm(layer: nn.Module) -> bool:
    """True for a batch norm layer of any dimension."""
    return isinstance(layer, nn.modules.batchnorm._BatchNorm)


def is_norm(layer: nn.Module) -> bool:
    """True for a layer that divides by the spread of its input."""
    return is_batch_norm(layer) or isinstance(layer, (nn.GroupNorm, nn.LayerNorm))


def dcgan_init(layer: nn.Module) -> None:
    """DCGAN's initial weights: N(0, 0.02), or N(1, 0.02) for the scales of normalisation layers; biases 0.

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
    """Divides the layer's weights by their largest singular value at each use, found by power iteration.

    Source: Miyato et al., Spectral Normalization for GANs (arXiv 1802.05957), section 2.1.
    """
    if isinstance(layer, (nn.Linear, nn.Conv2d)):
        nn.utils.parametrizations.spectral_norm(layer)


def without_spectral_norm(module: nn.Module) -> nn.Module:
    """A copy of the network with the normalised weights stored as plain weights.

    Returns the module itself if it has no spectral norm.
    """
    normed = [name for name, layer in module.named_modules() if parametrize.is_parametrized(layer)]
    if not normed:
        return module
    plain = copy.deepcopy(module).eval()  # in training mode, reading a weight steps the power iteration
    for name in normed:
        layer = plain.get_submodule(name)
        # the normalised weight is a property of the layer's class, which the copy shares with the original
        layer.__class__ = type(type(layer).__name__, type(layer).__bases__, dict(vars(type(layer))))
        parametrize.remove_parametrizations(plain.get_submodule(name), "weight")
    return plain


def parameter_count(module: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in module.parameters())


def features_of(module: nn.Module, in_shape: tuple[int, int, int]) -> tuple[int, ...]:
    """The shape [C, H, W] or [C] of a module's output for one image, found by running it on zeros."""
    device = next(module.parameters()).device
    training = module.training
    with torch.no_grad():
        shape = module.eval()(torch.zeros(2, *in_shape, device=device)).shape[1:]
    module.train(training)
    return tuple(shape)
