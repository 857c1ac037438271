"""The published networks whose depth follows from the size, and the coursework's convolutional VAE."""

import pytest
import torch
from torch import nn

from vaegan.errors import OptionError
from vaegan.nets.blocks import parameter_count
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS

REGISTRIES = {"encoder": ENCODERS, "decoder": DECODERS, "discriminator": DISCRIMINATORS}
NETWORKS = [
    (kind, name)
    for name, kinds in {
        "sized_conv": ("encoder", "decoder"),
        "sized_dcgan": ("decoder", "discriminator"),
        "coursework_conv": ("encoder", "decoder"),
    }.items()
    for kind in kinds
]


def build(kind, name, shape, latent_dim=3, **knobs):
    latent = () if kind == "discriminator" else (latent_dim,)
    return REGISTRIES[kind].find(name)[0](shape, *latent, **knobs)


def convolutions(network):
    return [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(
    ("size", "latent_dim", "kind", "name", "count"),
    [
        (16, 20, "encoder", "sized_conv", 163_944),
        (16, 20, "decoder", "sized_conv", 418_849),
        (32, 100, "encoder", "sized_conv", 702_600),
        (32, 100, "decoder", "sized_conv", 1_784_609),
        (16, 20, "decoder", "sized_dcgan", 609_409),
        (16, 20, "discriminator", "sized_dcgan", 134_593),
        (32, 100, "decoder", "sized_dcgan", 3_445_377),
        (32, 100, "discriminator", "sized_dcgan", 661_697),
    ],
)
def test_published_parameter_counts(size, latent_dim, kind, name, count):
    assert parameter_count(build(kind, name, (1, size, size), latent_dim)) == count


@pytest.mark.parametrize(
    ("kind", "name", "widths"),
    [
        ("encoder", "sized_conv", [32, 64, 128, 256, 512]),
        ("decoder", "sized_conv", [512, 256, 128, 64, 32, 32, 3]),
        ("decoder", "sized_dcgan", [1024, 512, 256, 128, 3]),
        ("discriminator", "sized_dcgan", [64, 128, 256, 512]),
    ],
)
def test_published_widths_at_64_pixels(kind, name, widths):
    network = build(kind, name, (3, 64, 64))
    assert [layer.out_channels for layer in convolutions(network)] == widths
    assert all(layer.bias is not None for layer in convolutions(network))


def test_sized_decoder_begins_at_2_x_2_with_twice_the_encoders_width_and_goes_to_twice_the_size():
    decoder = build("decoder", "sized_conv", (3, 64, 64))
    shapes = []
    for layer in decoder.body:
        if not isinstance(layer, nn.BatchNorm2d | nn.ReLU):
            layer.register_forward_hook(lambda layer, inputs, output: shapes.append(tuple(output.shape[1:])))
    decoder(torch.randn(2, 3))
    assert shapes == [
        (1024, 2, 2), (512, 4, 4), (256, 8, 8), (128, 16, 16), (64, 32, 32), (32, 64, 64), (32, 128, 128),
        (3, 64, 64),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("last_activation", "layer"), [("sigmoid", nn.Sigmoid), ("leaky_relu", nn.LeakyReLU)]
)
def test_sized_discriminator_has_the_sigmoid_on_its_last_features_alone(last_activation, layer):
    disc = build("discriminator", "sized_dcgan", (1, 32, 32), last_activation=last_activation)
    activations = [stage[-1] for stage in disc.stages]
    assert [type(found) for found in activations] == [nn.LeakyReLU, nn.LeakyReLU, layer]
    assert activations[0].negative_slope == 0.2
    norms = [type(stage[1]) for stage in disc.stages]
    assert norms == [nn.Identity, nn.BatchNorm2d, nn.BatchNorm2d]
    assert [type(found) for found in disc.head] == [nn.Flatten, nn.Linear]  # its answer is not confined


def test_sized_discriminator_takes_another_norm():
    disc = build("discriminator", "sized_dcgan", (1, 32, 32), norm="none")
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in disc.modules())


@pytest.mark.parametrize("size", [16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("kind", "name"), NETWORKS)
def test_shapes(kind, name, channels, size):
    shape = (channels, size, size)
    network = build(kind, name, shape, latent_dim=5)
    if kind == "decoder":
        assert network(torch.randn(2, 5)).shape == (2, *shape)
    elif kind == "encoder":
        assert [part.shape for part in network(torch.rand(2, *shape))] == [(2, 5), (2, 5)]
    else:
        assert network(torch.rand(2, *shape)).shape == (2,)


def test_coursework_maps_are_14_and_7_pixels_on_mnist():
    encoder = build("encoder", "coursework_conv", (1, 28, 28), latent_dim=8)
    x = torch.rand(2, 1, 28, 28)
    assert encoder.body[0](x).shape == (2, 32, 14, 14)
    assert encoder.body[:2](x).shape == (2, 64, 7, 7)
    decoder = build("decoder", "coursework_conv", (1, 28, 28), latent_dim=8)
    assert decoder.body[:4](torch.randn(2, 8)).shape == (2, 64, 7, 7)
    assert decoder(torch.randn(2, 8)).shape == (2, 1, 28, 28)


def test_coursework_networks_take_one_image_in_training_by_what_they_have_seen():
    encoder = build("encoder", "coursework_conv", (1, 28, 28)).train()
    decoder = build("decoder", "coursework_conv", (1, 28, 28)).train()
    seen = encoder.body[4].running_mean.clone()
    mu, _ = encoder(torch.rand(1, 1, 28, 28))
    assert mu.isfinite().all() and decoder(mu).isfinite().all()
    torch.testing.assert_close(encoder.body[4].running_mean, seen, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "size", "reason"),
    [
        *[
            (name, size, "a power of two, at least 16")
            for name in ("sized_conv", "sized_dcgan")
            for size in (8, 28, 96)
        ],
        *[("coursework_conv", size, "cannot be halved twice") for size in (27, 30)],
    ],
)
def test_sizes_that_are_refused(name, size, reason):
    for kind in [kind for kind, other in NETWORKS if other == name]:
        with pytest.raises(OptionError, match=rf"--image-size: {size} pixels.*{reason}") as refusal:
            build(kind, name, (1, size, size))
        assert refusal.value.option == "image_size"
