"""The command line and YAML files: what overrides what, and how every mistake is answered."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

import train_vaegan
from vaegan import datasets
from vaegan.cli.flags import parse
from vaegan.config.make import make_config
from vaegan.config.schema import config_type, families
from vaegan.errors import flag
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS

BATCH_NORMED = "timm:resnet18"
GAME = (
    *("--disc-steps 2", "--gp 10", "--r1 1", "--r2 1", "--penalty-every 2", "--weight-clip 0.01"),
    *("--spectral-norm true", "--label-smoothing 0.1", "--instance-noise 0.1", "--diffaug cutout"),
    *("--instance-noise-epochs 2", "--disc-betas 0.5,0.9"),
)
SMALL = "--vae dense --latent-dim 2 --epochs 1 --device cpu "  # quick, should a mistake not be noticed


def config_of(*argv: str):
    return parse([*map(str, argv)], prog="test", datasets=[]).config()


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def refused(command, tmp_path):
    """Runs a command that is to be refused, with nothing printed or made; returns the lines of stderr."""

    def run(flags: str, *more: str) -> list[str]:
        before = sorted(tmp_path.rglob("*"))
        status, out, err = command(flags, *more)
        assert status == 2
        assert out == ""
        assert "Traceback" not in err
        assert sorted(tmp_path.rglob("*")) == before
        assert err.endswith("\n")
        return err.splitlines()

    return run


# What overrides what


def test_without_flags_every_option_has_its_default():
    assert config_of().to_dict() == make_config({}).to_dict()


def test_flags_override_the_file_which_overrides_its_base_which_overrides_the_defaults(tmp_path):
    write(tmp_path / "base.yaml", "lr: 0.1\nbatch_size: 7\nlatent_dim: 3\n")
    file = write(tmp_path / "run.yaml", "base: base.yaml\nlr: 0.2\nbatch_size: 8\n")
    config = config_of("--lr", "0.3", "--config", file)
    assert config.lr.value == 0.3
    assert config.batch_size == 8
    assert config.latent_dim == 3
    assert config.epochs == make_config({}).epochs


def test_a_base_lies_relative_to_the_file_that_names_it(tmp_path, monkeypatch):
    write(tmp_path / "common/first.yaml", "lr: 0.1\nseed: 1\nepochs: 2\n")
    write(tmp_path / "common/second.yaml", "base: first.yaml\nseed: 2\nepochs: 3\n")
    write(tmp_path / "runs/run.yaml", "base: ../common/second.yaml\nepochs: 4\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    config = config_of("--config", "../runs/run.yaml")
    assert (config.lr.value, config.seed, config.epochs) == (0.1, 2, 4)


def test_a_mistake_that_is_overridden_is_none(tmp_path):
    write(tmp_path / "base.yaml", "lr: abc\nepochs: many\n")
    file = write(tmp_path / "run.yaml", "base: base.yaml\nepochs: 3\n")
    config = config_of("--config", file, "--lr", "0.5")
    assert (config.lr.value, config.epochs) == (0.5, 3)


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "{}\n"])
def test_an_empty_file_changes_nothing(tmp_path, text):
    file = write(tmp_path / "run.yaml", text)
    assert config_of("--config", file).to_dict() == make_config({}).to_dict()


def test_numbers_in_yaml_may_be_written_as_people_write_them(tmp_path):
    config = config_of("--config", write(tmp_path / "run.yaml", "lr: 1e-3\nbeta: 2\nepochs: '5'\n"))
    assert (config.lr.value, config.beta.value, config.epochs) == (0.001, 2.0, 5)


def test_a_pixel_range_of_01_needs_no_quotes(tmp_path):
    assert config_of("--config", write(tmp_path / "run.yaml", "pixel_range: 01\n")).pixel_range == "01"


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([], None),
        (["--pretrained"], True),
        (["--pretrained", "false"], None),  # off, as without it
        (["--pretrained", "yes"], True),
    ],
)
def test_a_switch_may_stand_alone_or_be_given_a_value(argv, expected):
    assert config_of(*argv).pretrained is expected


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("betas", "0.5 0.9", (0.5, 0.9)),
        ("betas", "0.5, 0.9", (0.5, 0.9)),
        ("keep_epochs", "50 100", [50, 100]),
        ("figure_epochs", "1,2 3", [1, 2, 3]),
        ("augment", "hflip rotate:20", ["hflip", "rotate:20"]),
        ("wandb_tags", "a b", ["a", "b"]),
        ("augment", "none", None),
    ],
)
def test_a_list_may_be_typed_with_commas_or_spaces(name, typed, value):
    assert getattr(config_of(flag(name), *typed.split(), "--epochs", "200"), name) == value
    assert getattr(config_of(f"{flag(name)}={','.join(re.split('[, ]+', typed))}"), name) == value


@pytest.mark.parametrize("none", ["none", "null", "~", ""])
def test_none_takes_away_in_a_file_as_it_does_on_the_command_line(tmp_path, none):
    write(tmp_path / "base.yaml", "disc: dense\ndisc_weight: 3\naugment: hflip\ndisc_norm: none\n")
    text = f"base: base.yaml\ndisc: {none}\ndisc_weight: {none}\naugment: {none}\n"
    config = config_of("--config", write(tmp_path / "run.yaml", text))
    assert config.to_dict() == make_config({}).to_dict()


def test_none_stays_the_value_of_that_name(tmp_path):
    config = config_of("--config", write(tmp_path / "run.yaml", "norm: none\ndisc: conv\ndisc_norm: none\n"))
    assert (config.norm, config.disc_norm) == ("none", "none")


OFF = {
    **{"gp": 0, "r1": 0, "r2": 0.0, "penalty_every": 1, "spectral_norm": False, "label_smoothing": 0},
    **{"instance_noise": 0, "diffaug": [], "augment": [], "pretrained": False, "disc_pretrained": False},
    **{"disc_sees_8bit": False},
}


@pytest.mark.parametrize("name", [*OFF, "disc_weight", "solo_epochs", "disc_norm"])
def test_what_is_off_needs_no_discriminator_and_makes_an_equal_config(name):
    value = {"disc_weight": 0, "solo_epochs": 0, "disc_norm": "none"}.get(name, OFF.get(name))
    assert make_config({name: value}).to_dict() == make_config({}).to_dict()
    if not isinstance(value, list):
        assert config_of(flag(name), str(value).lower()).to_dict() == make_config({}).to_dict()


@pytest.mark.parametrize("name", OFF)
def test_what_is_off_makes_an_equal_config_beside_a_discriminator(name):
    assert make_config({"disc": "conv", name: OFF[name]}).to_dict() == make_config({"disc": "conv"}).to_dict()


def test_a_weight_of_0_and_no_solo_epochs_are_settings_beside_a_discriminator():
    config = make_config({"disc": "conv", "disc_weight": 0, "solo_epochs": 0})
    assert (config.disc_weight.value, config.solo_epochs) == (0.0, 0)


def test_a_dry_run_prints_a_config_that_makes_the_same_config(command, tmp_path):
    flags = "--encoder dense --decoder conv --disc dense --pbp mse --pixel-range pm1 --lr 1e-4 --epochs 6"
    status, out, err = command(flags + " --dry-run")
    assert (status, err) == (0, "")
    assert not (tmp_path / "runs").exists()
    printed = write(tmp_path / "printed.yaml", out.partition("# networks")[0])
    assert command(f"--config {printed} --dry-run") == (0, out, "")
    config = config_of("--config", printed)
    assert (config.encoder_name, config.decoder_name, config.solo_epochs) == ("dense", "conv", 3)


# Mistakes

KNOBS_OF_DENSE = ("not a knob of dense", "--hidden-dim", "--num-layers", "--activation")
NEEDS_DISC = ("needs a discriminator", "--disc NAME")
FINITE = ("a finite number of at least 0",)
MISTAKES = [
    # flags, how the line begins, what else it says
    ("--encoder resnt", "--encoder resnt: unknown encoder", ('"resnet"?', *ENCODERS.names())),
    ("--decoder deepconv", "--decoder deepconv: unknown decoder", ('"deep_conv"?', *DECODERS.names())),
    ("--disc densse", "--disc densse: unknown discriminator", ('"dense"?', *DISCRIMINATORS.names())),
    ("--pbp bse", "--pbp bse: unknown PBP loss", (*PBP_LOSSES.names(),)),
    ("--pbp gausian", "--pbp gausian: unknown PBP loss", ('"gaussian"?',)),
    ("--vae convv", "--vae convv: unknown family", ('"conv"?', *families())),
    ("--dataset digit", "--dataset digit: ", ('"digits"?', "path of a folder", *datasets.DATASETS.names())),
    (
        "--encoder timm:resnt18",
        "--encoder timm:resnt18: timm has no backbone",
        ('"resnet18"?', "list_models"),
    ),
    ("--disc timm:resnt18", "--disc timm:resnt18: timm has no backbone", ('"resnet18"?', "list_models")),
    ("--decoder timm:resnet18", "--decoder timm:resnet18: unknown decoder", (*DECODERS.names(),)),
    ("--device gpu", "--device gpu: unknown value", ("auto", "cpu", "cuda", "mps")),
    ("--activation rleu", "--activation rleu: unknown value", ('"relu"?', "leaky_relu", "silu")),
    ("--lr abc", "--lr abc: ", ("number",)),
    ("--lr nan", "--lr nan: ", ("finite number",)),
    ("--lr inf", "--lr inf: ", ("finite number",)),
    ("--lr 0", "--lr 0: ", ("greater than 0",)),
    ("--disc dense --disc-lr 0", "--disc-lr 0: ", ("greater than 0",)),
    ("--beta -1", "--beta -1: ", FINITE),
    ("--pbp-weight -0.5", "--pbp-weight -0.5: ", FINITE),
    ("--disc dense --disc-weight -1", "--disc-weight -1: ", FINITE),
    ("--beta nan", "--beta nan: ", FINITE),
    ("--beta abc", "--beta abc: ", ("not a number",)),
    ("--epochs 0", "--epochs 0: ", ("equal to 1",)),
    ("--epochs 1.5", "--epochs 1.5: ", ("whole number",)),
    ("--batch-size -4", "--batch-size -4: ", ("equal to 1",)),
    ("--pretrained maybe", "--pretrained maybe: ", ("true", "false")),
    ("--lerning-rate 1", "--lerning-rate: unknown flag", ("--help",)),
    ("--latent-dims 1", "--latent-dims: unknown flag", ('"--latent-dim"?', "--help")),
    ("--disc-wieght=1", "--disc-wieght: unknown flag", ('"--disc-weight"?',)),
    ("--epoch 3", "--epoch: unknown flag", ('"--epochs"?',)),
    ("digits", "digits: ", ("unexpected", "--help")),
    ("--lr", "--lr: ", ("expected one argument",)),
    ("--config", "--config: ", ("expected one argument",)),
    ("--disc dense --epochs 4 --solo-epochs 5", "--solo-epochs 5: ", ("4 epochs", "--epochs")),
    ("--disc-weight 3", "--disc-weight 3: ", NEEDS_DISC),
    ("--solo-epochs 1", "--solo-epochs 1: ", NEEDS_DISC),
    ("--max-disc-loss 1.5", "--max-disc-loss 1.5: ", NEEDS_DISC),
    ("--disc-lr 1e-4", "--disc-lr 1e-4: ", NEEDS_DISC),
    ("--disc-depth 2", "--disc-depth 2: ", NEEDS_DISC),
    ("--vae conv --image-size 20 --depth 3", "--depth 3: ", ("20 pixels", "greatest depth is 2")),
    ("--vae conv --image-size 28 --depth 3", "--depth 3: ", ("28 pixels", "greatest depth is 2")),
    ("--disc conv --image-size 20 --disc-depth 3", "--disc-depth 3: ", ("20 pixels", "depth is 2")),
    ("--vae conv --image-size 33", "--image-size 33: ", ("cannot be halved", "even size")),
    ("--disc conv --image-size 33", "--image-size 33: ", ("cannot be halved", "even size")),
    ("--kernel-size 3", "--kernel-size 3: ", KNOBS_OF_DENSE),
    ("--disc dense --disc-depth 2", "--disc-depth 2: not a knob of dense", ("--disc-hidden-dim",)),
    ("--disc timm:resnet18 --disc-depth 2", "--disc-depth 2: not a knob of timm:resnet18", ()),
    ("--vae conv --kernel-size 6", "--kernel-size 6: ", ("3, 4, 5, 7",)),
    ("--vae conv --kernel-size -3", "--kernel-size -3: ", ("3, 4, 5, 7",)),
    ("--disc conv --disc-kernel-size 2", "--disc-kernel-size 2: ", ("3, 4, 5, 7",)),
    ("--pixel-range pm1", "--pixel-range pm1: ", ("--pbp bce", "[0, 1]", "mse", "l1", "gaussian")),
    ("--pbp bce --pixel-range pm1", "--pixel-range pm1: ", ("--pbp bce",)),
    ("--pixel-range 1", "--pixel-range 1: unknown value", ("01", "pm1")),
    ("--run-name a/b", "--run-name a/b: ", ("not a folder's name", "--runs-dir")),
    ("--run-name ..", "--run-name ..: ", ("not a folder's name",)),
    ("--config nowhere.yaml", "--config nowhere.yaml: ", ("cannot read", "No such file")),
    ("--batch-size 719", "--batch-size 719: ", ("1437 training images", "two batches of 719")),
    ("--dry-run --batch-size 719", "--batch-size 719: ", ("1437 training images", "two batches of 719")),
    ("--dataset /dev/null/x", "--dataset /dev/null/x: ", ("neither a data set nor a folder",)),
    ("--dataset cartoon:few", "--dataset cartoon:few: ", ("whole number from 2 to 10,000,000",)),
    ("--dataset cartoon --image-size 512", "--image-size 512: ", ("from 16 to 256",)),
    ("--crop 8", "--crop 8: ", ("folders of images",)),
    ("--split 80", "--split 80: ", ("as in 80/20",)),
    ("--split 100/0", "--split 100/0: ", ("as in 80/20",)),
    ("--labels no", "--labels no: ", ("auto, none",)),
    ("--crop 0", "--crop 0: ", ("greater than or equal to 1",)),
    ("--value-range -1,1", "--value-range -1,1: ", ("folders of images", "digits is none")),
    ("--value-range 1,-1", "--value-range 1,-1: ", ("lower one",)),
    ("--value-range 4095", "--value-range 4095: ", ("two numbers",)),
    ("--memory-limit -1", "--memory-limit -1: ", ("greater than or equal to 0",)),
    ("--augment hflpi", "--augment hflpi: ", ("unknown augmentation", '"hflip"?', "rotate")),
    ("--adv nonsaturatin --disc dense", "--adv nonsaturatin: ", ('"nonsaturating"?', *ADVERSARIAL.names())),
    ("--adv hinge", "--adv hinge: ", NEEDS_DISC),
    *((f"{flags}", f"{flags}: ", NEEDS_DISC) for flags in GAME),
    ("--disc dense --adv wgan", "--adv wgan: ", ("slope", "--weight-clip", "--gp", "wgan-gp")),
    ("--disc dense --adv hinge --label-smoothing 0.1", "--label-smoothing 0.1: ", ("hinge", "lsgan")),
    ("--disc dense --label-smoothing 1", "--label-smoothing 1: ", ("less than 1",)),
    ("--disc dense --penalty-every 4", "--penalty-every 4: ", ("no penalty", "--r1")),
    ("--disc dense --instance-noise-epochs 4", "--instance-noise-epochs 4: ", ("no noise",)),
    ("--disc dense --diffaug cutut", "--diffaug cutut: ", ("unknown DiffAugment policy", '"cutout"?')),
    ("--disc dense --disc-steps 0", "--disc-steps 0: ", ("equal to 1",)),
    ("--disc conv --disc-norm batch --r1 1", "--disc-norm batch: ", ("--r1", "group or none", "image")),
    (f"--disc {BATCH_NORMED} --gp 10", f"--disc {BATCH_NORMED}: ", ("--gp", "another network")),
    ("--disc dense --ema 1", "--ema 1: ", ("less than 1",)),
    ("--disc dense --adv wgan-gp --gp none", "--gp none: ", ("--adv wgan without it",)),
    (
        "--disc conv --adv wgan --spectral-norm",
        "--spectral-norm true: ",
        ("layers undo", "--disc-norm none"),
    ),
    (
        "--disc dense --spectral-norm --weight-clip 1",
        "--weight-clip 1: ",
        ("--spectral-norm divides", "take one"),
    ),
    ("--disc dense --disc-steps 400", "--disc-steps 400: ", ("23 steps", "never")),
    ("--lr-decay 0.5", "--lr-decay 0.5: ", ("constant has none", "step has")),
    ("--lr-schedule cosine --lr-decay-every 5", "--lr-decay-every 5: ", ("cosine has none",)),
    ("--betas 0.9", "--betas 0.9: ", ("two numbers",)),
    ("--betas 0.5,1", "--betas 0.5,1: ", ("less than 1",)),
    ("--betas 0.5 1", "--betas 0.5 1: ", ("less than 1",)),
    ("--betas 0.5 0.9 0.9", "--betas 0.5 0.9 0.9: ", ("two numbers",)),
    ("--augment hflip rotat:20", "--augment hflip rotat:20: ", ('"rotate"?',)),
    ("--disc dense --adv wgan-gp --gp 0", "--gp 0: ", ("--adv wgan without it",)),
    ("--figure-epochs 0", "--figure-epochs 0: ", ("greater than 0",)),
    ("--warmup-epochs 2", "--warmup-epochs 2: ", ("1 epochs",)),
    (
        "--epochs 4 --disc dense --solo-epochs 2 --warmup-epochs 2",
        "--warmup-epochs 2: ",
        ("all of the 2 epochs that D plays", "--solo-epochs"),
    ),
    ("--disc-warmup-epochs 1", "--disc-warmup-epochs 1: ", ("needs a discriminator", "--disc NAME")),
    (
        "--epochs 4 --disc dense --disc-warmup-epochs 3",
        "--disc-warmup-epochs 3: ",
        ("more than the 2 solo epochs", "--solo-epochs"),
    ),
    ("--fakes both", "--fakes both: ", ("needs a discriminator",)),
    ("--disc dense --fakes sample", "--fakes sample: ", ('"samples"?', "reconstructions, samples, both")),
    ("--disc dense --adv-to encoder", "--adv-to encoder: ", ("both, decoder",)),
    ("--disc dense --gates 0.68", "--gates 0.68: ", ("two numbers",)),
    ("--disc dense --gates 0.68,-0.4", "--gates 0.68,-0.4: ", ("margin", "below 0")),
    ("--disc dense --adv rpgan --gates 0.68,0.4", "--gates 0.68,0.4: ", ("--adv rpgan has no", "hinge")),
    ("--disc dense --adv wgan-gp --gates 0.68,0.4", "--gates 0.68,0.4: ", ("--adv wgan-gp has no", "hinge")),
    ("--gates 0.68,0.4", "--gates 0.68,0.4: ", ("needs a discriminator",)),
    ("--lr-epochs 4", "--lr-epochs 4: ", ("constant has no end", "cosine")),
    (
        "--lr linear(1,0,5) --lr-schedule cosine",
        "--lr-schedule cosine: ",
        ("--lr linear(1, 0, 5) says itself how",),
    ),
    (
        "--disc dense --disc-lr exp(1,2,5) --warmup-epochs 1",
        "--warmup-epochs 1: ",
        ("--disc-lr exp(1, 2, 5) says itself how",),
    ),
    ("--lr liner(1,0,5)", "--lr liner(1,0,5): ", ('did you mean "linear"?',)),
    (
        "--epochs 4 --lr-schedule poly --warmup-epochs 2 --lr-epochs 2",
        "--lr-epochs 2: ",
        ("--warmup-epochs 2",),
    ),
    (
        "--epochs 4 --disc dense --lr-schedule poly --lr-epochs 2",
        "--lr-epochs 2: ",
        ("after 2 solo epochs", "never learn"),
    ),
    ("--lr-schedule cosin", "--lr-schedule cosin: ", ('"cosine"?', "constant", "poly")),
    ("--init dcga", "--init dcga: ", ('"dcgan"?',)),
    ("--wandb onlin", "--wandb onlin: ", ("unknown value", '"online"?', "auto, online, offline, disabled")),
    ("--wandb-project a/b", "--wandb-project a/b: ", ("not a project's name", "%")),
    ("--wandb-tags a,,b", "--wandb-tags a,,b: ", ("1 to 64 characters",)),
]

GAN = "--gan dense --disc dense --epochs 1 --device cpu "
MISTAKES_OF_A_GAN = [
    ("--pbp-weight 1", "--pbp-weight 1: ", ("no reconstructions",)),
    ("--fakes both", "--fakes both: ", ("no reconstructions",)),
    ("--pbp mse", "--pbp mse: ", ("no reconstructions",)),
    ("--vae conv", "--vae conv: ", ("no encoder",)),
    ("--encoder conv", "--encoder conv: ", ("no encoder",)),
    ("--beta 1", "--beta 1: ", ("no encoder",)),
    ("--solo-epochs 1", "--solo-epochs 1: ", ("no encoder",)),
    ("--disc-weight 1", "--disc-weight 1: ", ("no reconstructions",)),
    ("--disc none", "--gan dense: ", ("--disc",)),
    ("--gan desne", "--gan desne: unknown decoder", ('"dense"?',)),
    ("--depth 2", "--depth 2: not a knob of dense", ("--hidden-dim",)),
    ("--gan conv --image-size 33", "--image-size 33: ", ("cannot be halved",)),
]


@pytest.mark.parametrize(
    ("flags", "start", "parts"), MISTAKES_OF_A_GAN, ids=[flags for flags, _, _ in MISTAKES_OF_A_GAN]
)
def test_a_mistake_with_a_gan_is_answered_likewise(refused, flags, start, parts):
    (line,) = refused(GAN + flags)
    assert line.startswith(start)
    for part in parts:
        assert part in line.removeprefix(start)


@pytest.mark.parametrize(("flags", "start", "parts"), MISTAKES, ids=[flags for flags, _, _ in MISTAKES])
def test_a_mistake_is_answered_in_one_line_that_begins_with_what_was_typed(refused, flags, start, parts):
    (line,) = refused(SMALL + flags)
    assert line.startswith(start)
    for part in parts:
        assert part in line.removeprefix(start)


def test_the_largest_batch_that_fits_twice_is_accepted(command):
    assert command(SMALL + "--batch-size 718 --dry-run")[0] == 0


def test_too_few_images_are_laid_on_the_data_set_when_no_batch_size_was_given(refused, tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(2):
        Image.new("L", (8, 8)).save(tmp_path / f"few/{number}.png")
    folder = tmp_path / "few"
    (line,) = refused(SMALL + f"--dataset {folder} --image-size 8")
    assert line.startswith(f"--dataset {folder}: there is 1 training image, fewer than two batches of 1")


def test_too_few_images_are_noticed_when_only_reading_shows_it(command, tmp_path):
    (tmp_path / "few").mkdir()
    for number in range(10):
        file = tmp_path / f"few/{number}.png"
        file.touch() if number < 5 else Image.new("L", (8, 8)).save(file)
    status, _, err = command(SMALL + f"--dataset {tmp_path / 'few'} --image-size 8 --batch-size 4")
    assert (status, err) == (
        2,
        "--batch-size 4: there are 4 training images, fewer than two batches of 4\n",
    )
    assert not (tmp_path / "runs").exists()


def test_missing_files_of_a_data_set_are_answered_in_one_line(refused, tmp_path):
    (line,) = refused(SMALL + f"--dataset faces --data-dir {tmp_path}")
    assert line.startswith(f"--dataset faces: no folder {tmp_path / 'anime_faces'}")


def test_an_existing_run_is_never_written_to(command, tmp_path):
    run = tmp_path / "runs/mine"
    write(run / "metrics.jsonl", '{"epoch": 0}\n')
    write(run / "figures/curves.png", "not really")
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    status, out, err = command(SMALL + "--run-name mine")
    assert (status, out) == (2, "")
    assert err.startswith("--run-name mine: ")
    assert "exists already" in err
    assert err.count("\n") == 1
    assert {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")} == before


def test_every_mistake_in_a_file_is_named_with_the_file_and_the_key(refused, tmp_path):
    file = write(
        tmp_path / "run.yaml",
        "lr: abc\nepochs: yes\nbeta: -1\nseed: 1.5\ndisc_wieght: 3\nencoder: 5\nprecision: fp16\n",
    )
    lines = refused(f"--config {file}")
    expected = {
        "lr: abc": "finite number",
        "epochs: ": "true and false are not accepted",
        "beta: -1": "at least 0",
        "seed: 1.5": "whole number",
        "disc_wieght: 3": 'did you mean "disc_weight"?',
        "encoder: 5": "quotes",
        "precision: fp16": "fp32, bf16",
    }
    assert len(lines) == len(expected)
    for start, part in expected.items():
        (line,) = [line for line in lines if line.startswith(f"{file}: {start}")]
        assert part in line


def test_every_unknown_name_and_contradiction_in_a_file_is_named(refused, tmp_path):
    file = write(
        tmp_path / "run.yaml",
        "encoder: resnt\ndecoder: resnt\npbp: bse\nsolo_epochs: 3\ndisc_weight: 2\nrun_name: a/b\n",
    )
    starts = [line.removeprefix(f"{file}: ").partition(":")[0] for line in refused(f"--config {file}")]
    assert sorted(starts) == ["decoder", "disc_weight", "encoder", "pbp", "run_name", "solo_epochs"]


def test_a_mistake_is_laid_on_whoever_wrote_it_last(refused, tmp_path):
    base = write(tmp_path / "base/base.yaml", "lr: abc\nbeta: -1\nepochs: 0\n")
    file = write(tmp_path / "run.yaml", "base: base/base.yaml\nbeta: -2\nepochs: 1\n")
    lines = refused(f"--config {file} --epochs -3")
    starts = sorted(line.rpartition(": ")[0] for line in lines)
    assert starts == sorted([f"{base}: lr: abc", f"{file}: beta: -2", "--epochs -3"])


def test_a_contradiction_in_a_file_begins_with_the_file(refused, tmp_path):
    file = write(tmp_path / "run.yaml", "depth: 3\nimage_size: 20\n")
    (line,) = refused(f"--config {file}")
    assert line.startswith(f"{file}: depth: 3: 20 pixels")


FILES_THAT_ARE_NO_CONFIG = {
    # what: (text, what the line says)
    "a list": ("- lr\n- 3\n", "`option: value`"),
    "a text": ("just words\n", "`option: value`"),
    "number as key": ("3: 4\n", "`option: value`"),
    "unclosed bracket": ("lr: 1\nbeta: [1\n", "not YAML, line 3"),
    "two colons": ("lr: 1\nbeta: 2: 3\n", "not YAML, line 2"),
    "tab": ("lr: 1\nepochs:\n\t- 3\n", "not YAML, line 3"),
    "a key twice": ("lr: 1\nbeta: 2\n'lr': 3\n", "line 3: lr stands here and in line 1"),
    "a key twice below": ("lr:\n  a: 1\n  a: 1\n", "line 3: a stands here and in line 2"),
    "a key twice in one line": ("{lr: 1, lr: 2}\n", "line 1: lr stands here and in line 1"),
}


@pytest.mark.parametrize(("text", "part"), FILES_THAT_ARE_NO_CONFIG.values(), ids=FILES_THAT_ARE_NO_CONFIG)
def test_a_file_that_is_no_config_is_refused_saying_where(refused, tmp_path, text, part):
    file = write(tmp_path / "run.yaml", text)
    (line,) = refused(f"--config {file}")
    assert line.startswith(f"--config {file}: ")
    assert part in line


def test_a_missing_base_is_named_with_the_file_that_wants_it(refused, tmp_path):
    file = write(tmp_path / "run.yaml", "base: nowhere.yaml\n")
    (line,) = refused(f"--config {file}")
    assert line.startswith(f"{file}: base: nowhere.yaml: cannot read")


@pytest.mark.parametrize("bases", [["a"], ["b", "a"], ["b", "c", "a"], ["b", "c", "b"]], ids="-".join)
def test_files_cannot_be_each_others_bases(refused, tmp_path, bases):
    for name, base in zip("abc", bases, strict=False):
        write(tmp_path / f"{name}.yaml", f"base: {base}.yaml\n")
    (line,) = refused(f"--config {tmp_path / 'a.yaml'}")
    last = "abc"[len(bases) - 1]
    assert line.startswith(f"{tmp_path / last}.yaml: base: {bases[-1]}.yaml: ")
    assert "its own base" in line


# --help


@pytest.fixture(scope="module")
def help_of() -> dict[str, str]:
    """The help text of each flag, in one line each."""
    with contextlib.redirect_stdout(io.StringIO()) as shown, pytest.raises(SystemExit) as ended:
        train_vaegan.main(["--help"])
    assert ended.value.code == 0
    entries = re.findall(r"^  (--[a-z0-9-]+)(.*(?:\n {6,}\S.*)*)", shown.getvalue(), flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in entries}


@pytest.mark.parametrize("option", config_type().model_fields)
def test_help_lists_every_option_with_its_meaning_and_default(help_of, option):
    meaning = config_type().model_fields[option].description
    assert " ".join(meaning.split()) in help_of[flag(option)]
    assert re.search(r"\(default: [^)]", help_of[flag(option)])
    assert "None" not in help_of[flag(option)]


@pytest.mark.parametrize(
    ("name", "default"),
    [("--beta", "1"), ("--disc-weight", "the preset's, or 10 with --disc"), ("--gp", "none; 10 with --adv")],
)
def test_help_says_on_which_part_the_default_of_a_weight_depends(help_of, name, default):
    assert re.search(rf"\(default: {re.escape(default)}[) ]", help_of[name])


def test_help_lists_no_flag_that_is_no_option(help_of):
    assert help_of.keys() - set(map(flag, config_type().model_fields)) == {
        "--config",
        "--dry-run",
        "--plugins",
        "--preset",
        "--resume",
    }


@pytest.mark.parametrize(
    ("name", "registry"),
    [
        ("--encoder", ENCODERS),
        ("--decoder", DECODERS),
        ("--disc", DISCRIMINATORS),
        ("--pbp", PBP_LOSSES),
        ("--dataset", datasets.DATASETS),
    ],
)
def test_help_lists_every_registered_name(help_of, name, registry):
    assert f": {', '.join(registry.names())} (" in help_of[name]
    if "timm:NAME" in dict(registry.entries()):
        assert "timm:NAME" in help_of[name]


def test_help_lists_the_families(help_of):
    assert f": {', '.join(families())} (" in help_of["--vae"]


def test_help_says_which_networks_have_a_knob(help_of):
    assert "dense 400" in help_of["--hidden-dim"]
    assert "resnet" not in help_of["--hidden-dim"]


@pytest.mark.parametrize("number", ["-1e-3", "-inf", "-.5"])
def test_negative_numbers_of_every_form_are_values_and_not_flags(command, number):
    status, _, errors = command(f"--lr {number} --dry-run")
    assert status == 2
    assert errors.startswith(f"--lr {number}: ")
    assert "expected one argument" not in errors


@pytest.mark.parametrize("typed", ["-1,1", "-1 1", "-2 -1", "0 4095"])
def test_two_numbers_are_taken_with_a_comma_and_without(typed):
    lower, upper = map(float, typed.replace(",", " ").split())
    assert config_of("--value-range", *typed.split()).value_range == (lower, upper)


def test_a_knob_of_the_encoder_alone_is_no_error(command):
    status, output, errors = command("--vae deep_conv --base-channels 8 --dry-run")
    assert status == 0, errors
    assert "base_channels: 8" in output


def test_all_unknown_knobs_are_named(command):
    status, _, errors = command("--vae dense --kernel-size 3 --depth 2 --dry-run")
    assert status == 2
    assert [line.split(":")[0] for line in errors.splitlines()] == ["--depth 2", "--kernel-size 3"]


def test_equal_options_make_equal_configs():
    assert make_config({"vae": "dense"}) == make_config({"vae": "dense"})
    assert make_config({"vae": "dense"}) != make_config({"vae": "conv"})


def test_wrong_names_and_wrong_types_are_named_together(command):
    status, _, errors = command("--encoder resnt --lr abc")
    assert status == 2
    assert [line.split(":")[0] for line in errors.splitlines()] == ["--encoder resnt", "--lr abc"]


@pytest.mark.parametrize("flags", ["--run-name " + "x" * 300, "--dataset " + "x" * 300, "--dataset="])
def test_names_that_no_file_system_takes_are_users_errors(command, flags):
    status, _, errors = command(flags)
    assert status == 2
    assert len(errors.splitlines()) == 1


def test_none_takes_away_what_a_file_sets(command, tmp_path):
    file = write(tmp_path / "run.yaml", "disc: conv\ndisc_weight: 5\nhidden_dim: 9\nvae: dense\n")
    status, output, errors = command(
        f"--config {file} --disc none --disc-weight none --hidden-dim none --dry-run"
    )
    assert status == 0, errors
    assert "disc" not in output.split("# networks")[0]
    assert "hidden_dim" not in output


def test_none_stays_the_name_of_something_that_is_called_so(command):
    status, output, errors = command("--vae conv --norm none --dry-run")
    assert status == 0, errors
    assert "norm: none" in output


def test_none_is_no_value_of_an_option_that_needs_one(command):
    status, _, errors = command("--epochs none")
    assert status == 2
    assert errors.startswith("--epochs none: not a whole number")
