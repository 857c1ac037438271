"""Augmentations: the effect of each on images, repeatability by generator, and their use in a run."""

import pytest
import torch

from vaegan.augment.training_images import AUGMENTATIONS, build_augmentation

NAMES = AUGMENTATIONS.names()
STRENGTHS = {"rotate": (5, 90), "shift": (0.02, 0.4), "zoom": (0.02, 0.4), "colour": (0.02, 0.9)}


def smooth(n=32, channels=3):
    """Blurred blobs [N, C, 24, 24] in [0, 1], unlike their mirror images."""
    coarse = torch.rand(n, channels, 4, 4, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(coarse, size=24, mode="bilinear")


def changed(name: str, x: torch.Tensor, seed: int = 0) -> torch.Tensor:
    torch.manual_seed(seed)
    return build_augmentation([name])(x)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_images_keep_shape_and_range_and_are_each_changed_in_their_own_way(name, channels):
    x = smooth(1, channels).repeat(32, 1, 1, 1)
    y = changed(name, x)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert 0 <= y.min() <= y.max() <= 1
    assert len(torch.unique(y.round(decimals=4), dim=0)) >= 2
    assert (y - x).abs().mean() > 0.01


@pytest.mark.parametrize("size", [32, 33, 65])
@pytest.mark.parametrize("name", NAMES)
def test_white_and_black_stay_in_range(name, size):
    y = changed(name, torch.ones(64, 1, size, size))
    assert y.max() <= 1
    assert changed(name, torch.zeros(64, 1, size, size)).min() >= 0


@pytest.mark.parametrize("name", NAMES)
def test_the_change_follows_the_generator(name):
    x = smooth()
    assert torch.equal(changed(name, x), changed(name, x))
    assert not torch.equal(changed(name, x), changed(name, x, seed=1))


@pytest.mark.parametrize(("name", "axis"), [("hflip", -1), ("vflip", -2)])
def test_flips_mirror_about_half_of_the_images_to_the_pixel(name, axis):
    x = smooth(400)
    y = changed(name, x)
    same = (y == x).flatten(1).all(1)
    mirrored = (y == x.flip(axis)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 150 < mirrored.sum() < 250


@pytest.mark.parametrize(("name", "weak", "strong"), [(n, *s) for n, s in STRENGTHS.items()])
def test_a_strength_scales_the_change(name, weak, strong):
    x = smooth()
    by = [(changed(f"{name}:{strength}", x) - x).abs().mean() for strength in (weak, strong)]
    assert by[1] > 2 * by[0] > 0


def test_a_quarter_turn_at_most_turns_by_up_to_90_degrees():
    """A bright spot right of the centre keeps its distance from the centre: nothing of it is reflected."""
    x = torch.zeros(64, 1, 33, 33)
    x[:, :, 15:18, 22:25] = 1
    y = changed("rotate:90", x)
    rows, columns = torch.meshgrid(torch.arange(33.0), torch.arange(33.0), indexing="ij")
    mass = y.sum((1, 2, 3))
    dx, dy = (((axis * y[:, 0]).sum((1, 2)) / mass - 16) for axis in (columns, rows))
    assert torch.hypot(dx, dy).sub(7).abs().max() < 0.5
    angles = torch.rad2deg(torch.atan2(dy, dx))
    assert angles.min() < -45 and angles.max() > 45
    assert angles.abs().max() < 95


def test_several_are_applied_one_after_the_other():
    x = smooth()
    torch.manual_seed(0)
    both = build_augmentation(["hflip", "shift:0.2"])(x)
    torch.manual_seed(0)
    first = build_augmentation(["hflip"])(x)
    assert torch.equal(both, build_augmentation(["shift:0.2"])(first))


def test_none_leaves_images_as_they_are():
    x = smooth()
    assert build_augmentation([])(x) is x


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("hflp", 'unknown augmentation; did you mean "hflip"? Known: colour, hflip,'),
        ("hflip:0.5", "hflip has no strength"),
        ("rotate:", "rotate:: a strength above 0 and of at most 180"),
        ("rotate:much", "rotate:much: a strength above 0 and of at most 180"),
        ("shift:0.9", "shift:0.9: a strength above 0 and of at most 0.5"),
        ("zoom:-1", "zoom:-1: a strength above 0"),
        ("colour:nan", "colour:nan: a strength above 0 and of at most 1"),
    ],
)
def test_mistakes_are_refused_with_what_is_accepted(given, message, command):
    status, _, errors = command(f"--augment hflip,{given}")
    assert status == 2
    assert errors.startswith(f"--augment hflip,{given}: ")
    assert message in errors


def test_a_run_with_augmentation_trains_and_its_config_names_it(command, tmp_path):
    flags = "--vae dense --hidden-dim 8 --latent-dim 2 --image-size 16 --epochs 1"
    status, _, errors = command(f"{flags} --run-name a --augment hflip,rotate:5")
    assert status == 0, errors
    config = tmp_path / "runs" / "a" / "config.yaml"
    assert "augment:\n- hflip\n- rotate:5\n" in config.read_text()
    assert command(f"--config {config} --run-name b")[0] == 0
    assert command(f"--config {config} --augment none --run-name c")[0] == 0
    assert "\naugment:" not in (tmp_path / "runs" / "c" / "config.yaml").read_text()
