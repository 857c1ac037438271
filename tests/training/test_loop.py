"""The loop: its records, its repeatability, and its stop at a loss that is not finite."""

import math

import pytest
import torch

from vaegan.config.build import build_objective, build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.errors import TrainingError
from vaegan.losses.pbp import PBP_LOSSES, BernoulliNLL
from vaegan.nets.discriminators import register_discriminator
from vaegan.objective.objective import weighted_sum
from vaegan.pixels import to_model_range
from vaegan.seeds import seed_for
from vaegan.training.held_out import evaluate
from vaegan.training.loop import train

SHAPE = (1, 16, 16)
SMALL = {"vae": "dense", "hidden_dim": 16, "latent_dim": 3, "epochs": 2, "batch_size": 8}


class Records:
    """A watcher that keeps the records and counts the steps."""

    def __init__(self):
        self.records = []
        self.steps = []

    def on_step(self, epoch, phase, meter, n_images):
        self.steps.append((epoch, phase.name, n_images))

    def on_epoch(self, record, pictures):
        self.records.append(record)


def images(n=20):
    """Blurred blobs, so that there is something to learn."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 1, 4, 4, generator=generator)
    return torch.nn.functional.interpolate(coarse, size=16, mode="bilinear").mul(255).byte()


def run(n=20, **options):
    config = resolved(make_config({**SMALL, **options}), 16)
    players = build_players(config, SHAPE)
    watcher = Records()
    train_set = Batches(images(n), config.batch_size, shuffle_seed=config.seed)
    test_set = Batches(images(12), config.batch_size)
    train(config, players, build_schedule(config), train_set, test_set, [watcher])
    return watcher, players


def without_timings(records):
    return [{k: v for k, v in r.items() if not k.startswith(("time/", "memory/"))} for r in records]


HYBRID = {"disc": "dense", "disc_hidden_dim": 8, "solo_epochs": 1}


def test_the_record_of_a_solo_and_of_a_combo_epoch():
    watcher, _ = run(**HYBRID)
    solo, combo = watcher.records
    losses = ["gen/pbp", "gen/pbp_weighted", "gen/pbp_excess", "gen/kl", "gen/kl_weighted", "gen/total"]
    more = [
        "gen/adv",
        "gen/adv_weighted",
        "disc/real",
        "disc/fake",
        "disc/total",
        "disc/acc_real",
        "disc/acc_fake",
        "disc/logit_gap",
        "disc/saturated",
    ]
    weights = ["gen/pbp", "gen/kl", "gen/adv", "disc/real", "disc/fake"]
    always = {"epoch", "phase", "time/epoch_s", "time/test_s", "time/images_per_s", "memory/peak_mib"}
    always |= {f"weight/{key}" for key in weights}
    always |= {"lr/gen", "lr/disc", "test/gen/diversity", "alarm/posterior"}
    more += ["disc/jsd", "disc/adv", "disc/real_weighted", "disc/fake_weighted"]
    solo_keys = {f"{split}/{key}" for split in ("train", "test") for key in losses}
    combo_keys = {f"{split}/{key}" for split in ("train", "test") for key in losses + more}
    assert set(solo) == always | solo_keys | {"train/gen/grad_norm"}
    norms = {"train/gen/grad_norm", "train/disc/grad_norm"}
    alarms = {"alarm/collapse", "alarm/disc_wins"}
    at = ("grad_logits", "grad_x_hat", "grad_last_layer", "share")
    ledger = {f"train/gen/{term}_{each}" for term in ("pbp", "adv") for each in at} | {"train/gen/adv_cosine"}
    assert set(combo) == always | combo_keys | norms | alarms | ledger | {"test/disc/auc"}
    assert (solo["epoch"], solo["phase"], combo["epoch"], combo["phase"]) == (0, "solo", 1, "combo")
    assert [record["weight/gen/adv"] for record in (solo, combo)] == [0, 10]


def test_totals_are_the_sums_of_the_weighted_terms():
    watcher, _ = run(**HYBRID, pbp_weight=0.5, beta=2, disc_weight=7)
    combo = watcher.records[1]
    for split in ("train", "test"):
        terms = {term: combo[f"{split}/gen/{term}"] for term in ("pbp", "kl", "adv")}
        assert combo[f"{split}/gen/pbp_weighted"] == pytest.approx(0.5 * terms["pbp"])
        assert combo[f"{split}/gen/total"] == pytest.approx(
            0.5 * terms["pbp"] + 2 * terms["kl"] + 7 * terms["adv"]
        )
        assert combo[f"{split}/disc/total"] == pytest.approx(
            combo[f"{split}/disc/real"] + combo[f"{split}/disc/fake"]
        )


def test_pbp_excess_is_what_lies_above_the_images_own_entropy():
    watcher, _ = run()
    for split, n in (("train", 20), ("test", 12)):
        record = watcher.records[0]
        expected = record[f"{split}/gen/pbp"] - BernoulliNLL.floor(images(n) / 255).item()
        assert record[f"{split}/gen/pbp_excess"] == pytest.approx(expected)
        assert record[f"{split}/gen/pbp_excess"] > 0


def test_a_gated_epoch_trains_without_the_learned_loss_and_still_reports_it():
    watcher, _ = run(**{**HYBRID, "solo_epochs": 0}, max_disc_loss=0)
    first, second = watcher.records
    assert [record["weight/gen/adv"] for record in (first, second)] == [10, 0]
    assert "train/gen/adv" in first and "train/gen/adv" not in second
    assert second["test/gen/adv"] > 0 and second["test/gen/adv_weighted"] == 0
    assert second["train/disc/total"] != first["train/disc/total"]  # D goes on training


def test_means_count_images_so_that_a_small_last_batch_does_not_weigh_more():
    watcher, _ = run(n=18, epochs=1, lr=1e-12)  # weights as good as fixed
    whole, _ = run(n=18, epochs=1, lr=1e-12, batch_size=18)
    assert [n for _, _, n in watcher.steps] == [8, 8, 2]
    assert watcher.records[0]["train/gen/kl"] == pytest.approx(whole.records[0]["train/gen/kl"], rel=1e-4)


@pytest.mark.parametrize(
    "options", [{}, HYBRID, {**HYBRID, "vae": "conv", "hidden_dim": None, "base_channels": 4}]
)
def test_the_same_seed_gives_the_same_records_and_another_seed_does_not(options):
    first, second, other = (run(seed=seed, **options)[0].records for seed in (3, 3, 4))
    assert without_timings(first) == without_timings(second)
    assert without_timings(first) != without_timings(other)


def test_seeds_are_distinct_so_that_seed_1_is_not_seed_0_shifted_by_a_step():
    seeds = [seed_for(seed, "step", step) for seed in range(20) for step in range(20)]
    assert len(set(seeds)) == len(seeds)


def test_each_epoch_has_an_order_of_its_own(monkeypatch):
    asked = []
    epoch_of = Batches.epoch
    monkeypatch.setattr(
        Batches, "epoch", lambda self, epoch=0, start=0: (asked.append(epoch), epoch_of(self, epoch))[1]
    )
    run(epochs=3)
    # the held-out images for their floor; then training, and the held-out in their one order
    assert asked == [0, 0, 0, 1, 0, 2, 0]


def test_the_discriminator_has_a_learning_rate_of_its_own():
    config = {**HYBRID, "solo_epochs": 0, "epochs": 1}
    before = build_players(resolved(make_config({**SMALL, **config}), 16), SHAPE)
    _, fixed = run(**config, disc_lr=1e-12)
    _, moved = run(**config, disc_lr=1e-2)
    start = torch.cat([p.flatten() for p in before.parameters_of("disc")])
    step = {
        name: (torch.cat([p.flatten() for p in players.parameters_of("disc")]) - start).abs().max().item()
        for name, players in (("fixed", fixed), ("moved", moved))
    }
    assert step["fixed"] < 1e-6 < 1e-3 < step["moved"]


def test_evaluation_leaves_the_networks_as_they_are():
    config = resolved(
        make_config({"vae": "conv", "base_channels": 4, "disc": "conv", "disc_base_channels": 4}), 16
    )
    players = build_players(config, SHAPE)
    before = {name: value.clone() for name, value in players.state_dict().items()}
    weights = build_schedule(config).at(config.epochs - 1).weights
    evaluate(players, build_objective(config, players), weights, Batches(images(), 8), seed=0)
    assert all(value.equal(before[name]) for name, value in players.state_dict().items())
    assert players.training


def test_a_penalty_that_draws_changes_no_other_terms_held_out_noise():
    """Two batches are held out: the points of the first must not move the noise of the second."""
    options = {**HYBRID, "solo_epochs": 0, "epochs": 1, "lr": 1e-12}
    without, beside = (run(**options, **penalty)[0].records[0] for penalty in ({"r1": 1}, {"gp": 10}))
    keys = [f"test/{key}" for key in ("gen/pbp", "gen/kl", "gen/adv", "disc/real", "disc/fake")]
    assert [beside[key] for key in keys] == pytest.approx([without[key] for key in keys], rel=1e-6)


def test_each_terms_held_out_noise_is_its_own_and_the_same_every_time():
    config = resolved(make_config({**SMALL, **HYBRID, "solo_epochs": 0, "gp": 10}), 16)
    players = build_players(config, SHAPE)
    objective = build_objective(config, players)
    images_, weights = Batches(images(12), 8), build_schedule(config).at(0).weights
    penalty = objective.terms["disc"]["gp"]
    draws = []

    def draw(views):
        draws.append(torch.rand(3).tolist())
        return penalty(views)

    def held_out(**terms):
        draws.clear()
        objective.terms["disc"] |= {"gp": draw} | terms
        evaluate(players, objective, weights, images_, seed=0)
        return list(draws)

    first, again = held_out(), held_out()
    other = held_out(real=lambda views: torch.rand(5).sum() + views.logits_real.mean())
    assert first == again == other
    assert first[0] != first[1]  # each batch has draws of its own


def test_a_gaussians_sigma_is_reported():
    watcher, players = run(pbp="gaussian")
    assert watcher.records[-1]["train/gen/sigma"] == pytest.approx(players.pbp.log_sigma.exp().item())


def test_solo_epochs_do_not_depend_on_there_being_a_discriminator():
    alone, _ = run(epochs=1)
    beside, players = run(**HYBRID | {"epochs": 1})
    keys = ["train/gen/pbp", "train/gen/kl", "test/gen/pbp", "test/gen/kl"]
    assert [alone.records[0][key] for key in keys] == [beside.records[0][key] for key in keys]
    assert all(p.grad is None for p in players.parameters_of("disc"))


@pytest.mark.parametrize(("accumulate", "fakes"), [(1, None), (2, None), (1, "both"), (2, "samples")])
def test_while_d_warms_up_the_vae_is_that_of_a_solo_epoch_to_the_bit(accumulate, fakes):
    """Batch norm sees each batch once, and D's draws (noise, DiffAugment, points) are its own."""
    conv = {
        "vae": "conv",
        "hidden_dim": None,
        "base_channels": 4,
        "disc": "conv",
        "disc_base_channels": 4,
        "ema": 0.9,
    }
    games = {"gp": 10, "r1": 1, "instance_noise": 0.2, "diffaug": "translation", "disc_steps": 2}
    options = {**conv, **games, "epochs": 3, "solo_epochs": 3, "accumulate": accumulate}
    alone, vae = run(**options)
    beside, players = run(**options, disc_warmup_epochs=2, fakes=fakes, adv_to=fakes and "decoder")
    assert [record["phase"] for record in beside.records] == ["solo", "warmup", "warmup"]
    without_d = [
        {key: value for key, value in record.items() if "disc" not in key and key != "phase"}
        for record in without_timings(beside.records)
    ]
    expected = [
        {key: value for key, value in record.items() if "disc" not in key and key != "phase"}
        for record in without_timings(alone.records)
    ]
    assert without_d == expected
    states = [
        {name: value for name, value in each.state_dict().items() if not name.startswith("disc.")}
        for each in (vae, players)
    ]
    assert all(value.equal(states[1][name]) for name, value in states[0].items())
    assert not any(p.grad is None for p in players.parameters_of("disc"))


def test_a_share_of_0_is_the_vae_to_the_bit():
    without = run(**{name: value for name, value in HYBRID.items() if not name.startswith(("disc", "solo"))})
    for weight in ("share(0)", "0"):
        steered = run(**{**HYBRID, "disc_weight": weight, "feature_matching": "share(0)", "fm_layers": 1})
        for (name, ours), theirs in zip(
            without[1].state_dict().items(),
            (steered[1].state_dict()[n] for n in without[1].state_dict()),
            strict=True,
        ):
            assert ours.equal(theirs), name


def test_a_share_is_held_within_a_tenth_after_its_first_steps():
    options = {**HYBRID, "epochs": 9, "solo_epochs": 1, "disc_weight": "share(0.3)"}
    watcher, _ = run(n=512, **options, feature_matching="share(0.2)", fm_layers=[1])
    assert "train/gen/adv_share" not in watcher.records[0]  # a solo epoch has one term at the pixels
    late = watcher.records[4:]  # the ledger samples but two steps an epoch, of eight images each
    for term, share in (("adv", 0.3), ("feature_matching", 0.2), ("pbp", 0.5)):
        shares = [record[f"train/gen/{term}_share"] for record in late]
        assert sum(shares) / len(shares) == pytest.approx(share, rel=0.1)
    for record in late:
        assert record["weight/gen/adv"] > 0
        weighted = record["test/gen/adv"] * record["weight/gen/adv"]
        assert record["test/gen/adv_weighted"] == pytest.approx(weighted)


PULLS = {"logits", "hat", "layer", "cosine", "share"}  # endings of the ledger's keys


def test_d_is_trained_and_measured_while_it_warms_up():
    """On reconstructions that stay as they are, D's loss falls; its figures are those of a combo epoch."""
    options = {**HYBRID, "epochs": 9, "solo_epochs": 8, "disc_warmup_epochs": 6, "lr": 1e-12, "disc_lr": 1e-2}
    watcher, _ = run(n=64, **options)
    solo, *warmup, combo = watcher.records[1:]
    losses = [record["test/disc/adv"] for record in warmup]
    assert losses == sorted(losses, reverse=True)
    assert not any(key.startswith(("train/disc", "test/disc")) for key in solo)
    of_game = {key for key in combo if "gen/adv" in key and key.startswith("t")} | {
        key for key in combo if key.startswith("alarm/") and key not in solo
    }
    ledger = {key for key in combo if key.startswith("train/gen/") and set(key.split("_")) & PULLS}
    assert set(combo) - set(warmup[0]) == of_game | ledger
    assert not any("gen/adv" in key for key in warmup[0] if not key.startswith("weight/"))
    assert [warmup[0][f"weight/{term}"] for term in ("gen/adv", "disc/real", "disc/fake")] == [0, 1, 1]


@pytest.mark.parametrize("pbp", [name for name, _ in PBP_LOSSES.entries()])
def test_training_lowers_the_loss(pbp):
    watcher, _ = run(n=64, epochs=12, pbp=pbp, lr=1e-2)
    first, last = watcher.records[0], watcher.records[-1]
    assert last["train/gen/total"] < first["train/gen/total"]
    assert last["test/gen/total"] < first["test/gen/total"]
    assert last["test/gen/kl"] >= 0


def test_bf16_trains_to_about_the_same_losses():
    full, half = (run(precision=precision, **HYBRID)[0].records[-1] for precision in ("fp32", "bf16"))
    assert half["train/gen/total"] != full["train/gen/total"]
    assert half["train/gen/total"] == pytest.approx(full["train/gen/total"], rel=0.05)


def test_pm1_pixels_with_a_tanh():
    watcher, players = run(pbp="mse", pixel_range="pm1")
    assert math.isfinite(watcher.records[-1]["test/gen/total"])
    x_hat = players.reconstruct(torch.full((1, *SHAPE), -1.0))
    assert x_hat.min() < 0 and x_hat.abs().max() <= 1


def test_a_loss_that_is_not_finite_stops_the_run_and_names_it():
    with pytest.raises(TrainingError, match=r"train/gen/\w+ became (nan|inf) in epoch 1"):
        run(lr=1e30)


def test_a_discriminator_from_outside_the_package_trains():
    @register_discriminator("mean_of_test")
    class MeanDiscriminator(torch.nn.Module):
        def __init__(self, image_shape, *, slope: float = 1.0):
            super().__init__()
            self.slope = slope
            self.bias = torch.nn.Parameter(torch.zeros(()))

        def forward(self, x):
            return self.slope * x.flatten(1).mean(1) + self.bias

    _, players = run(disc="mean_of_test", disc_slope="2.5", solo_epochs=0)
    assert players.disc.slope == 2.5
    assert players.disc.bias.item() != 0


def test_augmented_images_are_what_is_trained_on_and_their_own_entropy_is_the_floor(monkeypatch):
    seen = []

    def upside_down(names):
        assert names == ["vflip"]
        return lambda x: (seen.append(x.clone()), x.flip(-2) * 0.5)[1]

    plain, _ = run(epochs=2, lr=1e-12)
    monkeypatch.setattr("vaegan.training.step.build_augmentation", upside_down)
    watcher, _ = run(epochs=2, lr=1e-12, augment=["vflip"])
    assert [len(x) for x in seen] == [8, 8, 4] * 2
    assert 0.9 < torch.cat(seen).max() <= 1  # given in [0, 1]
    floor = BernoulliNLL.floor(images() / 255 * 0.5).item()
    for record, unchanged in zip(watcher.records, plain.records, strict=True):
        assert record["train/gen/pbp"] - record["train/gen/pbp_excess"] == pytest.approx(floor)
        assert record["test/gen/pbp"] == pytest.approx(unchanged["test/gen/pbp"])  # held out: as they are


@pytest.mark.parametrize(
    "options", [{"pbp_weight": 0}, {"pbp": "gaussian", "pbp_weight": 0, "disc": "dense", "solo_epochs": 0}]
)
def test_parameters_without_a_gradient_have_no_part_in_the_norm(options):
    watcher, _ = run(epochs=1, **options)
    assert watcher.records[0]["train/gen/grad_norm"] > 0


def test_gradient_norms_are_those_of_autograd():
    config = resolved(make_config({**SMALL, **HYBRID, "solo_epochs": 0, "epochs": 1, "batch_size": 20}), 16)
    players = build_players(config, SHAPE)
    objective = build_objective(config, players)
    phase = build_schedule(config).at(0)
    order = next(Batches(images(), 20, shuffle_seed=config.seed).epoch(0))
    torch.manual_seed(seed_for(config.seed, "step", 0))
    views = objective.views(to_model_range(order, "01"), torch.randn(20, config.latent_dim))
    loss = weighted_sum(objective.play("disc", views, phase.weights["disc"]), phase.weights["disc"])
    gradients = torch.autograd.grad(loss, list(players.parameters_of("disc")))
    expected = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    watcher, _ = run(**HYBRID | {"solo_epochs": 0, "epochs": 1, "batch_size": 20})
    assert watcher.records[0]["train/disc/grad_norm"] == pytest.approx(expected, rel=1e-5)
    assert watcher.records[0]["train/gen/grad_norm"] > 0
