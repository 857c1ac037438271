"""Networks against published parameter counts and against other implementations."""

import pytest
import timm
import torch
import torchvision
from torch import nn

from vaegan.errors import OptionError
from vaegan.nets.blocks import forget_running_statistics, halvings, parameter_count, widths
from vaegan.nets.decoders.deep_conv import DeepConvDecoder
from vaegan.nets.decoders.dense import DenseDecoder
from vaegan.nets.discriminators.conv import ConvDiscriminator
from vaegan.nets.discriminators.deep_conv import DeepConvDiscriminator
from vaegan.nets.discriminators.resnet import ResNetDiscriminator
from vaegan.nets.encoders.dense import DenseEncoder
from vaegan.nets.encoders.timm_encoder import TimmEncoder


@pytest.mark.parametrize(
    ("shape", "encoder_count", "decoder_count"),
    [((1, 28, 28), 403_972, 403_728), ((3, 32, 32), 1_575_428, 1_577_472)],
    ids=["mnist", "cifar10"],
)
def test_dense_vae_has_the_published_parameter_counts(shape, encoder_count, decoder_count):
    assert parameter_count(DenseEncoder(shape, 2, hidden_dim=512)) == encoder_count
    assert parameter_count(DenseDecoder(shape, 2, hidden_dim=512)) == decoder_count


def test_resnet_discriminator_is_resnet_18():
    ours = ResNetDiscriminator((3, 64, 64))
    theirs = torchvision.models.resnet18(num_classes=1)
    assert parameter_count(ours) == parameter_count(theirs)
    # the same tensors in the same order of shapes, so one's weights fit the other: then the same function
    values = sorted(theirs.state_dict().items(), key=lambda item: "downsample" in item[0])
    by_shape: dict[tuple, list] = {}
    for _, value in values:
        by_shape.setdefault(tuple(value.shape), []).append(value)
    state = ours.state_dict()
    order = sorted(state, key=lambda name: "shortcut" in name)
    ours.load_state_dict({name: by_shape[tuple(state[name].shape)].pop(0) for name in order})
    x = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x).squeeze(1))


def test_deep_conv_decoder_has_dcgan_widths_and_its_parameters():
    decoder = DeepConvDecoder((3, 64, 64), 100)
    convolutions = [layer for layer in decoder.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.in_channels for layer in convolutions] == [512, 256, 128, 64]
    # DCGAN's generator (4 x 4 first map, no biases before batch norm), and a bias for each colour
    norms = 2 * (512 + 256 + 128 + 64)
    weights = 100 * 512 * 16 + 16 * (512 * 256 + 256 * 128 + 128 * 64 + 64 * 3)
    assert parameter_count(decoder) == weights + norms + 3


def test_deep_conv_discriminator_does_not_normalise_its_first_stage():
    assert not any(
        isinstance(m, nn.BatchNorm2d) for m in DeepConvDiscriminator((3, 64, 64)).stages[0].modules()
    )
    assert any(isinstance(m, nn.BatchNorm2d) for m in DeepConvDiscriminator((3, 64, 64)).stages[1].modules())
    assert any(isinstance(m, nn.BatchNorm2d) for m in ConvDiscriminator((3, 64, 64)).stages[0].modules())


@pytest.mark.parametrize(
    ("size", "depth"), [(16, 2), (28, 2), (32, 3), (64, 4), (96, 4), (128, 5), (6, 1), (2, 1)]
)
def test_halvings_go_down_to_4_pixels(size, depth):
    assert halvings(size, None) == depth


def test_halvings_refuse_what_does_not_divide():
    with pytest.raises(OptionError, match=r"--depth: 28 pixels .* greatest depth is 2"):
        halvings(28, 3)
    with pytest.raises(OptionError, match="--image-size"):
        halvings(33, None)


def test_widths_double_up_to_8_times():
    assert widths(32, 5) == [32, 64, 128, 256, 256]


def test_a_discriminator_without_running_statistics_judges_alike_in_training_and_evaluation():
    torch.manual_seed(0)
    disc = forget_running_statistics(ConvDiscriminator((1, 16, 16), base_channels=4))
    x = torch.rand(8, 1, 16, 16)
    torch.testing.assert_close(disc.train()(x), disc.eval()(x), rtol=0, atol=0)
    assert not [name for name, _ in disc.named_buffers()]


@pytest.mark.parametrize(
    ("backbone", "size", "side"),
    [
        ("resnet10t", 16, 64),  # takes any size, but would end on a 1 x 1 map
        ("resnet10t", 96, 96),
        ("vit_tiny_patch16_224", 28, 64),  # position embeddings for the size
        ("efficientformer_l1", 32, 224),  # made for one size only
    ],
)
def test_timm_backbones_see_images_at_a_size_they_take(backbone, size, side):
    encoder = TimmEncoder(backbone, (1, size, size), 3)
    assert encoder.body.side == side
    assert encoder(torch.rand(2, 1, size, size))[0].shape == (2, 3)


def test_timm_weights_are_the_backbones_own_when_pretrained(monkeypatch):
    asked = []
    create_model = timm.create_model

    def spy(name, *, pretrained, **options):
        asked.append(pretrained)
        return create_model(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", spy)
    TimmEncoder("resnet10t", (3, 64, 64), 2)
    assert asked and not any(asked)
    asked.clear()
    TimmEncoder("resnet10t", (3, 64, 64), 2, pretrained=True)
    assert asked and all(asked)


def test_pretrained_weights_that_cannot_be_had_are_a_users_error(monkeypatch):
    create_model = timm.create_model

    def offline(name, *, pretrained, **options):
        if pretrained:
            raise OSError("no route to host\nand much more")
        return create_model(name, pretrained=False, **options)

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(OptionError, match=r"--pretrained: no weights for resnet18: no route to host$"):
        TimmEncoder("resnet18", (3, 64, 64), 2, pretrained=True)


def test_a_backbone_with_several_maps_is_refused():
    with pytest.raises(ValueError, match="several feature maps"):
        TimmEncoder("crossvit_tiny_240", (3, 32, 32), 2)
