"""--fakes and --adv-to: who sees which fakes, and whom the adversarial loss reaches."""

import copy

import pytest
import torch
import torch.nn.functional as F
from test_loop import run
from test_step import HYBRID, N, blobs, made, play

from vaegan.config.build import build_objective, build_players
from vaegan.config.make import make_config, resolved
from vaegan.losses.penalties import wgan_gp
from vaegan.seeds import seed_for

KINDS = ("reconstructions", "samples", "both")
STILL = {"disc_lr": 1e-12, "lr": 1e-12}  # D is the same before and after its step


def by_hand(step, adversarial, fakes, adv_to):
    """The terms and both players' gradients of a first step in float64, from their definitions."""
    players = copy.deepcopy(step.players).double()
    x = blobs(N).double() / 255
    torch.manual_seed(seed_for(0, "step", 0))
    noise = torch.randn(N, step.config.latent_dim).double()
    generator = torch.Generator().manual_seed(seed_for(0, "step", 0, "prior"))
    prior = torch.randn(N, step.config.latent_dim, generator=generator).double()
    mu, logvar = players.encoder(x)
    x_hat = torch.sigmoid(players.decoder(mu + torch.exp(logvar / 2) * noise))
    kinds = {"reconstructions": x_hat, "samples": torch.sigmoid(players.decoder(prior))}
    seen = [images for kind, images in kinds.items() if fakes in (kind, "both")]
    real = players.disc(x)

    def mean(loss):  # over the kinds
        return sum(loss(players.disc(images)).mean() for images in seen) / len(seen)

    if adversarial == "rpgan":
        disc, adv = mean(lambda fake: F.softplus(fake - real)), mean(lambda fake: F.softplus(real - fake))
    else:
        disc = F.softplus(-real).mean() + mean(F.softplus)
        adv = mean(lambda fake: F.softplus(-fake))
    pbp = -(x * x_hat.log() + (1 - x) * (1 - x_hat).log()).flatten(1).sum(1).mean()
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum(1).mean()
    gradients = {}
    for part in ("encoder", "decoder", "disc"):
        heard = 7 if part == "decoder" or adv_to == "both" else 0
        loss = disc if part == "disc" else pbp + kl + heard * adv
        parameters = list(getattr(players, part).parameters())
        gradients[part] = torch.autograd.grad(loss, parameters, retain_graph=True)
    return {"disc/adv": disc.item(), "gen/adv": adv.item(), "gen/pbp": pbp.item()}, gradients


@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("adv_to", ["both", "decoder"])
@pytest.mark.parametrize("fakes", KINDS)
@pytest.mark.parametrize("adversarial", ["nonsaturating", "rpgan"])
def test_a_step_is_the_step_by_hand(adversarial, fakes, adv_to, accumulate):
    options = {"fakes": fakes, "adv_to": adv_to, "adv": adversarial, "accumulate": accumulate}
    step, phase = made(**HYBRID, **STILL, **options, disc_weight=7)
    terms, gradients = by_hand(step, adversarial, fakes, adv_to)
    means = play(step, phase)
    for name, value in terms.items():
        assert means[name] == pytest.approx(value, rel=1e-5)
    for part, expected in gradients.items():
        found = flat_gradient(getattr(step.players, part))
        expected = torch.cat([gradient.flatten() for gradient in expected]).float()
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5 * expected.abs().max().item())


def flat_gradient(network):
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters()])


def gradients(number, **options):
    """Encoder's and decoder's gradients in the last of so many steps."""
    step, phase = made(**HYBRID | STILL | options)
    for each in range(number):
        play(step, phase, each)
    return flat_gradient(step.players.encoder), flat_gradient(step.players.decoder)


@pytest.mark.parametrize("weight", ["700", "share(0.3)", "adaptive(0.8)"])
@pytest.mark.parametrize("fakes", KINDS)
def test_with_decoder_alone_the_encoder_hears_of_all_terms_but_the_adversarial_one(fakes, weight):
    """Feature matching, the PBP loss and the KL divergence go on to the encoder. A share begins in step 2."""
    disc = {"disc": "conv", "disc_hidden_dim": None, "disc_base_channels": 4, "disc_norm": "none"}
    common = {**disc, "fakes": fakes, "feature_matching": 50, "fm_layers": [1]}
    decoder_alone = gradients(2, **common, disc_weight=weight, adv_to="decoder")
    both = gradients(2, **common, disc_weight=weight)
    silent = gradients(2, **common, disc_weight=0)
    torch.testing.assert_close(
        decoder_alone[0], silent[0], rtol=1e-3, atol=1e-5 * silent[0].abs().max().item()
    )
    torch.testing.assert_close(decoder_alone[1], both[1], rtol=1e-3, atol=1e-5 * both[1].abs().max().item())
    assert (decoder_alone[1] - silent[1]).norm() > 0.01 * silent[1].norm()
    apart = (both[0] - silent[0]).norm() / silent[0].norm()
    assert apart > 0.01 if fakes != "samples" else apart < 1e-4


@pytest.mark.parametrize("fakes", KINDS)
def test_the_gradient_penalty_lies_between_an_original_and_a_fake_of_each_kind(fakes):
    config = resolved(make_config({**HYBRID, "epochs": 1, "gp": 1, "fakes": fakes}), 16)
    players = build_players(config, (3, 16, 16))
    x, noise, prior = blobs(5) / 255, torch.randn(5, 3), torch.randn(5, 3)
    views = build_objective(config, players).views(x, noise, prior_noise=prior if fakes != KINDS[0] else None)
    torch.manual_seed(3)
    term = build_objective(config, players).play("disc", views, {"gp": 1.0})["gp"]
    kinds = {"reconstructions": views.x_hat, "samples": players.pixels(players.decode(prior))}
    seen = [images.detach() for kind, images in kinds.items() if fakes in (kind, "both")]
    torch.manual_seed(3)
    each = [wgan_gp(players.disc, x, images, torch.rand(5, 1, 1, 1)) for images in seen]
    assert term.item() == pytest.approx(sum(each).item() / len(each), rel=1e-5)


def test_figures_of_both_kinds_are_the_means_of_those_of_each():
    """In training, on held-out images and in the ledger; nothing moves at these learning rates."""
    options = {"disc": "dense", "disc_hidden_dim": 8, "solo_epochs": 0, "epochs": 1, **STILL}
    each = [run(**options, fakes=fakes)[0].records[0] for fakes in KINDS]
    for key in (
        "train/disc/fake",
        "test/disc/fake",
        "train/gen/adv",
        "test/gen/adv",
        "train/gen/adv_grad_logits",
    ):
        reconstructions, samples, both = (record[key] for record in each)
        assert reconstructions != pytest.approx(samples, rel=1e-6)
        assert both == pytest.approx((reconstructions + samples) / 2, rel=1e-4)
    for key in ("train/gen/pbp", "test/gen/pbp", "train/gen/kl", "train/disc/real", "test/disc/real"):
        assert len({record[key] for record in each}) == 1
    assert each[1]["train/gen/adv_cosine"] == 0


def test_batch_norm_keeps_the_statistics_of_reconstructions_alone():
    conv = {
        "vae": "conv",
        "base_channels": 4,
        "disc": "dense",
        "disc_hidden_dim": 8,
        "solo_epochs": 0,
        **STILL,
    }
    states = []
    for fakes in KINDS:
        step, phase = made(**conv, latent_dim=3, fakes=fakes)
        play(step, phase)
        states.append({n: b for n, b in step.players.decoder.named_buffers() if b.dim()})
    assert states[0] and all(states[0][name].equal(each[name]) for each in states[1:] for name in each)
