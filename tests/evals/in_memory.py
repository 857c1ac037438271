"""Runs in memory, without a folder."""

from pathlib import Path

import torch

from vaegan.config.build import build_players
from vaegan.config.make import make_config, resolved
from vaegan.config.schema import Config
from vaegan.datasets.base import Images
from vaegan.evals.material import Material
from vaegan.nets.players import Players
from vaegan.run.trained import Trained


def in_memory(config: Config, players: Players, shape: tuple[int, int, int]) -> Trained:
    """These networks, as if they had been read back after an epoch."""
    return Trained(Path("run"), config, players, shape, torch.device("cpu"), Path("step"), 1, {})


def material(pixels: torch.Tensor, **options) -> Material:
    """Untrained networks before the same images to train on and to hold out."""
    shape = tuple(pixels.shape[1:])
    config = resolved(make_config({"vae": "dense", "latent_dim": 2, **options}), shape[-1])
    players = build_players(config, shape).eval().requires_grad_(False)
    return Material(in_memory(config, players, shape), Images(pixels), Images(pixels))
