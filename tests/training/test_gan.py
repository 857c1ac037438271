"""GANs through the whole program: their files, the players' steps, the effect of each stabiliser."""

import json
import math

import numpy as np
import pytest
import safetensors.torch
import torch
import yaml
from PIL import Image
from test_loop import images, run, without_timings

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.errors import TrainingError, UserError
from vaegan.losses.adversarial import ADVERSARIAL
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators.dense import DenseDiscriminator
from vaegan.objective.weights import Time
from vaegan.objective.weights.constant import Constant
from vaegan.training.checkpoint import last_checkpoint

GAN = {"vae": None, "gan": "dense", "disc": "dense", "disc_hidden_dim": 8}
SHAPE = (1, 16, 16)


def built(**options):
    return build_players(
        resolved(make_config({"latent_dim": 3, "hidden_dim": 8, **GAN, **options}), 16), SHAPE
    )


def flat(parameters):
    return torch.cat([parameter.detach().flatten() for parameter in parameters])


# The run as a user makes it


@pytest.fixture
def gan_folder(command, tmp_path):
    flags = "--gan deep_conv --disc deep_conv --disc-base-channels 8 --image-size 16 --latent-dim 5 "
    status, _, errors = command(flags + "--epochs 3 --batch-size 400 --figure-epochs 1,3 --run-name gan")
    assert status == 0, errors
    return tmp_path / "runs" / "gan"


def test_a_gan_leaves_its_players_its_grids_and_an_animation(gan_folder):
    files = sorted(str(path.relative_to(gan_folder)) for path in gan_folder.rglob("*") if path.is_file())
    assert files == [
        ".lock",
        "DCGAN_model_D.pth",
        "DCGAN_model_G.pth",
        "checkpoints/step-00000008.safetensors",
        "checkpoints/step-00000012.safetensors",
        "config.yaml",
        "environment.json",
        "figures/curves.png",
        "figures/samples.gif",
        "figures/samples.png",
        "figures/samples/epoch-0001.png",
        "figures/samples/epoch-0003.png",
        "metrics.jsonl",
    ]
    first, last = (gan_folder / "figures" / "samples" / f"epoch-000{n}.png" for n in (1, 3))
    assert first.read_bytes() != last.read_bytes()
    assert (gan_folder / "figures" / "samples.png").read_bytes() == last.read_bytes()
    with Image.open(gan_folder / "figures" / "samples.gif") as animation, Image.open(last) as picture:
        assert animation.n_frames == 2 and animation.size == picture.size
        animation.seek(1)
        shown, drawn = (np.array(image.convert("L"), dtype=float) for image in (animation, picture))
        assert np.abs(shown - drawn).mean() < 3  # of 255: a GIF has 256 colours


def test_the_saved_players_are_those_of_the_checkpoint(gan_folder):
    everything = safetensors.torch.load_file(last_checkpoint(gan_folder / "checkpoints"))
    for name, part in (("DCGAN_model_G.pth", "decoder."), ("DCGAN_model_D.pth", "disc.")):
        saved = torch.load(gan_folder / name, weights_only=True)
        assert {part + key for key in saved} == {key for key in everything if key.startswith(part)}
        assert all(value.equal(everything[part + key]) for key, value in saved.items())


def test_a_gans_config_given_back_makes_the_same_run(gan_folder, command, tmp_path):
    status, _, errors = command(f"--config {gan_folder / 'config.yaml'} --run-name again")
    assert status == 0, errors
    rows = [(f / "metrics.jsonl").read_text().splitlines() for f in (gan_folder, tmp_path / "runs" / "again")]
    first, again = ([json.loads(line) for line in lines] for lines in rows)
    assert without_timings(first) == without_timings(again)


# One loop


@pytest.mark.parametrize("adv", ADVERSARIAL.names())
@pytest.mark.parametrize("parts", [GAN, {"disc": "dense", "disc_hidden_dim": 8, "solo_epochs": 1}])
def test_every_adversarial_loss_trains_a_gan_and_a_hybrid(adv, parts):
    clip = {"weight_clip": 0.1} if adv == "wgan" else {}
    watcher, _ = run(**parts, adv=adv, epochs=3, **clip)
    record = watcher.records[-1]
    gan = "gan" in parts
    assert record["phase"] == ("gan" if gan else "combo")
    assert ("test/gen/pbp" in record) != gan
    for term in ADVERSARIAL.find(adv)[0].disc_weights:
        assert math.isfinite(record[f"test/disc/{term}"])
    total = sum(
        record[f"weight/disc/{term}"] * record[f"test/disc/{term}"]
        for term in (*ADVERSARIAL.find(adv)[0].disc_weights, *(["gp"] if adv == "wgan-gp" else []))
    )
    assert record["test/disc/total"] == pytest.approx(total)


@pytest.mark.parametrize("gan", [name for name, _ in DECODERS.entries()])
def test_every_decoder_is_a_generator(gan):
    watcher, players = run(vae=None, gan=gan, disc="dense", hidden_dim=None, epochs=1)
    assert watcher.records[0]["phase"] == "gan"
    assert players.encoder is None and players.pixel_range == "pm1"


def test_a_gan_has_no_reconstructions_to_give():
    with pytest.raises(UserError, match="no encoder"):
        built().reconstruct(torch.zeros(1, *SHAPE))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (
            {},
            {
                "lr": Constant(2e-4),
                "betas": (0.5, 0.999),
                "disc_steps": 1,
                "init": "default",
                "pixel_range": "pm1",
            },
        ),
        ({"gan": "deep_conv"}, {"init": "dcgan"}),
        ({"adv": "wgan", "weight_clip": 0.01}, {"lr": Constant(5e-5), "betas": (0, 0.9), "disc_steps": 5}),
        (
            {"adv": "wgan-gp"},
            {"lr": Constant(1e-4), "betas": (0, 0.9), "disc_steps": 5, "gp": Constant(10.0)},
        ),
        ({"lr": 1e-3}, {"lr": Constant(1e-3), "disc_lr": Constant(1e-3)}),
        ({"betas": "0.1,0.2", "disc_betas": [0.3, 0.4]}, {"betas": (0.1, 0.2), "disc_betas": (0.3, 0.4)}),
    ],
)
def test_a_gans_defaults_are_its_papers(options, expected):
    config = resolved(make_config({"gan": "dense", "disc": "dense", **options}), 32)
    assert {name: getattr(config, name) for name in expected} == expected


def test_a_hybrid_keeps_its_defaults_whatever_the_loss():
    config = resolved(make_config({"disc": "dense", "adv": "wgan-gp"}), 32)
    assert (config.lr.value, config.betas, config.disc_steps, config.gp.at(Time())) == (
        1e-3,
        (0.9, 0.999),
        1,
        10,
    )


# Steps of the players


def test_with_more_steps_of_d_gen_changes_in_the_last_of_them_alone():
    watcher, players = run(n=16, **GAN, disc_steps=3, epochs=1)  # two batches
    before = built(hidden_dim=16)
    assert flat(players.decoder.parameters()).equal(flat(before.decoder.parameters()))
    assert not flat(players.disc.parameters()).equal(flat(before.disc.parameters()))
    assert "train/gen/adv" not in watcher.records[0] and "train/gen/total" not in watcher.records[0]
    _, players = run(n=24, **GAN, disc_steps=3, epochs=1)  # three
    assert not flat(players.decoder.parameters()).equal(flat(before.decoder.parameters()))


def test_weight_clipping_bounds_every_weight_of_d_and_none_of_gen():
    _, players = run(**GAN, adv="wgan", weight_clip=0.01)
    assert flat(players.disc.parameters()).abs().max() <= 0.01
    assert flat(players.decoder.parameters()).abs().max() > 0.01


def test_spectral_norm_holds_every_layers_largest_singular_value_at_one():
    _, players = run(**GAN, spectral_norm=True, epochs=6)
    for layer in players.disc.eval().modules():
        if isinstance(layer, torch.nn.Linear):
            largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
            assert largest == pytest.approx(1, abs=0.05)


def test_d_under_spectral_norm_is_saved_as_it_computes(command, tmp_path):
    command("--gan dense --disc dense --spectral-norm --epochs 1 --batch-size 400 --run-name spectral")
    disc = DenseDiscriminator((1, 32, 32))
    disc.load_state_dict(torch.load(tmp_path / "runs/spectral/DCGAN_model_D.pth", weights_only=True))
    assert torch.linalg.matrix_norm(disc.stages[0][1][0].weight, 2).item() == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("penalty", ["gp", "r1", "r2"])
def test_a_penalty_turns_auto_to_group_norm(penalty):
    options = {"gan": "conv", "disc": "conv", "hidden_dim": None, "disc_hidden_dim": None}
    plain, penalised = built(**options), built(**options, **{penalty: 1})
    assert any(isinstance(m, torch.nn.BatchNorm2d) for m in plain.disc.modules())
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in penalised.disc.modules())
    assert any(isinstance(m, torch.nn.GroupNorm) for m in penalised.disc.modules())


def test_penalties_are_reported_and_weighted():
    watcher, _ = run(**GAN, r1=4, gp=10, penalty_every=2, epochs=1)
    record = watcher.records[0]
    for split in ("train", "test"):
        assert record[f"{split}/disc/r1_weighted"] == pytest.approx(4 * record[f"{split}/disc/r1"])
        assert record[f"{split}/disc/r1"] > 0 and record[f"{split}/disc/gp"] > 0


def test_the_gate_and_the_draw_are_of_ds_loss_without_penalties():
    records = run(**GAN, gp=100, max_disc_loss=2, epochs=3)[0].records
    for record in records:
        assert record["train/disc/total"] > 2 > record["train/disc/adv"]
        assert record["weight/gen/adv"] == 1
        for split in ("train", "test"):
            loss = record[f"{split}/disc/real"] + record[f"{split}/disc/fake"]
            assert record[f"{split}/disc/adv"] == pytest.approx(loss)


# Stabilisers


def test_pretrained_weights_are_kept(monkeypatch):
    import timm

    create = timm.create_model

    def pretrained_model(name, **options):
        model = create(name, **options | {"pretrained": False})
        if options.get("pretrained"):
            torch.nn.init.constant_(model.conv1.weight, 0.5)
        return model

    monkeypatch.setattr(timm, "create_model", pretrained_model)
    options = {"gan": "deep_conv", "disc": "timm:resnet18", "hidden_dim": None, "disc_hidden_dim": None}
    kept = dict(built(**options, disc_pretrained=True).disc.named_parameters())
    assert (next(value for name, value in kept.items() if name.endswith("conv1.weight")) == 0.5).all()


def test_dcgans_initial_weights():
    players = built(gan="deep_conv", disc="deep_conv", hidden_dim=None, disc_hidden_dim=None)
    for network in (players.decoder, players.disc):
        for layer in network.modules():
            if isinstance(layer, (torch.nn.Conv2d, torch.nn.ConvTranspose2d, torch.nn.Linear)):
                if layer.weight.numel() > 1000:
                    assert layer.weight.mean().item() == pytest.approx(0, abs=0.002)
                    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.1)
                assert layer.bias is None or not layer.bias.any()
            if isinstance(layer, torch.nn.BatchNorm2d):
                assert layer.weight.mean().item() == pytest.approx(1, abs=0.02)
                assert 0.01 < layer.weight.std().item() < 0.03
                assert not layer.bias.any()


def test_the_average_follows_the_decoder_copies_its_buffers_and_is_what_draws():
    options = {"gan": "conv", "disc": "dense", "hidden_dim": None, "ema": 0.9}
    before = built(**options)
    torch.manual_seed(0)
    expected = flat(before.decoder.parameters()).clone()
    for step in range(1, 41):
        with torch.no_grad():
            for parameter in before.decoder.parameters():
                parameter.add_(torch.randn_like(parameter))
        next(before.decoder.buffers()).add_(1)
        before.average(step)
        decay = 0.0 if step == 1 else min(0.9, 1 - step ** (-2 / 3))  # the first is a copy, then it warms up
        expected = decay * expected + (1 - decay) * flat(before.decoder.parameters())
    torch.testing.assert_close(flat(before.trained_decoder.parameters()), expected)
    for buffer, copied in zip(before.decoder.buffers(), before.trained_decoder.buffers(), strict=True):
        assert buffer.equal(copied)
    z = torch.randn(2, 3)
    torch.testing.assert_close(before.eval().decode(z), before.trained_decoder(z))
    assert not before.decode(z).equal(before.decoder(z))
    torch.testing.assert_close(before.train().decode(z), before.decoder(z))


def test_averaged_weights_are_what_a_run_saves(command, tmp_path):
    command("--gan dense --disc dense --ema 0.5 --epochs 1 --batch-size 400 --run-name averaged")
    folder = tmp_path / "runs" / "averaged"
    everything = safetensors.torch.load_file(last_checkpoint(folder / "checkpoints"))
    saved = torch.load(folder / "DCGAN_model_G.pth", weights_only=True)
    for name, value in saved.items():
        assert value.equal(everything[f"ema.module.{name}"]) and not value.equal(
            everything[f"decoder.{name}"]
        )


@pytest.mark.parametrize(
    "options",
    [
        {"label_smoothing": 0.2},
        {"instance_noise": 0.5},
        {"diffaug": "colour,translation,cutout"},
        {"disc_steps": 2},
        {"betas": "0,0.5"},
        {"disc_betas": "0,0.5"},
        {"disc_lr": 1e-3},
        {"lr_schedule": "cosine"},
        {"warmup_epochs": 1},
        {"init": "dcgan"},
        {"adv": "hinge"},
        {"r1": 1},
    ],
    ids=str,
)
def test_every_option_of_the_game_changes_the_run_and_repeats_itself(options):
    plain = run(**GAN)[1]
    first, again = run(**GAN, **options)[1], run(**GAN, **options)[1]
    assert flat(first.parameters()).equal(flat(again.parameters()))
    assert not flat(first.parameters()).equal(flat(plain.parameters()))


def test_a_distance_is_reported_where_d_sees_clean_images():
    clean = run(**GAN, label_smoothing=0.2)[0].records[-1]
    noised = run(**GAN, instance_noise=0.5, instance_noise_epochs=5)[0].records[-1]
    for split in ("train", "test"):
        assert f"{split}/disc/jsd" in clean
    assert "train/disc/jsd" not in noised and "test/disc/jsd" in noised
    # D's own loss is smoothed, the estimate is not
    assert clean["test/disc/jsd"] != pytest.approx(math.log(2) - clean["test/disc/total"] / 2, abs=1e-4)
    plain = run(**GAN)[0].records[-1]
    assert plain["test/disc/jsd"] == pytest.approx(math.log(2) - plain["test/disc/total"] / 2, abs=1e-5)
    assert noised["weight/disc/instance_noise"] == pytest.approx(0.4)


COURSE = {"lr": "linear(0.5, 0.25, 1)", "disc_lr": "linear(0.05, 0.025, 1)"}


@pytest.mark.parametrize(
    ("options", "rates"),
    [
        ({}, [0.5, 0.5, 0.5, 0.5]),
        ({"lr_schedule": "step", "lr_decay": 0.1, "lr_decay_every": 2}, [0.5, 0.05, 0.05, 0.005]),
        ({"lr_schedule": "cosine"}, [0.5 * (1 + math.cos(math.pi * n / 4)) / 2 for n in (1, 2, 3, 4)]),
        ({"lr_schedule": "poly"}, [0.375, 0.25, 0.125, 0]),
        ({"lr_schedule": "tanh"}, [0.5 * (1 - math.tanh(-7 + 10 * n / 4)) / 2 for n in (1, 2, 3)] + [0]),
        ({"warmup_epochs": 2}, [0.5 * (0.01 + 0.99 / 2), 0.5, 0.5, 0.5]),
        (COURSE, [0.25] * 4),
    ],
    ids=str,
)
def test_learning_rates_at_the_end_of_each_epoch(options, rates):
    records = run(**{**GAN, "lr": 0.5, "disc_lr": 0.05, "epochs": 4, **options})[0].records
    assert [record["lr/gen"] for record in records] == pytest.approx(rates, abs=2e-4)
    assert [record["lr/disc"] for record in records] == pytest.approx([rate / 10 for rate in rates], abs=2e-5)


HALF = [0.5 * (1 + math.cos(math.pi * n / 2)) / 2 for n in (1, 2)]


@pytest.mark.parametrize(
    ("options", "gen", "disc"),
    [
        ({"lr_schedule": "cosine"}, [0.5 * (1 + math.cos(math.pi * n / 4)) / 2 for n in range(1, 5)], HALF),
        ({"lr_schedule": "poly"}, [0.375, 0.25, 0.125, 0], [0.25, 0]),
        (
            {"lr_schedule": "step", "lr_decay": 0.1, "lr_decay_every": 1},
            [0.05, 5e-3, 5e-4, 5e-5],
            [0.05, 5e-3],
        ),
        ({"lr_schedule": "cosine", "lr_epochs": 3}, [0.375, 0.125, 0, 0], [0, 0]),
        ({"warmup_epochs": 1}, [0.5] * 4, [0.5, 0.5]),
        (COURSE, [0.25] * 4, [0.25, 0.25]),
        (
            {"lr": "linear(0.5, 0, 100%)", "disc_lr": "linear(0.05, 0, 100%)"},
            [0.375, 0.25, 0.125, 0],
            [0.25, 0],
        ),
    ],
    ids=str,
)
def test_the_discriminators_schedule_covers_its_own_epochs(options, gen, disc):
    hybrid = {**GAN, "gan": None, "vae": "dense", "epochs": 4, "solo_epochs": 2, "lr": 0.5, "disc_lr": 0.05}
    records = run(**hybrid | options)[0].records
    start = 0.01 if "warmup_epochs" in options else 1
    assert [record["lr/gen"] for record in records] == pytest.approx(gen, abs=2e-4)
    assert [record["lr/disc"] for record in records] == pytest.approx(
        [0.05 * start] * 2 + [rate / 10 for rate in disc], abs=2e-5
    )


@pytest.mark.parametrize(
    "options",
    [{"lr_schedule": "cosine"}, {"warmup_epochs": 1}, {"disc_lr": "exp(0.1, 0.001, 100%)"}],
    ids=str,
)
def test_the_discriminators_epochs_begin_with_its_warm_up(options):
    """Its rates are those of a run that has as many epochs with it in all."""
    rates = {"epochs": 5, "lr": 0.5, "disc_lr": 0.05, **options}
    hybrid = {**GAN, "gan": None, "vae": "dense", **rates}
    warmed = run(**hybrid, solo_epochs=3, disc_warmup_epochs=1)[0].records
    without = run(**hybrid, solo_epochs=2)[0].records
    for player in ("gen", "disc"):
        assert [r[f"lr/{player}"] for r in warmed] == [r[f"lr/{player}"] for r in without]


# What goes wrong


def test_a_loss_that_is_not_finite_stops_the_run_naming_term_epoch_and_step(monkeypatch):
    calls = []
    whole = ADVERSARIAL.find("nonsaturating")[0].gen

    def gen(self, real, fake):
        if torch.is_grad_enabled() and fake.requires_grad:
            calls.append(1)
        return whole(self, real, fake) * (math.nan if len(calls) == 5 else 1)

    monkeypatch.setattr(ADVERSARIAL.find("nonsaturating")[0], "gen", gen)
    with pytest.raises(TrainingError, match=r"train/gen/adv became nan in epoch 2, step 5;"):
        run(**GAN)  # three batches an epoch


def test_the_weights_of_the_last_whole_epoch_are_kept(command, tmp_path, monkeypatch):
    flags = "--gan dense --disc dense --batch-size 400 --epochs 3 --run-name "
    command(flags + "whole --epochs 1")
    calls = []
    whole = ADVERSARIAL.find("nonsaturating")[0].gen

    def gen(self, real, fake):
        calls.append(fake.requires_grad)
        return whole(self, real, fake) * (math.nan if sum(calls) == 6 else 1)

    monkeypatch.setattr(ADVERSARIAL.find("nonsaturating")[0], "gen", gen)
    status, output, errors = command(flags + "broken")
    assert status == 1
    assert errors.startswith("stopped: train/gen/adv became nan in epoch 2, step 6; ")
    last, expected = (
        last_checkpoint(tmp_path / "runs" / name / "checkpoints") for name in ("broken", "whole")
    )
    assert f"the last checkpoint, from before that, is {last}" in output
    kept, expected = (safetensors.torch.load_file(path) for path in (last, expected))
    assert all(value.equal(expected[name]) for name, value in kept.items())
    assert not list((tmp_path / "runs" / "broken").glob("*.pth"))


def test_alarms_are_printed_when_they_begin_and_written_down(command, tmp_path):
    flags = "--gan dense --disc dense --init dcgan --batch-size 400 --epochs 5 --lr 1e-9 --run-name alarm"
    status, output, _ = command(flags)
    assert status == 0
    records = [json.loads(line) for line in (tmp_path / "runs/alarm/metrics.jsonl").read_text().splitlines()]
    assert [record["alarm/collapse"] for record in records] == [0, 0, 0, 1, 1]
    assert output.count("samples have become alike") == 1
    assert yaml.safe_load((tmp_path / "runs/alarm/config.yaml").read_text())["lr"] == 1e-9


def test_samples_as_different_as_originals_have_a_diversity_of_one():
    from vaegan.training.pictures import originals, spread

    x = originals(Batches(images(12), 5))
    assert x.equal(images(12) / 255)
    pairs = [(x[i] - x[j]).norm() for i in range(12) for j in range(i)]
    assert spread(x) == pytest.approx(torch.stack(pairs).mean().item(), rel=1e-5)
    assert spread(x[:1]) == 0
