"""LeCam's regularisation: its value and gradient by hand in float64, and its running means over steps."""

from types import SimpleNamespace

import pytest
import torch
from torch import tensor

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.losses.lecam import DECAY, lecam
from vaegan.objective.memory import Memory
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step

N = 10


def views(real, fake, memory):
    return SimpleNamespace(logits_real=real, logits_fake=fake, memory=memory)


def after(*steps):
    """The memory after steps with these logits of originals and fakes."""
    memory = Memory()
    for real, fake in steps:
        lecam(views(tensor(real, dtype=torch.float64), tensor(fake, dtype=torch.float64), memory))
        memory.commit()
    return memory


def test_it_is_0_in_the_first_step():
    term = lecam(views(tensor([5.0, 1.0]), tensor([-5.0, 0.0]), Memory()))
    assert (term.item(), term.shape) == (0, ())


def test_originals_are_drawn_down_to_the_fakes_mean_and_fakes_up_to_the_originals():
    """Means 3 and -1 before: an original at 1 is 2 above -1, another below; a fake at 2 is 1 below 3."""
    memory = after(([2.0, 4.0], [-1.0]))
    real = tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    fake = tensor([2.0, 3.5, 3.5, 3.5], dtype=torch.float64, requires_grad=True)
    term = lecam(views(real, fake, memory))
    assert term.item() == pytest.approx((2**2 + 0) / 2 + (1**2 + 0) / 4)
    term.backward()
    assert real.grad.tolist() == pytest.approx([2 * 2 / 2, 0])  # the step goes down
    assert fake.grad.tolist() == pytest.approx([-2 * 1 / 4, 0, 0, 0])  # and up


def test_each_logit_of_a_map_counts():
    memory = after(([3.0], [-1.0]))
    real = torch.zeros(1, 2, 2, dtype=torch.float64)
    real[0, 0, 0] = 1
    fake = torch.full((1, 2, 2), 3.0, dtype=torch.float64)
    assert lecam(views(real, fake, memory)).item() == pytest.approx((2**2 + 3 * 1**2) / 4)


def test_the_means_are_over_the_steps_before_with_a_decay_and_corrected_for_their_start():
    memory = after(([1.0, 3.0], [-2.0]), ([6.0], [0.0]))
    steps = DECAY * 2 + 6, DECAY * -2 + 0
    for kind, value in zip(("real", "fake"), steps, strict=True):
        assert memory.value(f"lecam/{kind}").item() == pytest.approx(value / (1 + DECAY))


def made(**options):
    dense = {"vae": "dense", "hidden_dim": 8, "latent_dim": 3, "disc": "dense", "disc_hidden_dim": 8}
    config = resolved(make_config({**dense, "epochs": 2, "solo_epochs": 0, **options}), 16)
    players = build_players(config, (1, 16, 16))
    return Step(config, players), build_schedule(config).at(0)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_in_training_d_s_loss_has_it_and_a_batch_in_parts_is_as_the_whole(accumulate):
    """D's gradient in the second step is that of the same loss by hand, with the means of the first."""
    step, phase = made(lecam=30, accumulate=accumulate, lr=1e-9)
    images = [
        torch.randint(256, (N, 1, 16, 16), generator=torch.Generator().manual_seed(s)).byte() for s in (1, 2)
    ]
    seen = []
    step.players.disc.register_forward_hook(
        lambda _, inputs, output: seen.append((inputs[0].detach(), output.detach()))
    )
    step(images[0], N, phase, 0, Meter(), FiniteCheck())
    halves = seen[: 2 * accumulate]  # D's own turn: originals and fakes of each part
    alphas = [torch.cat([output for _, output in halves[kind::2]]).mean() for kind in (0, 1)]
    seen.clear()
    disc = step.players.disc
    state = {name: value.clone() for name, value in disc.state_dict().items()}
    meter = Meter()
    step(images[1], N, phase, 1, meter, FiniteCheck())
    inputs = [torch.cat([given for given, _ in seen[: 2 * accumulate][kind::2]]) for kind in (0, 1)]
    found = [parameter.grad.clone() for parameter in disc.parameters()]
    disc.load_state_dict(state)
    real, fake = disc(inputs[0]), disc(inputs[1])
    term = (real - alphas[1]).relu().square().mean() + (alphas[0] - fake).relu().square().mean()
    game = torch.nn.functional.softplus(-real).mean() + torch.nn.functional.softplus(fake).mean()
    expected = torch.autograd.grad(game + 30 * term, list(disc.parameters()))
    assert term.item() > 0.001
    assert meter.means()["disc/lecam"] == pytest.approx(term.item(), rel=1e-5)
    for mine, gradient in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, gradient, rtol=1e-4, atol=1e-6)


def test_held_out_images_do_not_move_the_means():
    step, _ = made(lecam=1)
    memory = step.objective.memory
    for kind in ("real", "fake"):
        memory.add(f"lecam/{kind}", tensor(5.0), N, decay=DECAY)
    memory.commit()
    options = {"gen_plays": False, "memory": memory.reading()}
    seen = step.objective.views(torch.rand(4, 1, 16, 16), torch.zeros(4, 3), **options)
    assert step.objective.play("disc", seen, {"lecam": 1.0})["lecam"].item() > 1
    memory.commit()
    assert [memory.value(f"lecam/{kind}").item() for kind in ("real", "fake")] == pytest.approx([5, 5])
