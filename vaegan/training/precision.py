"""The arithmetic of a run: as requested, or the faster one for its networks on its device."""

from collections.abc import Callable
from statistics import median

import torch

from vaegan.config.build import build_players, build_schedule
from vaegan.config.schema import Config
from vaegan.devices import bf16_is_emulated, clock
from vaegan.parallel import Ranks
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step

ROUNDS = 5  # of a step in each precision, in turn, after one to warm up
WORTH = 1.05  # the least speed-up for which bf16's lower precision is accepted


def with_precision(
    config: Config,
    image_shape: tuple[int, int, int],
    device: torch.device,
    ranks: Ranks,
    say: Callable[[str], None],
) -> Config:
    """The config with the arithmetic to use; for `auto` it is measured once.

    config: resolved. say: prints a line for the user.
    """
    precision = config.precision or ("auto" if device.type == "cuda" else "fp32")
    if precision == "auto":
        n_images = len(ranks.share(config.batch_size))
        precision = ranks.from_first(faster_precision(config, image_shape, device, n_images))
        say(f"--precision auto: {precision} is the faster one here")
    elif precision == "bf16" and bf16_is_emulated(device):
        say("note: this CPU has no bf16 instructions; --precision fp32 is faster on it")
    return config.model_copy(update={"precision": precision})


def faster_precision(
    config: Config, image_shape: tuple[int, int, int], device: torch.device, n_images: int
) -> str:
    """The faster of "bf16" and "fp32", measured on steps of the last epoch, on `n_images` random images.

    config: resolved, but for its precision. fp32 without measuring if bf16 is only emulated, and on MPS,
    whose clock cannot be read. Resets the device's peak memory.
    """
    if bf16_is_emulated(device) or device.type == "mps":
        return "fp32"
    config = config.model_copy(update={"pretrained": None, "disc_pretrained": None})
    images = torch.randint(0, 256, (n_images, *image_shape), dtype=torch.uint8, device=device)
    phase = build_schedule(config).at(config.epochs - 1)
    steps = {}
    for precision in ("fp32", "bf16"):
        players = build_players(config.model_copy(update={"precision": precision}), image_shape)
        steps[precision] = Step(config, players.to(device, memory_format=torch.channels_last))
    seconds: dict[str, list[float]] = {precision: [] for precision in steps}
    for _ in range(1 + ROUNDS):
        for precision, step in steps.items():
            started = clock(device)
            for number in range(phase.disc_steps):  # all players play in the last of them
                step(images, len(images), phase, number, Meter(), FiniteCheck())
            seconds[precision].append(clock(device) - started)
    if device.type == "cuda":
        del steps, step, players
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    fp32, bf16 = (median(seconds[precision][1:]) for precision in ("fp32", "bf16"))
    return "bf16" if fp32 > WORTH * bf16 else "fp32"
