"""Presets: their layer among the options, the default one, and what gives way to the user's options."""

from pathlib import Path

import pytest
import torch
from tiny_runs import Records

import train_vaegan
from vaegan.cli.flags import gather, parse
from vaegan.config.build import build_players, build_schedule, try_parts
from vaegan.config.make import make_config, resolved
from vaegan.config.presets import DEFAULT, Preset, completed, fitting, names, read_preset
from vaegan.config.published import PRESETS
from vaegan.config.published import names as configs
from vaegan.config.schema import options
from vaegan.datasets.batches import Batches
from vaegan.errors import OptionError, UserError, flag
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.run.checks import check_shares
from vaegan.training.loop import train

NETS = {"vae": "dense", "hidden_dim": 4, "latent_dim": 2}
RESNET = "timm:resnet18"
DISCS = [*(name for name in DISCRIMINATORS.names() if ":" not in name), RESNET]
OURS = read_preset("steered")
SHORT = f"--disc-warmup-epochs {OURS['disc_warmup_epochs']}"


def given(*argv: str):
    return parse([*map(str, argv)], prog="test", datasets=[])


def fitted(own: dict, name: str = DEFAULT, size: int = 32, channels: int = 3) -> tuple:
    """The resolved config and the preset, from the user's options, as a training finds them."""

    def complete(config):
        config = resolved(config, size, 640)
        try_parts(config, (channels, size, size))
        check_shares(config, 10)
        return config

    own = NETS | own
    return completed(own, fitting(name, own), complete)


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


# The files


@pytest.mark.parametrize("name", names())
def test_opens_with_source_settings_and_command(name):
    heading = [line for line in (PRESETS / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    text = "\n".join(heading)
    assert "# Source: " in text and "# Sets: " in text
    assert f"# Command: python train_vaegan.py --preset {name}" in heading


@pytest.mark.parametrize("name", names())
def test_sets_losses_and_d_and_neither_data_sizes_nor_epochs(name):
    preset = read_preset(name)
    kept = options(lambda nature: nature.images or nature.housekeeping)
    assert preset.keys().isdisjoint(
        {*kept, "epochs", "solo_epochs", "seed", "image_size", "latent_dim", "vae"}
    )
    assert preset["disc"] == {
        "steered": "smooth_conv",
        "learned_loss": "resnet",
        "larsen": "conv",
        "vqgan": "patch",
    }.get(name, preset["disc"])


@pytest.mark.parametrize("name", names())
def test_a_preset_alone_is_a_whole_command(name):
    config = given("--preset", name).config()
    preset = make_config(read_preset(name))
    assert {option: getattr(config, option) for option in read_preset(name)} == {
        option: getattr(preset, option) for option in read_preset(name)
    }


@pytest.mark.parametrize("name", names())
def test_each_builds_and_trains_a_solo_and_a_combo_epoch(name):
    own = {"epochs": 2, "disc_base_channels": 4, "image_size": 16}
    config, preset = fitted(own, name, 16)
    assert preset.left_out.keys() <= {SHORT}
    torch.manual_seed(0)
    images = torch.randint(256, (16, 3, 16, 16), dtype=torch.uint8)
    players = build_players(config, (3, 16, 16))
    before = [next(network.parameters()).detach().clone() for network in players.networks().values()]
    watcher = Records()
    train(config, players, build_schedule(config), Batches(images, 4), Batches(images, 4), [watcher])
    assert [record["phase"] for record in watcher.records][-1] == "combo"
    after = [next(network.parameters()) for network in players.networks().values()]
    assert not any(map(torch.equal, before, after))
    if isinstance(config.to_dict()["disc_weight"], str):  # by gradients: it is known from the second step on
        assert 0 < watcher.records[-1]["weight/gen/adv"] < 1e4


@pytest.mark.parametrize("name", [name for name in configs() if name.startswith("learned_loss/")])
def test_a_published_system_leaves_nothing_to_a_preset(name):
    if given("--config", name).config().disc is not None:
        preset = given("--config", name, "--preset", "steered").fitting_preset()
        assert preset.name == "steered" and not preset.taken


def test_presets_are_no_configs():
    assert not [name for name in configs() if name.startswith("presets")]


# Layers


def test_flags_go_over_a_file_over_the_preset_over_the_defaults(tmp_path):
    file = write(tmp_path / "run.yaml", "preset: steered\nr1: 1\ndisc_lr: 1e-5\n")
    config = given("--config", file, "--disc-lr", "1e-6").config()
    assert (config.disc, config.disc_betas) == (OURS["disc"], (0, 0.99))  # the preset's
    assert (config.r1.value, config.disc_lr.value) == (1, 1e-6)
    assert config.batch_size == make_config({}).batch_size


def test_a_base_goes_over_the_preset_of_the_file_that_names_it(tmp_path):
    write(tmp_path / "base.yaml", "disc: dense\ndisc_weight: 3\n")
    file = write(tmp_path / "run.yaml", "base: base.yaml\npreset: steered\n")
    config = given("--config", file).config()
    assert (config.disc, config.disc_weight.value, config.r1.value) == ("dense", 3, OURS["r1"])


@pytest.mark.parametrize(
    ("flags", "disc"), [(["--preset", "vqgan"], "patch"), (["--preset", "none"], None), ([], OURS["disc"])]
)
def test_a_flag_replaces_the_files_preset(tmp_path, flags, disc):
    file = write(tmp_path / "run.yaml", "preset: steered\n")
    assert given("--config", file, *flags).config().disc == disc


def test_a_typed_discriminator_replaces_the_presets():
    config = given("--preset", "vqgan", "--disc", "dense").config()
    assert (config.disc, config.adv) == ("dense", "hinge")


def test_none_takes_a_presets_option_away():
    config = given("--disc", "conv", "--feature-matching", "none", "--r1", "0").config()
    assert (config.feature_matching, config.r1, str(config.disc_weight)) == (None, None, OURS["disc_weight"])


# The default


def test_a_typed_weight_is_exactly_that_and_the_rest_is_steered():
    config = given("--disc", "resnet", "--disc-weight", "10").config()
    steered = make_config(OURS | {"disc": "resnet", "disc_weight": 10})
    assert config == steered


def test_a_discriminator_alone_has_the_presets_weight():
    assert str(given("--disc", "small_conv").config().disc_weight) == OURS["disc_weight"]
    assert str(gather({"disc": "small_conv"}).config().disc_weight) == OURS["disc_weight"]  # in Python


@pytest.mark.parametrize(
    "flags", [[], ["--vae", "conv"], ["--gan", "dense", "--disc", "dense"], ["--disc", "none"]]
)
def test_a_vae_alone_and_a_gan_have_none(flags):
    assert given(*flags).fitting_preset() == Preset()


def test_none_is_the_programs_own_defaults():
    assert given("--preset", "none", "--disc", "resnet").config() == make_config({"disc": "resnet"})


def test_a_file_means_what_it_says(tmp_path):
    file = write(tmp_path / "run.yaml", "disc: dense\n")
    assert given("--config", file).config() == make_config({"disc": "dense"})
    assert given("--config", file, "--disc", "conv").config() == make_config({"disc": "conv"})


# Mistakes


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--preset sterred", '--preset sterred: unknown preset; did you mean "steered"? Known: larsen, '),
        ("--preset larsen --gan dense --disc dense", "--preset larsen: is for a VAE with a learned loss; "),
        ("--preset", "--preset: expected one argument"),
    ],
)
def test_mistakes_are_one_line(command, flags, said):
    status, out, errors = command(flags)
    assert (status, out, len(errors.splitlines())) == (2, "", 1)
    assert errors.startswith(said)


def test_a_mistake_in_a_file_names_the_file(command, tmp_path):
    file = write(tmp_path / "run.yaml", "preset: larsn\n")
    assert command(f"--config {file}")[2].startswith(
        f'{file}: preset: larsn: unknown preset; did you mean "larsen"'
    )


def test_resume_takes_none(tmp_path):
    with pytest.raises(UserError, match="--preset larsen: --resume takes the run's own options"):
        gather({"preset": "larsen", "resume": tmp_path})


# Contradictions


BATCH_NORM = "batch norm makes each image's logit depend on the whole batch"
TYPED = [
    # the user's options, what of `steered` is left out, why
    ({"disc": "dense"}, ["--disc-norm none"], "changes nothing here"),
    pytest.param({"disc": RESNET}, ["--disc-norm none", "--r1 0.1"], BATCH_NORM, marks=pytest.mark.slow),
    ({"disc": "conv", "disc_norm": "batch"}, ["--r1 0.1"], BATCH_NORM),
    ({"disc": "conv", "lr": 1e-4}, [f"--disc-lr {OURS['disc_lr']}"], "D takes --lr"),
    ({"disc": "conv", "betas": [0.5, 0.9]}, ["--disc-betas 0,0.99"], "D takes --betas"),
    ({"disc": "conv", "gp": 10}, ["--r1 0.1"], "--gp bounds D's slope already"),
    ({"disc": "conv", "adv": "wgan-gp"}, ["--r1 0.1"], "--adv wgan-gp bounds D's slope already"),
    ({"disc": "conv", "adv": "wgan", "weight_clip": 0.01}, ["--r1 0.1"], "--weight-clip bounds D's slope"),
    ({"disc": "conv", "spectral_norm": True}, ["--r1 0.1"], "--spectral-norm bounds D's slope already"),
    ({"disc": "conv", "r2": 1}, [], ""),
    ({"disc": "conv", "adv": "wgan"}, [], ""),  # R1 is the bound that it needs
    ({"disc": "conv", "penalty_every": 4}, [], ""),
    ({"disc": "conv", "epochs": 1}, [SHORT], "more than the 0 solo epochs"),
    ({"disc": "conv", "epochs": 3}, [SHORT], "more than the 1 solo epochs"),
    ({"disc": "conv", "solo_epochs": 0}, [SHORT], "more than the 0 solo epochs"),
    ({"disc": "conv", "disc_weight": "share(0.9)"}, ["--feature-matching 'share(0.2)'"], "a share of 1.1"),
    (
        {"disc": "conv", "pbp_weight": 0},
        ["--disc-weight 'share(0.2)'", "--feature-matching 'share(0.2)'"],
        "is set against the PBP loss",
    ),
]


@pytest.mark.parametrize(("own", "left_out", "why"), TYPED, ids=lambda each: str(each)[:40])
def test_what_contradicts_the_users_options_is_left_out_and_said(own, left_out, why):
    config, preset = fitted(own)
    assert sorted(preset.left_out) == left_out
    assert not why or any(why in reason for reason in preset.left_out.values())
    dropped = {option.split()[0] for option in left_out} - {flag("disc_warmup_epochs")}
    assert not [option for option in preset.taken if flag(option) in dropped]
    (line,) = preset.lines()
    assert all(option in line for option in left_out) and "--preset none" not in line
    assert config.disc == own["disc"]


def test_a_fault_that_an_option_of_the_preset_brings_to_light_is_the_users():
    with pytest.raises(OptionError, match="9: the discriminator has 3 layers"):
        fitted({"disc": "conv", "fm_layers": [9]})
    assert fitted({"disc": "conv", "fm_layers": [3]})[1].left_out == {}


def test_a_short_run_has_a_shorter_warm_up():
    config, preset = fitted({"disc": "conv", "epochs": 3})
    assert (config.solo_epochs, config.disc_warmup_epochs) == (1, 1)
    assert "--disc-warmup-epochs 1 " in preset.lines()[0]
    assert "; without --disc-warmup-epochs 2 (more than the 1 solo" in preset.lines()[0]


def test_a_discriminator_without_features_has_no_matching(monkeypatch):
    class Plain(torch.nn.Module):
        def __init__(self, image_shape):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(()))

        def forward(self, x):
            return self.scale * x.mean((1, 2, 3))

    monkeypatch.setitem(DISCRIMINATORS._entries, "plain", Plain)
    config, preset = fitted({"disc": "plain"})
    assert preset.left_out["--feature-matching 'share(0.2)'"].startswith(
        "this discriminator does not hand out"
    )
    assert (config.feature_matching, config.r1.value) == (None, OURS["r1"])


def test_what_is_wrong_by_itself_names_nothing_that_was_not_typed():
    with pytest.raises(OptionError) as error:
        fitted({"disc": "conv", "disc_weight": "share(linear(0, 1, 50%))"})
    assert "--feature-matching" not in str(error.value)


def test_the_d_of_a_preset_is_there_whatever_else_is_wrong():
    with pytest.raises(UserError, match=r"^--solo-epochs: more than the 16 epochs in all; [^\n]*$"):
        given("--preset", "vqgan", "--solo-epochs", "17").config()


WEIGHTS = [0, 3, "linear(0, 10, 50%)", "share(0.3)", "adaptive(0.8)"]
LARGE = [RESNET, "projected"]  # take seconds to build
ROUNDS = [
    *(pytest.param({"disc": disc}, marks=pytest.mark.slow if disc in LARGE else ()) for disc in DISCS),
    *({"disc": "small_conv", "image_size": size} for size in (10, 28, 64)),
    *({"disc": "conv", "adv": adv} for adv in ADVERSARIAL.names()),
    *({"disc": "conv", "pbp": pbp} for pbp in PBP_LOSSES.names()),
    *({"disc": "conv", "fakes": fakes} for fakes in ("reconstructions", "samples", "both")),
    *({"disc": "conv", "disc_weight": weight} for weight in WEIGHTS),
    {"disc": "conv", "feature_matching": "none"},
    *({"disc": "dense", "epochs": epochs} for epochs in (1, 2, 3)),
]


@pytest.mark.parametrize("own", ROUNDS, ids=str)
@pytest.mark.parametrize("name", names())
def test_no_option_of_a_preset_is_in_the_way(name, own):
    """All that can be typed without a preset can be typed with one; errors name only what was typed."""
    size = own.get("image_size", 16)
    alone, wrong = outcome(own, "none", size)
    config, wrong_below = outcome(own, name, size)
    assert wrong_below in (None, wrong)  # a preset may mend what is wrong
    for option in own if alone else ():
        assert getattr(config, option) == getattr(alone, option)


def outcome(own, name, size):
    """The config, or the error that there is in its place."""
    try:
        return fitted(own, name, size, 1 if size == 28 else 3)[0], None
    except UserError as error:
        return None, str(error)


# Runs


def test_a_run_keeps_the_options_and_the_name_and_goes_on(command, tmp_path):
    flags = "--vae dense --hidden-dim 4 --latent-dim 2 --image-size 16 --train-images 64 --run-name a"
    status, out, errors = command(f"{flags} --preset larsen --disc dense --epochs 2")
    assert status == 0, errors
    assert out.count("preset larsen: --feature-matching 600") == 1
    folder = tmp_path / "runs" / "a"
    text = (folder / "config.yaml").read_text()
    assert "preset" not in text and "feature_matching: 600" in text
    assert '"name": "larsen"' in (folder / "environment.json").read_text()
    again = command(f"--config {folder / 'config.yaml'} --run-name b --epochs 2 --evaluate false --dry-run")[
        1
    ]
    assert "preset" not in again
    printed = write(tmp_path / "printed.yaml", again.partition("# config")[2].partition("# networks")[0])
    assert given("--config", printed).config() == given("--config", folder / "config.yaml").config()
    status, out, errors = command(f"--resume {folder} --epochs 3")
    assert (status, "preset" in out) == (0, False), errors
    assert len((folder / "metrics.jsonl").read_text().splitlines()) == 3


def test_the_default_is_said_in_one_line(capsys, tmp_path):
    flags = "--disc small_conv --disc-weight 10 --dataset digits --image-size 16 --dry-run"
    assert train_vaegan.main([*flags.split(), "--runs-dir", str(tmp_path)]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "preset" in line]
    assert lines == [
        f"preset steered (by default): --feature-matching '{OURS['feature_matching']}' --diffaug translation "
        f"--r1 {OURS['r1']} --disc-lr {OURS['disc_lr']} --disc-betas 0,0.99 --disc-norm none "
        f"--disc-warmup-epochs 2 --beta {OURS['beta']} --ema {OURS['ema']}; --preset none leaves it out"
    ]
