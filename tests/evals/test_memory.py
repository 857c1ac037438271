"""Evaluations with memory for only a few images at a time: the same figures."""

import math

import pytest
import torch
from in_memory import in_memory
from torch.nn.modules.module import register_module_forward_pre_hook

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.datasets.base import Images
from vaegan.evals.evaluate import flat_values
from vaegan.evals.material import Material
from vaegan.evals.sections import NAMES, Bench, evaluated
from vaegan.training.pictures import prior_samples

N_IMAGES = 40
ROOM = 16  # images
SIZE = 8


@pytest.fixture
def little_memory():
    """A limit on all networks that do not learn, in use from its call on; returns the batches refused."""
    hooks, refused = [], []

    def refuse(module, inputs):
        if not module.training and len(inputs[0]) > ROOM:
            refused.append(len(inputs[0]))
            raise torch.OutOfMemoryError("CUDA out of memory")

    yield lambda: hooks.append(register_module_forward_pre_hook(refuse)) or refused
    for hook in hooks:
        hook.remove()


def material(**options) -> Material:
    """An untrained VAE before random images of two classes."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (N_IMAGES, 1, SIZE, SIZE), generator=generator).byte()
    images = Images(pixels, torch.arange(N_IMAGES) % 2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = resolved(make_config({"vae": "dense", "latent_dim": 2, "hidden_dim": 8, **options}), SIZE)
        players = build_players(config, (1, SIZE, SIZE)).eval().requires_grad_(False)
    return Material(in_memory(config, players, (1, SIZE, SIZE)), images, images)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr("vaegan.evals.detectability.STEPS", 3)
    monkeypatch.setattr("vaegan.evals.classifier.EPOCHS", 1)
    monkeypatch.setattr("vaegan.evals.likelihood.N_SAMPLES", 4)


def figures(features: str, cache_dir, **options) -> dict[str, float]:
    bench = Bench(material(**options), NAMES, features, None, cache_dir, lambda line: None)
    return flat_values({"sections": {each.name: each.to_dict() for each in evaluated(bench, NAMES)}})


@pytest.mark.parametrize(
    ("features", "options"), [("auto", {"batch_size": 256}), ("random", {"pbp": "gaussian"})]
)
def test_figures_do_not_depend_on_how_many_images_there_is_room_for(
    little_memory, tmp_path, features, options
):
    before = figures(features, tmp_path / "much", **options)
    refused = little_memory()
    after = figures(features, tmp_path / "little", **options)
    assert refused and min(refused) > ROOM
    assert {"eval/likelihood/iw_bound", "eval/distances/samples/frechet"} <= before.keys()
    assert all(map(math.isfinite, before.values()))
    assert after == pytest.approx(before, rel=1e-5, abs=1e-7)


def test_nothing_goes_through_the_networks_in_larger_batches_than_in_training():
    portions = [
        material(batch_size=batch, accumulate=parts).trained.portions.size
        for batch, parts in ((8, 1), (1000, 1), (64, 4))
    ]
    assert portions == [8, 256, 16]


def test_samples_are_drawn_a_few_at_a_time(little_memory):
    players = material().players
    before = prior_samples(players)
    assert little_memory() == []
    torch.testing.assert_close(prior_samples(players), before)
