"""Training uses no operation that is known to be missing on Apple's GPUs."""

import pytest
import torch
from mps_guard import NotOnMps, guarded

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.datasets.batches import Batches
from vaegan.training.loop import train
from vaegan.training.step import _kept_random_state

SHAPE = (3, 16, 16)
CONV = {"base_channels": 2, "latent_dim": 3, "disc_base_channels": 2, "batch_size": 4, "ema": 0.9}
RUNS = {
    "a VAE and D": CONV
    | {"vae": "conv", "disc": "conv", "epochs": 2, "solo_epochs": 1, "augment": "hflip,rotate,zoom,colour"},
    "a GAN under a gradient penalty": CONV
    | {"gan": "conv", "disc": "conv", "adv": "wgan-gp", "epochs": 1, "disc_steps": 2}
    | {"diffaug": "colour,translation,cutout", "instance_noise": 0.1},
    "a Gaussian, a D with spectral norm, batches in parts": {"vae": "dense", "disc": "dense"}
    | {"latent_dim": 3, "hidden_dim": 4, "disc_hidden_dim": 4, "batch_size": 4, "pbp": "gaussian"}
    | {"epochs": 1, "solo_epochs": 0, "r1": 1, "spectral_norm": True, "accumulate": 2},
}


class Nobody:
    def on_step(self, *_):
        pass

    on_epoch = on_step


@pytest.mark.parametrize("name", RUNS)
def test_an_epoch_of_training_and_its_held_out_figures(name):
    config = resolved(make_config(RUNS[name]), SHAPE[-1])
    device = torch.device("cpu")
    images = torch.randint(256, (12, *SHAPE), generator=torch.Generator().manual_seed(0)).byte()
    with guarded():
        players = build_players(config, SHAPE).to(device, memory_format=torch.channels_last)
        sets = [Batches(images[:8], 4, 0, device), Batches(images[8:], 4, None, device)]
        train(config, players, build_schedule(config), *sets, [Nobody()])


NOT_THERE = {
    "pdist": torch.pdist,
    "float64": torch.Tensor.double,
    "numpy": lambda x: x.numpy(),  # as it is patched by then
    "eigvals": torch.linalg.eigvals,
}


@pytest.mark.parametrize("do", NOT_THERE.values(), ids=NOT_THERE.keys())
def test_the_guard_fails_on_the_device_and_not_on_the_cpu(do):
    with guarded():
        x = torch.rand(3, 3).to(torch.device("cpu"))
        do(x.cpu())
        with pytest.raises(NotOnMps):
            do(x)


def test_the_random_state_that_is_kept_is_that_of_the_device(monkeypatch):
    asked = []
    monkeypatch.setattr(torch.random, "fork_rng", lambda *given, **named: asked.append((given, named)))
    for device in ("cpu", "mps", "cuda:1"):
        _kept_random_state(torch.device(device), enabled=True)
    assert asked == [
        (([],), {"enabled": True}),
        (([torch.device("mps")],), {"enabled": True, "device_type": "mps"}),
        (([torch.device("cuda:1")],), {"enabled": True, "device_type": "cuda"}),
    ]
