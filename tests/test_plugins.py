"""Parts registered from outside: a mistake in one is reported in a line, before anything is written."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vaegan.config.build import try_parts
from vaegan.config.make import make_config, resolved
from vaegan.errors import OptionError
from vaegan.losses.adversarial import ADVERSARIAL, AdversarialLoss, Hinge
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS

SMALL = "--image-size 16 --latent-dim 3 --epochs 1"
DENSE = f"{SMALL} --vae dense --hidden-dim 4"
OPTIONS = {
    "disc": (DISCRIMINATORS, f"{DENSE} --disc mine --solo-epochs 0"),
    "encoder": (ENCODERS, f"{SMALL} --encoder mine --decoder dense --hidden-dim 4"),
    "decoder": (DECODERS, f"{SMALL} --encoder dense --decoder mine --hidden-dim 4"),
    "gan": (DECODERS, f"{SMALL} --gan mine --disc dense --disc-hidden-dim 4"),
    "pbp": (PBP_LOSSES, f"{DENSE} --pbp mine"),
    "adv": (ADVERSARIAL, f"{DENSE} --disc dense --disc-hidden-dim 4 --solo-epochs 0 --adv mine"),
}


@pytest.fixture
def registered(monkeypatch):
    """Registers a part as "mine" for one test."""

    def register(registry, part):
        monkeypatch.setattr(registry, "_entries", registry._entries.copy())
        registry.register("mine")(part)

    return register


def disc(answer):
    """A discriminator that makes something of its logits [B]."""

    class Disc(nn.Module):
        def __init__(self, image_shape):
            super().__init__()
            self.layer = nn.Linear(16 * 16, 1)

        def forward(self, x):
            return answer(self.layer(x.flatten(1)).squeeze(1))

    return Disc


def encoder(answer):
    """An encoder that makes something of [B, 3]."""

    class Encoder(nn.Module):
        def __init__(self, image_shape, latent_dim):
            super().__init__()
            self.layer = nn.Linear(image_shape[1] * image_shape[2], latent_dim)

        def forward(self, x):
            return answer(self.layer(x.flatten(1)))

    return Encoder


def decoder(answer):
    """A decoder that makes something of images [B, 1, 16, 16]."""

    class Decoder(nn.Module):
        def __init__(self, image_shape, latent_dim):
            super().__init__()
            self.layer = nn.Linear(latent_dim, 256)

        def forward(self, z):
            return answer(self.layer(z).unflatten(1, (1, 16, 16)))

    return Decoder


def pbp(answer):
    """A PBP loss that makes something of the squared errors [B, C, H, W]."""

    class Pbp(nn.Module):
        def forward(self, logits, x_hat, x):
            return answer((x_hat - x).square())

    return Pbp


class Values(Hinge):
    """Without the means over the batch."""

    def fake(self, real, fake):
        return F.relu(1 + fake)


class GenValues(Hinge):
    def gen(self, real, fake):
        return -fake


class WithoutSide(AdversarialLoss):
    def real(self, real, fake):
        return -real.mean()


class WithoutSmoothing(Hinge):
    def __init__(self):
        super().__init__()


class WithoutShape(nn.Module):
    def __init__(self):
        super().__init__()


class NeedsMore(nn.Module):
    def __init__(self, image_shape, latent_dim, width):
        super().__init__()


class Channels(nn.Module):
    """Takes the shape for a number."""

    def __init__(self, channels):
        super().__init__()
        self.layer = nn.Conv2d(channels, 1, 3)


class NoModule:
    def __call__(self, logits, x_hat, x):
        return (x_hat - x).square().sum() / len(x)


def plain_function(x):
    return x.mean((1, 2, 3))


def plain_pbp(logits, x_hat, x):
    return (x_hat - x).square().sum() / len(x)


def fails(x):
    raise RuntimeError("mat1 and mat2 shapes cannot be multiplied\nand more")


ONE = "one logit an image, [B]"
MAP = "or a map of them, [B, h, w]"
PAIR = "mu and logvar, each [B, latent_dim]"
PIXELS = "pixel logits, [B, C, H, W]"
SCALAR = "a scalar, summed over pixels, averaged over the batch"
MEAN = "a scalar, averaged over the batch"
BAD = {
    "disc-column": ("disc", disc(lambda logits: logits[:, None]), "gives [5, 1] for [5, 1, 16, 16]", ONE),
    "disc-scalar": ("disc", disc(torch.mean), "gives a scalar", ONE),
    "disc-twice": ("disc", disc(lambda logits: logits.repeat(2)), "gives [10]", ONE),
    "disc-channel": ("disc", disc(lambda logits: logits[:, None, None, None]), "gives [5, 1, 1, 1]", ONE),
    "disc-map": ("disc", disc(lambda logits: logits.repeat(2)[:, None, None]), "gives [10, 1, 1]", MAP),
    "disc-pair": ("disc", disc(lambda logits: (logits, [])), "gives ([5], ())", ONE),
    "disc-number": ("disc", disc(lambda logits: 0.5), "a value of type float", ONE),
    "disc-nothing": ("disc", disc(lambda logits: None), "gives None", ONE),
    "disc-fails": ("disc", disc(fails), "fails on [5, 1, 16, 16]: RuntimeError", "test_plugins.py, line"),
    "disc-function": ("disc", plain_function, "is a plain function", "a class derived from nn.Module"),
    "disc-no-shape": ("disc", WithoutShape, "takes ()", "called with (image_shape)"),
    "disc-channels": ("disc", Channels, "cannot be made: TypeError", "called with (image_shape)"),
    "disc-no-module": ("disc", lambda image_shape: NoModule(), "of type NoModule", "nn.Module"),
    "encoder-one": ("encoder", encoder(lambda mu: mu), "gives [5, 3]", PAIR),
    "encoder-shapes": ("encoder", encoder(lambda mu: (mu, mu[:, :1])), "gives ([5, 3], [5, 1])", PAIR),
    "encoder-three": ("encoder", encoder(lambda mu: (mu, mu, mu)), "gives ([5, 3], [5, 3], [5, 3])", PAIR),
    "encoder-no-latents": ("encoder", disc(torch.mean), "takes (image_shape)", "(image_shape, latent_dim)"),
    "decoder-flat": ("decoder", decoder(lambda image: image.flatten(1)), "gives [5, 256] for [5, 3]", PIXELS),
    "decoder-smaller": ("decoder", decoder(lambda image: image[..., ::2]), "gives [5, 1, 16, 8]", PIXELS),
    "decoder-more": ("decoder", NeedsMore, "takes (image_shape, latent_dim, width)", "latent_dim)"),
    "gan-colours": ("gan", decoder(lambda image: image.repeat(1, 3, 1, 1)), "gives [5, 3, 16, 16]", PIXELS),
    "pbp-images": ("pbp", pbp(lambda errors: errors.sum((1, 2, 3))), "gives [5]", SCALAR),
    "pbp-pixels": ("pbp", pbp(lambda errors: errors), "gives [5, 1, 16, 16]", SCALAR),
    "pbp-function": ("pbp", plain_pbp, "takes (logits, x_hat, x)", "nn.Module, called without arguments"),
    "pbp-no-module": ("pbp", NoModule, "of type NoModule", "a class derived from nn.Module"),
    "adv-values": ("adv", Values, "`fake` of the adversarial loss gives [5]", MEAN),
    "adv-gen-values": ("adv", GenValues, "`gen` of the adversarial loss gives [5]", MEAN),
    "adv-no-side": ("adv", WithoutSide, "its disc_weights name `fake`", "no such method"),
    "adv-no-smoothing": ("adv", WithoutSmoothing, "takes ()", "called with (label_smoothing)"),
    "adv-function": ("adv", plain_pbp, "not one", "a class derived from AdversarialLoss"),
}  # fmt: skip


@pytest.mark.parametrize(("role", "part", "found", "wanted"), BAD.values(), ids=BAD)
def test_a_bad_part_is_named_in_a_line_with_what_it_has_to_give(
    command, registered, tmp_path, role, part, found, wanted
):
    registry, flags = OPTIONS[role]
    registered(registry, part)
    status, _, errors = command(flags)
    (line,) = errors.splitlines()
    assert status == 2
    assert line.startswith(f"--{role} mine: ")
    assert found in line and wanted in line
    assert not (tmp_path / "runs").exists()


def test_of_a_family_the_part_is_named(command, registered):
    registered(ENCODERS, encoder(lambda mu: mu))
    registered(DECODERS, decoder(lambda image: image))
    status, _, errors = command(f"{SMALL} --vae mine --dry-run")
    assert (status, errors.count("\n")) == (2, 1)
    assert errors.startswith("--vae mine: the encoder gives [5, 3]")


class UntypedKnob(nn.Module):
    def __init__(self, image_shape, *, channels=64):
        super().__init__()


class UnsetKnob(nn.Module):
    def __init__(self, image_shape, *, channels: int):
        super().__init__()


@pytest.mark.parametrize(("part", "missing"), [(UntypedKnob, "type"), (UnsetKnob, "default")])
def test_a_knob_that_no_flag_can_be_made_of(command, registered, part, missing):
    registered(DISCRIMINATORS, part)
    status, _, errors = command(f"{DENSE} --disc mine")
    assert status == 2
    assert errors == (
        f"discriminator mine: its knob `channels` has no {missing}; write it as `channels: int = 64`\n"
    )


def function_with_a_knob(image_shape, *, width: int = 2):
    return nn.Sequential(nn.Flatten(), nn.Linear(16 * 16, width), nn.Linear(width, 1), nn.Flatten(0))


@pytest.mark.parametrize(
    ("role", "part", "more"),
    [
        ("disc", disc(lambda logits: logits), ""),
        ("disc", function_with_a_knob, "--disc-width 3"),
        ("disc", disc(lambda logits: logits[:, None, None].expand(-1, 2, 3)), "--r1 1"),
        ("encoder", encoder(lambda mu: torch.stack([mu, mu])), ""),
        ("gan", decoder(lambda image: image), ""),
        ("pbp", pbp(lambda errors: errors.sum() / len(errors)), ""),
        ("adv", type("Mine", (Hinge,), {}), ""),
    ],
)
def test_a_good_part_trains(command, registered, role, part, more):
    registry, flags = OPTIONS[role]
    registered(registry, part)
    status, _, errors = command(f"{flags} {more} --train-images 128")
    assert status == 0, errors


@pytest.mark.parametrize("name", [name for name in DISCRIMINATORS.names() if ":" not in name])
@pytest.mark.parametrize("family", [name for name in ENCODERS.names() if name in DECODERS.names()])
def test_registered_networks_pass(family, name):
    config = make_config({"dataset": "digits", "vae": family, "disc": name, "latent_dim": 3})
    try_parts(resolved(config, 16), (1, 16, 16))


@pytest.mark.parametrize("name", ADVERSARIAL.names())
def test_registered_games_pass(name):
    values = {"dataset": "digits", "gan": "dense", "disc": "dense", "adv": name, "r1": 1.0}
    try_parts(resolved(make_config(values), 16), (1, 16, 16))


def test_what_a_part_refuses_itself_stays_its_own_words(registered):
    def refuses(image_shape):
        raise OptionError("image_size", "16 pixels are too few")

    registered(DISCRIMINATORS, refuses)
    config = make_config({"dataset": "digits", "vae": "dense", "disc": "mine"})
    with pytest.raises(OptionError, match=r"^--image-size: 16 pixels are too few$"):
        try_parts(resolved(config, 16), (1, 16, 16))
