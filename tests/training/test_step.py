"""One step: a batch in parts gives the same result as the full batch, and as a step by hand."""

import copy
import dataclasses
import itertools
import math
import weakref

import pytest
import torch
import torch.nn.functional as F

from vaegan.config.build import build_objective, build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.objective.weights.constant import Constant
from vaegan.parallel import LEAST_SHARE
from vaegan.seeds import seed_for
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step, disc_input

SHAPE = (3, 16, 16)
N = 26  # in three parts of 8, 9 and 9
DENSE = {"hidden_dim": 16, "latent_dim": 3, "disc": "dense", "disc_hidden_dim": 8}
HYBRID = {**DENSE, "vae": "dense", "solo_epochs": 0}
GAN = {**DENSE, "gan": "dense"}
CONV = {"base_channels": 4, "norm": "group", "disc": "conv", "disc_base_channels": 4, "disc_norm": "group"}
DIFFAUG = "colour,translation,cutout"

CASES = {
    "a VAE": {"vae": "dense", "hidden_dim": 16},
    "a Gaussian": {**HYBRID, "pbp": "gaussian"},
    "hybrid": HYBRID,
    "hybrid, all at once": {**HYBRID, "gp": 2, "r1": 1, "r2": 1, "instance_noise": 0.3, "diffaug": DIFFAUG},
    "hybrid of convolutions": {**CONV, "vae": "conv", "solo_epochs": 0, "gp": 2, "instance_noise": 0.3},
    "hybrid, augmented": {**HYBRID, "augment": "hflip,rotate:20,colour"},
    "D warms up": {**HYBRID, "solo_epochs": 1, "disc_warmup_epochs": 1, "gp": 2, "instance_noise": 0.3},
    "by share": {**HYBRID, "r1": 1, "disc_weight": "share(0.3)"},
    "by share, of convolutions": {
        **{
            **CONV,
            "vae": "conv",
            "solo_epochs": 0,
            "pbp": "gaussian",
            "ema": 0.9,
            "disc_weight": "share(0.2)",
        },
    },
    "hybrid, samples too, to the decoder": {
        **{**HYBRID, "fakes": "both", "adv_to": "decoder"},
        **{"gp": 2, "r2": 1, "instance_noise": 0.3, "diffaug": DIFFAUG},
    },
    "gan": GAN,
    "gan, three steps of D": {**GAN, "adv": "wgan-gp", "disc_steps": 3},
    "gan of convolutions under diffaug": {
        **CONV,
        "gan": "conv",
        "diffaug": DIFFAUG,
        "r1": 2,
        "penalty_every": 2,
    },
    "pairs, averaged": {**HYBRID, "adv": "rpgan", "ema": 0.9},
    "weight clip": {**GAN, "adv": "wgan", "weight_clip": 0.05, "disc_steps": 2},
}


def blobs(n, seed=0):
    """uint8 [n, 3, 16, 16], blurred blobs."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(n, SHAPE[0], 4, 4, generator=generator)
    return F.interpolate(coarse, size=SHAPE[1], mode="bilinear").mul(255).byte()


def made(**options):
    """A run's step and the phase of its first epoch."""
    config = resolved(make_config({"epochs": 2, **options}), SHAPE[1])
    players = build_players(config, SHAPE).to(memory_format=torch.channels_last)
    return Step(config, players), build_schedule(config).at(0)


def play(step, phase, number=0, n=N):
    """Make one step; returns its means."""
    meter, finite = Meter(), FiniteCheck()
    step(blobs(n, seed=number), n, phase, number, meter, finite, floor=True)
    finite.check()
    return meter.means()


def flat(players, player):
    return torch.cat([parameter.detach().flatten() for parameter in players.parameters_of(player)])


# In parts


@pytest.mark.parametrize("name", CASES)
def test_a_batch_in_three_parts_comes_to_what_it_comes_to_whole(name):
    (whole, phase), (parts, _) = (made(**CASES[name], accumulate=k) for k in (1, 3))
    gradients = {}
    for number in range(3):  # of three steps of D the last is gen's turn
        expected, means = (play(step, phase, number) for step in (whole, parts))
        for step in (whole, parts):
            gradients[step] = {
                name: p.grad for name, p in step.players.named_parameters() if p.grad is not None
            }
        assert means == {key: pytest.approx(value, rel=2e-5, abs=2e-6) for key, value in expected.items()}
        assert gradients[whole].keys() == gradients[parts].keys()
        for name, gradient in gradients[whole].items():
            torch.testing.assert_close(
                gradients[parts][name], gradient, rtol=1e-3, atol=1e-5 * _largest(gradient)
            )
    for name, value in whole.players.state_dict().items():
        # Adam moves a weight whose gradient is a rounding error by as much as any other
        assert (parts.players.state_dict()[name] - value).abs().float().mean() < 1e-5, name


@pytest.mark.parametrize("weights", [(3, 5), ("share(0.2)", "share(0.2)")])
def test_the_scale_of_features_is_that_of_each_part(weights):
    """As with batch norm, a part has a variance of its own; so figures agree but roughly."""
    options = {**CONV, "vae": "conv", "solo_epochs": 0, "fm_layers": [1, 2]}
    options |= dict(zip(("disc_weight", "feature_matching"), weights, strict=True))
    (whole, phase), (parts, _) = (made(**options, accumulate=k) for k in (1, 3))
    for number in range(2):
        expected, means = (play(step, phase, number) for step in (whole, parts))
    assert means == {key: pytest.approx(value, rel=0.05, abs=1e-3) for key, value in expected.items()}


def _largest(gradient):
    return max(1e-3, gradient.abs().max().item())


def test_the_random_numbers_after_a_step_are_the_same_with_parts_and_without():
    states = []
    for accumulate in (1, 2, 5):
        step, phase = made(**CASES["hybrid, all at once"], accumulate=accumulate)
        play(step, phase)
        states.append(torch.get_rng_state())
    assert states[0].equal(states[1]) and states[0].equal(states[2])


@pytest.mark.parametrize("accumulate", [1, 2, 3, 7])
def test_networks_see_a_part_at_a_time_and_never_a_single_image(accumulate):
    step, phase = made(**HYBRID, gp=1, accumulate=accumulate)
    seen = []
    for network in step.players.networks().values():
        network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    for n in (2, 3, 5, 13, 26, 27):
        seen.clear()
        play(step, phase, n=n)
        parts = max(1, min(accumulate, n // LEAST_SHARE))
        assert min(seen) >= LEAST_SHARE and max(seen) == math.ceil(n / parts), n


class Kept:
    """Counts the numbers that graphs hold on to for a backward pass, and the most there were at a time."""

    def __init__(self, players):
        self.parameters = {parameter.data_ptr() for parameter in players.parameters()}
        self.now = self.most = 0

    def pack(self, tensor):
        handle = Handle(tensor)
        if tensor.untyped_storage().data_ptr() not in self.parameters:
            self.now += tensor.numel()
            self.most = max(self.most, self.now)
            weakref.finalize(handle, self.drop, tensor.numel())
        return handle

    def drop(self, n):
        self.now -= n


class Handle:
    def __init__(self, tensor):
        self.tensor = tensor


@pytest.mark.parametrize("options", [HYBRID, {**GAN, "gp": 1}, {**CONV, "vae": "conv", "solo_epochs": 0}])
def test_graphs_of_four_parts_take_a_quarter_of_the_memory(options):
    most = {}
    for accumulate in (1, 4):
        step, phase = made(**options, accumulate=accumulate)
        kept = Kept(step.players)
        with torch.autograd.graph.saved_tensors_hooks(kept.pack, lambda handle: handle.tensor):
            play(step, phase, n=48)
        assert kept.now == 0  # none outlives the step
        most[accumulate] = kept.most
    assert most[4] < 0.3 * most[1]


def test_of_a_part_that_is_done_nothing_is_kept():
    step, phase = made(**HYBRID, accumulate=4)
    decoded = []

    def count(module, inputs, output):
        assert not any(earlier() is not None for earlier in decoded)
        decoded.append(weakref.ref(output))

    step.players.decoder.register_forward_hook(count)
    play(step, phase)
    assert len(decoded) == 8


@pytest.mark.parametrize("accumulate", [1, 3])
def test_what_d_is_shown_is_drawn_anew_on_gens_turn(accumulate):
    step, phase = made(**HYBRID, instance_noise=0.5, accumulate=accumulate)
    seen = []
    step.players.disc.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach().clone()))
    play(step, phase)
    real, fake, gens = seen[: 2 * accumulate : 2], seen[1 : 2 * accumulate : 2], seen[2 * accumulate :]
    # what an untrained decoder makes is grey: all that varies is noise
    noise = [torch.cat(real) - blobs(N) / 255, torch.cat(fake) - 0.5, torch.cat(gens) - 0.5]
    correlation = torch.corrcoef(torch.stack([each.flatten() for each in noise]))
    assert (correlation - torch.eye(3)).abs().max() < 0.1


def test_the_average_takes_in_the_decoder_after_gens_steps_alone():
    step, phase = made(**GAN, ema=0.9, disc_steps=3)
    averages = []
    for number in range(9):
        play(step, phase, number)
        averages.append(torch.cat([p.flatten() for p in step.players.trained_decoder.parameters()]).clone())
    changed = [not now.equal(before) for before, now in itertools.pairwise(averages)]
    assert changed == [number % 3 == 2 for number in range(1, 9)]


def test_the_average_counts_gens_own_steps_where_combo_epochs_begin(monkeypatch):
    step, combo = made(**HYBRID, ema=0.9, disc_steps=3)
    solo = dataclasses.replace(
        combo, terms={"gen": {"pbp": Constant(1.0), "kl": Constant(1.0)}}, disc_steps=1
    )
    counts = []
    monkeypatch.setattr(step.players, "average", counts.append)
    for number in range(10):
        play(step, solo if number < 4 else combo, number)
    assert counts == [1, 2, 3, 4, 5, 6]  # steps 5 and 8 are gen's


@pytest.mark.parametrize(("accumulate", "passes"), [(1, 1), (3, 6)])
def test_the_players_share_a_pass_over_a_whole_batch_and_each_makes_its_own_over_a_part(accumulate, passes):
    step, phase = made(**HYBRID, accumulate=accumulate)
    calls = []
    for name in ("encoder", "decoder"):
        step.players.networks()[name].register_forward_hook(lambda *_, name=name: calls.append(name))
    play(step, phase)
    assert calls.count("encoder") == calls.count("decoder") == passes


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize(
    "name",
    ["hybrid, all at once", "hybrid, samples too, to the decoder", "D warms up", "gan", "pairs, averaged"],
)
def test_a_player_that_rests_gets_no_gradient(name, accumulate):
    step, phase = made(**CASES[name], accumulate=accumulate)
    played = []

    def watch(player, resting):
        minimise = step.optims[player].minimise

        def watched(losses, ranks):
            parameters = list(step.players.parameters_of(resting))
            before = [(p.clone(), p.grad if p.grad is None else p.grad.clone()) for p in parameters]
            norm = minimise(losses, ranks)
            for parameter, (weight, gradient) in zip(parameters, before, strict=True):
                assert parameter.equal(weight)
                assert parameter.grad is None if gradient is None else parameter.grad.equal(gradient)
            played.append(player)
            return norm

        step.optims[player].minimise = watched

    watch("disc", resting="gen")
    watch("gen", resting="disc")
    play(step, phase)
    assert played == ["disc", "gen"]


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_vae_that_draws_itself_draws_the_same_while_d_warms_up(accumulate):
    """With dropout in the VAE, and a D that draws in its turn and makes a pass of its own over parts."""
    options = {**CASES["D warms up"], "accumulate": accumulate}
    steps = [made(**options), made(**options | {"disc_warmup_epochs": 0})]
    for step, _ in steps:
        step.players.decoder.register_forward_hook(lambda _, inputs, output: F.dropout(output, 0.2))
    means = [[play(step, phase, number) for number in range(3)] for step, phase in steps]
    for beside, alone in zip(*means, strict=True):
        assert {key: beside[key] for key in alone} == alone
    assert flat(steps[0][0].players, "gen").equal(flat(steps[1][0].players, "gen"))


# By hand


def by_hand(step, images, phase_weights):
    """The terms and both players' gradients of a first combo step, in float64 and from their definitions."""
    config = step.config
    players = copy.deepcopy(step.players).double()
    x = images.double() / 255
    torch.manual_seed(seed_for(config.seed, "step", 0))
    noise = torch.randn(len(x), config.latent_dim).double()
    mu, logvar = players.encoder(x)
    logits = players.decoder(mu + torch.exp(logvar / 2) * noise)
    x_hat = torch.sigmoid(logits)

    def probability(images):
        return torch.sigmoid(players.disc(images))

    terms = {
        "disc/real": -probability(x).log().mean(),
        "disc/fake": -(1 - probability(x_hat.detach())).log().mean(),
    }
    disc = list(players.disc.parameters())
    gradients = {"disc": torch.autograd.grad(terms["disc/real"] + terms["disc/fake"], disc)}
    with torch.no_grad():  # Adam's first step: both averages are of one gradient alone
        for parameter, gradient in zip(disc, gradients["disc"], strict=True):
            parameter -= config.disc_lr.value * gradient / (gradient.abs() + 1e-8)
    terms["gen/pbp"] = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).flatten(1).sum(1).mean()
    terms["gen/kl"] = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    terms["gen/adv"] = -probability(x_hat).log().mean()
    weights = phase_weights["gen"]
    loss = sum(weights[name] * terms[f"gen/{name}"] for name in ("pbp", "kl", "adv"))
    gen = [*players.encoder.parameters(), *players.decoder.parameters()]
    gradients["gen"] = torch.autograd.grad(loss, gen)
    return {name: term.item() for name, term in terms.items()}, gradients


@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_combo_step_is_the_step_by_hand(accumulate):
    step, phase = made(**HYBRID, beta=0.5, pbp_weight=2, disc_weight=7, disc_lr=2e-3, accumulate=accumulate)
    images = blobs(N)
    terms, gradients = by_hand(step, images, phase.weights)
    before = {player: flat(step.players, player) for player in ("gen", "disc")}
    means = play(step, phase)
    for name, value in terms.items():
        assert means[name] == pytest.approx(value, rel=1e-5)
    for player, expected in gradients.items():
        wanted = torch.cat([gradient.flatten() for gradient in expected]).float()
        found = torch.cat([p.grad.flatten() for p in step.players.parameters_of(player)])
        torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-5 * wanted.abs().max().item())
        assert means[f"{player}/grad_norm"] == pytest.approx(wanted.norm().item(), rel=1e-5)
        lr = step.optims[player].lr
        moved = flat(step.players, player) - before[player]
        torch.testing.assert_close(moved, -lr * found / (found.abs() + 1e-8), rtol=0, atol=1e-3 * lr)


def test_a_vaes_step_is_the_step_by_hand():
    step, phase = made(vae="dense", hidden_dim=16, latent_dim=3, pbp="mse", pixel_range="pm1")
    players = copy.deepcopy(step.players).double()
    x = blobs(N).double() / 255 * 2 - 1
    torch.manual_seed(seed_for(0, "step", 0))
    noise = torch.randn(N, 3).double()
    mu, logvar = players.encoder(x)
    x_hat = torch.tanh(players.decoder(mu + torch.exp(logvar / 2) * noise))
    pbp = (x - x_hat).square().flatten(1).sum(1).mean()
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    gradients = torch.autograd.grad(pbp + kl, list(players.parameters()))
    means = play(step, phase)
    assert means["gen/pbp"] == pytest.approx(pbp.item(), rel=1e-5)
    assert means["gen/kl"] == pytest.approx(kl.item(), rel=1e-5)
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm().item()
    assert means["gen/grad_norm"] == pytest.approx(norm, rel=1e-5)


def test_a_step_follows_from_the_seed_and_its_number_alone():
    (first, phase), (second, _) = (made(**CASES["hybrid, all at once"]) for _ in range(2))
    torch.manual_seed(1)
    expected = play(first, phase, 4)
    torch.manual_seed(2)
    assert play(second, phase, 4) == expected
    other, _ = made(**CASES["hybrid, all at once"])
    meter = Meter()
    other(blobs(N, seed=4), N, phase, 5, meter, FiniteCheck())
    assert meter.means()["disc/fake"] != expected["disc/fake"]


def test_noise_on_an_image_does_not_depend_on_how_it_lies_in_memory():
    x = torch.rand(4, *SHAPE)
    seen = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        seen.append(disc_input(None, 0.5, x.to(memory_format=layout)))
    assert seen[0].equal(seen[1])
    assert (seen[0] - x).std().item() == pytest.approx(0.5, rel=0.1)


def test_without_noise_and_changes_d_is_shown_the_images_themselves():
    x = torch.rand(4, *SHAPE)
    assert disc_input(None, 0.0, x) is x
    assert disc_input(lambda images: 1 - images, 0.0, x).equal(1 - x)


def test_a_players_terms_are_those_of_its_objective():
    step, phase = made(**HYBRID, gp=1)
    means = play(step, phase)
    terms = build_objective(step.config, step.players).terms
    assert {key for key in means if key.startswith("gen/")} >= {f"gen/{name}" for name in terms["gen"]}
    assert {key for key in means if key.startswith("disc/")} >= {f"disc/{name}" for name in terms["disc"]}
    assert {"gen/grad_norm", "disc/grad_norm", "gen/pbp_floor"} <= means.keys()
