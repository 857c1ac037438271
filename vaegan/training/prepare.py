"""Prepares a run's networks for training on its device."""

from collections.abc import Callable

import torch

from vaegan.config.build import build_players
from vaegan.config.schema import Config
from vaegan.nets.blocks import is_batch_norm
from vaegan.nets.players import Players
from vaegan.parallel import Ranks


def prepare_players(
    config: Config,
    image_shape: tuple[int, int, int],
    device: torch.device,
    ranks: Ranks,
    say: Callable[[str], None],
) -> Players:
    """The networks on the device; batch norm is synchronised over all processes if that is possible.

    config: resolved. say: prints a line for the user.
    """
    players = build_players(config, image_shape)
    if ranks.size > 1 and any(map(is_batch_norm, players.modules())):
        if device.type == "cuda":
            from timm.layers import convert_sync_batchnorm

            players = convert_sync_batchnorm(players)
        else:
            say(
                "note: without GPUs batch norm uses each process's own images only, so that results depend "
                "on the number of processes; --norm group and --disc-norm group do not"
            )
    # channels-last: a CPU's convolutions took 0.5 to 0.8 of the time
    return players.to(device, memory_format=torch.channels_last)
