"""Every registered network, at every size and number of channels, forward and backward."""

import pytest
import torch

from vaegan.config.knobs import signature_knobs
from vaegan.errors import OptionError
from vaegan.nets.blocks import forget_running_statistics
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.nets.players import image_logits

NARROW = {"base_channels": 4, "hidden_dim": 8, "network": "random"}
BACKBONE = "timm:mobilenetv3_small_050"
REFUSED = {"sized_conv": (28, 96), "sized_dcgan": (28, 96)}  # sizes that a network cannot do
LATENT_DIM = 3
BATCH = 2

sizes = pytest.mark.parametrize("size", [16, 28, 32, 64, 96, 128])
channel_counts = pytest.mark.parametrize("channels", [1, 3])


def names(registry):
    return [BACKBONE if name == "timm:NAME" else name for name, _ in registry.entries()]


def build(registry, name, image_shape, *arguments):
    network, leading = registry.find(name)
    narrow = {knob: value for knob, value in NARROW.items() if knob in signature_knobs(network)}
    if image_shape[1] in REFUSED.get(name, ()):
        with pytest.raises(OptionError, match="--image-size"):
            network(*leading, image_shape, *arguments, **narrow)
        pytest.skip("refused, as it should be")
    return network(*leading, image_shape, *arguments, **narrow)


def assert_every_parameter_gets_a_gradient(network, output):
    output.square().sum().backward()
    without = [
        name for name, p in network.named_parameters() if p.grad is None or not p.grad.isfinite().all()
    ]
    assert not without


@sizes
@channel_counts
@pytest.mark.parametrize("name", names(ENCODERS))
def test_encoder(name, size, channels):
    encoder = build(ENCODERS, name, (channels, size, size), LATENT_DIM)
    mu, logvar = encoder(torch.rand(BATCH, channels, size, size))
    assert mu.shape == logvar.shape == (BATCH, LATENT_DIM)
    assert_every_parameter_gets_a_gradient(encoder, mu + logvar)


@sizes
@channel_counts
@pytest.mark.parametrize("name", names(DECODERS))
def test_decoder(name, size, channels):
    decoder = build(DECODERS, name, (channels, size, size), LATENT_DIM)
    logits = decoder(torch.randn(BATCH, LATENT_DIM))
    assert logits.shape == (BATCH, channels, size, size)
    assert logits.min() < 0  # before the sigmoid or tanh, so not confined to [0, 1]
    assert_every_parameter_gets_a_gradient(decoder, logits)


@sizes
@channel_counts
@pytest.mark.parametrize("name", names(DISCRIMINATORS))
def test_discriminator(name, size, channels):
    disc = build(DISCRIMINATORS, name, (channels, size, size))
    x = torch.rand(BATCH, channels, size, size)
    logits = disc(x)
    assert logits.dim() in (1, 3) and image_logits(logits).shape == (BATCH,)
    assert_every_parameter_gets_a_gradient(disc, logits)


@pytest.mark.parametrize("name", names(DISCRIMINATORS))
@pytest.mark.parametrize("training", [False, True], ids=["evaluated", "trained"])
def test_discriminator_hands_out_its_features_with_the_same_logits(name, training):
    disc = forget_running_statistics(build(DISCRIMINATORS, name, (1, 32, 32))).train(training)
    x = torch.rand(BATCH, 1, 32, 32, requires_grad=True)
    logits, features = disc.with_features(x)
    torch.testing.assert_close(logits, disc(x))
    assert isinstance(features, list) and features
    for feature in features:  # of the image that they are given
        assert len(feature) == BATCH
        slope = torch.autograd.grad(feature.square().sum(), x, retain_graph=True)[0]
        assert slope.isfinite().all() and slope.abs().sum() > 0


@pytest.mark.parametrize("name", names(ENCODERS))
def test_encoder_takes_a_batch_of_one_in_training(name):
    encoder = build(ENCODERS, name, (1, 32, 32), LATENT_DIM).train()
    assert encoder(torch.rand(1, 1, 32, 32))[0].isfinite().all()


@pytest.mark.parametrize("name", names(DISCRIMINATORS))
def test_discriminator_takes_a_batch_of_one_in_training(name):
    assert build(DISCRIMINATORS, name, (1, 16, 16)).train()(torch.rand(1, 1, 16, 16)).isfinite().all()


KNOB_VALUES = {
    "kernel_size": [3, 4, 5, 7, 9, 11],
    "activation": ["relu", "leaky_relu", "elu", "gelu", "silu", "tanh"],
    "norm": ["auto", "batch", "group", "none"],
    "depth": [1, 2, 3],
    "num_layers": [1, 3],
}


def knob_cases():
    for registry in (ENCODERS, DECODERS, DISCRIMINATORS):
        for name, network in registry.entries():
            for knob, values in KNOB_VALUES.items():
                if knob in signature_knobs(network):
                    for value in values:
                        yield pytest.param(
                            registry, name, knob, value, id=f"{registry.kind}-{name}-{knob}-{value}"
                        )


@pytest.mark.parametrize(("registry", "name", "knob", "value"), list(knob_cases()))
def test_knob(registry, name, knob, value):
    network, _ = registry.find(name)
    narrow = {k: v for k, v in NARROW.items() if k in signature_knobs(network)}
    shape = (3, 32, 32)
    if registry is DECODERS:
        output = network(shape, LATENT_DIM, **{**narrow, knob: value})(torch.randn(BATCH, LATENT_DIM))
        assert output.shape == (BATCH, *shape)
    else:
        latent = (LATENT_DIM,) if registry is ENCODERS else ()
        output = network(shape, *latent, **{**narrow, knob: value})(torch.rand(BATCH, *shape))
        assert (output[0] if registry is ENCODERS else output).isfinite().all()
