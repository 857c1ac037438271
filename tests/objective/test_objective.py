"""The players are isolated, push in the right direction, and share one encoder-decoder pass."""

from collections import Counter
from types import SimpleNamespace

import pytest
import torch

from vaegan.config.build import build_objective, build_players, objective_of
from vaegan.config.make import make_config, resolved
from vaegan.losses.adversarial import ADVERSARIAL, DiscFigures, NonSaturating
from vaegan.losses.pbp import PBP_LOSSES
from vaegan.nets.decoders import DECODERS
from vaegan.nets.discriminators import DISCRIMINATORS
from vaegan.nets.encoders import ENCODERS
from vaegan.objective.objective import weighted_sum
from vaegan.objective.views import Views
from vaegan.pixels import to_model_range
from vaegan.training.optim import PlayerOptimiser

SHAPE = (1, 16, 16)
WEIGHTS = {"gen": {"pbp": 1.0, "kl": 1.0, "adv": 10.0}, "disc": {"real": 1.0, "fake": 1.0}}
BACKBONE = "timm:mobilenetv3_small_050"


def names(registry):
    return [BACKBONE if name == "timm:NAME" else name for name, _ in registry.entries()]


def hybrid(**options):
    torch.manual_seed(0)
    options = {"vae": "dense", "disc": "dense", "latent_dim": 3, **options}
    return build_players(resolved(make_config(options), SHAPE[1]), SHAPE)


def game(players):
    vae = [] if players.encoder is None else ["gen/pbp", "gen/kl"]
    return objective_of(players, [*vae, "gen/adv"], NonSaturating())


@pytest.fixture
def x():
    return torch.rand(8, *SHAPE, generator=torch.Generator().manual_seed(1))


def loss_of(player, views, objective, weights=None):
    weights = weights or WEIGHTS[player]
    return weighted_sum(objective.play(player, views, weights), weights)


def see(players, x, game=None, **options):
    game = game or NonSaturating()
    return Views(players, x, torch.randn(len(x), players.latent_dim), game=game, **options)


def with_gradient(players, player):
    return [p for p in players.parameters_of(player) if p.grad is not None]


def clear(players):
    for parameter in players.parameters():
        parameter.grad = None


@pytest.mark.parametrize("disc", names(DISCRIMINATORS))
@pytest.mark.parametrize(
    ("encoder", "decoder", "pbp"),
    [
        *[(encoder, "dense", "bce") for encoder in names(ENCODERS)],
        *[("dense", decoder, "bce") for decoder in names(DECODERS)],
        *[("dense", "dense", pbp) for pbp, _ in PBP_LOSSES.entries()],
    ],
)
def test_a_players_step_leaves_no_gradient_on_the_other(encoder, decoder, pbp, disc, x):
    players = hybrid(encoder=encoder, decoder=decoder, pbp=pbp, disc=disc)
    objective = game(players)
    views = see(players, x)
    before = {name: value.clone() for name, value in players.named_parameters()}

    PlayerOptimiser(players, "disc", lr=1e-3).minimise([loss_of("disc", views, objective)])
    assert not with_gradient(players, "gen")
    assert len(with_gradient(players, "disc")) == len(list(players.parameters_of("disc")))
    changed = {name for name, value in players.named_parameters() if not value.equal(before[name])}
    assert changed and all(name.startswith("disc.") for name in changed)

    clear(players)
    after_disc = {name: value.clone() for name, value in players.named_parameters()}
    PlayerOptimiser(players, "gen", lr=1e-3).minimise([loss_of("gen", views, objective)])
    assert not with_gradient(players, "disc")
    assert len(with_gradient(players, "gen")) == len(list(players.parameters_of("gen")))
    changed = {name for name, value in players.named_parameters() if not value.equal(after_disc[name])}
    assert changed and not any(name.startswith("disc.") for name in changed)


def test_even_an_ordinary_backward_of_the_discriminators_loss_does_not_reach_the_vae(x):
    players = hybrid()
    loss_of("disc", see(players, x), game(players)).backward()
    assert not with_gradient(players, "gen")


@pytest.mark.parametrize("disc", names(DISCRIMINATORS))
def test_signs_a_small_step_of_gen_raises_the_score_of_fakes_and_one_of_disc_lowers_it(disc, x):
    players = hybrid(vae="conv", base_channels=4, disc=disc)
    objective = game(players)

    def score():
        torch.manual_seed(5)  # the same posterior sample each time
        with torch.no_grad():
            views = see(players, x, gen_plays=False)
            views.turn("disc")
            return views.logits_fake.mean().item()

    def descend(player, weights):
        torch.manual_seed(5)
        loss = loss_of(player, see(players, x), objective, weights)
        parameters = list(players.parameters_of(player))
        gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
        norm = torch.stack([g.norm() for g in gradients if g is not None]).norm()
        with torch.no_grad():
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter -= 1e-3 * gradient / norm

    start = score()
    descend("gen", {"adv": 1.0})
    raised = score()
    assert raised > start
    descend("disc", {"fake": 1.0})
    assert score() < raised


def test_a_combo_step_makes_one_encoder_decoder_pass_and_three_of_the_discriminator(x):
    players = hybrid()
    calls = []
    for name, network in players.networks().items():
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    objective, views = game(players), see(players, x)
    for player in ("disc", "gen"):
        PlayerOptimiser(players, player, lr=1e-3).minimise([loss_of(player, views, objective)])
    assert Counter(calls) == {"encoder": 1, "decoder": 1, "disc": 3}


def test_gen_is_judged_by_the_discriminator_as_it_is_after_its_step(x):
    players = hybrid()
    objective, views = game(players), see(players, x)
    before = objective.play("gen", views, WEIGHTS["gen"])["adv"].item()
    PlayerOptimiser(players, "disc", lr=0.1).minimise([loss_of("disc", views, objective)])
    assert objective.play("gen", views, WEIGHTS["gen"])["adv"].item() != before


def test_terms_without_a_weight_are_not_computed(x):
    players = hybrid()
    players.disc.register_forward_hook(lambda *_: pytest.fail("the discriminator was asked"))
    terms = game(players).play("gen", see(players, x), {"pbp": 1.0, "kl": 1.0})
    assert list(terms) == ["pbp", "kl"]


def test_without_gen_playing_the_pass_has_no_graph(x):
    players = hybrid()
    views = see(players, x, gen_plays=False)
    loss_of("disc", views, game(players)).backward()
    assert not views.x_hat.requires_grad
    assert with_gradient(players, "disc") and not with_gradient(players, "gen")


def test_z_is_the_posterior_reparameterised(x):
    players = hybrid()
    views = see(players, x)
    mu, logvar = views.posterior
    torch.testing.assert_close(views.z, mu + (0.5 * logvar).exp() * views.noise)


def test_weighted_sum():
    terms = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    assert weighted_sum(terms, {"a": 1.0, "b": 10.0}).item() == 32


def figures(name, views, *, disc=None, unit_slope=False):
    """The figures of hand-made logits; each of D's terms is 1."""
    loss = ADVERSARIAL.find(name)[0]()
    found = DiscFigures.of(loss, disc or torch.nn.Linear(1, 1), unit_slope)
    terms = dict.fromkeys([*loss.disc_weights, "gp"], torch.tensor(1.0))
    return {name: value.item() for name, value in found(views, terms).items()}


HAND_MADE = SimpleNamespace(
    logits_real=torch.tensor([5.0, 1.0, -1.0, 4.5]),
    logits_fake=torch.tensor([-6.0, 0.0, 2.0, 4.7]),
    to_disc_input=None,
)


def test_the_figures_of_a_discriminator_from_hand_made_logits():
    found = figures("nonsaturating", HAND_MADE)
    found.pop("jsd")  # see the tests of the losses
    assert found == pytest.approx(
        {
            "adv": 2,  # without the penalty
            "acc_real": 3 / 4,
            "acc_fake": 2 / 4,
            "logit_gap": 9.5 / 4 - 0.7 / 4,
            "saturated": 3 / 8,  # 5, -6 and 4.7: beyond log 99 = 4.595
        }
    )


MAPS = SimpleNamespace(  # whose means are the logits above
    logits_real=HAND_MADE.logits_real[:, None, None] + torch.tensor([[-3.0, 3.0]]),
    logits_fake=HAND_MADE.logits_fake[:, None, None] + torch.tensor([[-3.0, 3.0]]),
    to_disc_input=None,
)


@pytest.mark.parametrize("loss", ADVERSARIAL.names())
def test_of_a_map_the_figures_are_those_of_its_mean(loss):
    of_maps, of_images = figures(loss, MAPS), figures(loss, HAND_MADE)
    of_images.pop("saturated", None), of_maps.pop("saturated", None)
    assert of_maps == pytest.approx(of_images)


def test_of_a_map_each_logit_may_be_saturated():
    # beyond log 99 = 4.595 of 5, 1, -1, 4.5, -6, 0, 2, 4.7, each less and more 3
    assert figures("nonsaturating", MAPS)["saturated"] == 5 / 16


@pytest.mark.parametrize("loss", ADVERSARIAL.names())
def test_the_terms_of_a_map_are_means_over_batch_and_map(loss):
    game = ADVERSARIAL.find(loss)[0]()
    for name in (*game.disc_weights, "gen"):
        of_map = getattr(game, name)(MAPS.logits_real, MAPS.logits_fake)
        flat = getattr(game, name)(MAPS.logits_real.flatten(), MAPS.logits_fake.flatten())
        torch.testing.assert_close(of_map, flat)


@pytest.mark.parametrize(("loss", "key"), [("nonsaturating", "jsd"), ("wgan", "w1_up_to_scale")])
def test_distances_are_estimated_on_clean_inputs_alone(loss, key):
    assert key in figures(loss, HAND_MADE)
    shown = SimpleNamespace(**{**vars(HAND_MADE), "to_disc_input": lambda x: x})
    assert key not in figures(loss, shown)


def test_a_d_with_batch_norm_judges_batches_and_bounds_no_divergence_of_images():
    assert "jsd" not in figures("nonsaturating", HAND_MADE, disc=torch.nn.BatchNorm1d(1))


def test_the_wasserstein_distance_has_its_scale_where_d_has_a_slope_of_one():
    assert figures("wgan", HAND_MADE, unit_slope=True)["w1"] == pytest.approx(9.5 / 4 - 0.7 / 4)
    assert figures("wgan", HAND_MADE)["w1_up_to_scale"] == pytest.approx(9.5 / 4 - 0.7 / 4)
    assert "w1" not in figures("wgan", HAND_MADE)


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({"adv": "wgan-gp"}, True),
        ({"adv": "wgan", "gp": 5}, True),
        ({"adv": "wgan-gp", "weight_clip": 0.01}, False),
        ({"adv": "wgan", "weight_clip": 0.01}, False),
        ({"adv": "wgan", "r1": 1}, False),
        ({"adv": "wgan", "spectral_norm": True}, False),
    ],
    ids=str,
)
def test_the_slope_is_one_under_a_gradient_penalty_alone(options, known):
    config = resolved(make_config({"gan": "dense", "disc": "dense", **options}), SHAPE[1])
    objective = build_objective(config, build_players(config, SHAPE))
    found = objective.figures("disc", HAND_MADE, dict.fromkeys(objective.terms["disc"], torch.tensor(1.0)))
    assert {"w1": "w1" in found, "w1_up_to_scale": "w1_up_to_scale" in found} == {
        "w1": known,
        "w1_up_to_scale": not known,
    }
    assert not {"w1", "w1_up_to_scale", "jsd"} & set(figures("hinge", HAND_MADE))


def test_both_players_see_originals_and_fakes_changed_alike(x):
    players = hybrid()
    seen = []

    def changed(images):
        seen.append(images)
        return 1 - images

    views = see(players, x, to_disc_input=changed)
    game(players).play("disc", views, WEIGHTS["disc"])
    assert [images.requires_grad for images in seen] == [False, False]
    assert seen[0].equal(x) and seen[1].equal(views.x_hat)
    torch.testing.assert_close(views.logits_real, players.discriminate(1 - x))
    seen.clear()
    game(players).play("gen", views, WEIGHTS["gen"])
    assert len(seen) == 1 and seen[0].requires_grad
    torch.testing.assert_close(views.logits_fake, players.discriminate(1 - views.x_hat))


@pytest.mark.parametrize("pixel_range", ["01", "pm1"])
def test_d_sees_8bit_originals_and_fakes_before_they_are_changed(pixel_range, x):
    players = hybrid(disc_sees_8bit=True, pixel_range=pixel_range, pbp="mse")
    x = to_model_range(x, pixel_range)
    plain, changed = see(players, x), see(players, x, to_disc_input=lambda images: images / 3)
    levels = to_model_range(torch.arange(256).byte(), pixel_range)
    for player in ("disc", "gen"):
        plain.turn(player)
        changed.turn(player)
        for images in (plain.disc_input_real, plain.disc_input_fake):
            assert torch.isin(images, levels).all()
        torch.testing.assert_close(plain.disc_input_fake, plain.x_hat, rtol=0, atol=2 / 255)
        torch.testing.assert_close(changed.disc_input_real, plain.disc_input_real / 3)
    # the generator's gradient is D's at the rounded image
    slope = torch.autograd.grad(plain.logits_fake.sum(), plain.x_hat, retain_graph=True)[0]
    rounded = plain.disc_input_fake.detach().requires_grad_()
    expected = torch.autograd.grad(players.discriminate(rounded).sum(), rounded)[0]
    assert slope.equal(expected) and slope.abs().sum() > 0
    assert not hybrid(pixel_range=pixel_range, pbp="mse").disc_sees_8bit


@pytest.mark.parametrize("loss", ADVERSARIAL.names())
@pytest.mark.parametrize("slope_penalties", [[], ["gp", "r1", "r2"]])
def test_in_every_gan_the_resting_player_gets_no_gradient(loss, slope_penalties, x):
    options = {"gan": "dense", "disc": "dense", "latent_dim": 3}
    players = build_players(resolved(make_config(options), SHAPE[1]), SHAPE)
    played = ADVERSARIAL.find(loss)[0]()
    keys = ["gen/adv", *(f"disc/{name}" for name in slope_penalties)]
    objective = objective_of(players, keys, played)
    views = see(players, x, played)
    weights = dict.fromkeys(objective.terms["disc"], 1.0)
    PlayerOptimiser(players, "disc", lr=1e-3).minimise([loss_of("disc", views, objective, weights)])
    assert with_gradient(players, "disc") and not with_gradient(players, "gen")
    clear(players)
    PlayerOptimiser(players, "gen", lr=1e-3).minimise([loss_of("gen", views, objective, {"adv": 1.0})])
    assert with_gradient(players, "gen") and not with_gradient(players, "disc")


def test_a_gan_decodes_draws_of_the_prior(x):
    players = build_players(resolved(make_config({"gan": "dense", "disc": "dense"}), SHAPE[1]), SHAPE)
    views = see(players, x)
    torch.testing.assert_close(views.fake, players.pixels(players.decode(views.noise)))
    assert list(game(players).terms["gen"]) == ["adv"]
