"""The cost of a training step under each means to steer a learned loss, against a plain combo step.

The protocol is in benchmarks/README.md.
"""

import argparse
import time
from statistics import median
from typing import Any

import torch

from vaegan.config.build import build_players, build_schedule
from vaegan.config.make import make_config, resolved
from vaegan.devices import bf16_is_emulated, clock
from vaegan.training.finite import FiniteCheck
from vaegan.training.meters import Meter
from vaegan.training.step import Step

SIZE = 32
BATCH_SIZE = 64
VAE = {"vae": "conv", "base_channels": 16, "latent_dim": 64}
COMBO = VAE | {"disc": "small_conv", "solo_epochs": 0, "disc_weight": 1}
R1 = COMBO | {"r1": 0.3}
LEDGER = "the ledger in every step"
# name: options; a lever is what a row has beyond the row that it is compared with
ROWS = {
    "VAE alone": VAE,
    "combo": COMBO,
    "R1": R1,
    "R1 every 4th step": R1 | {"penalty_every": 4},
    "R1 and R2": R1 | {"r2": 0.3},
    LEDGER: R1,
    "matching on a random network": R1 | {"perceptual_weight": 1, "perceptual_network": "random"},
    "matching on EfficientNet-Lite0": R1 | {"perceptual_weight": 1, "perceptual_network": "efficientnet"},
    "rpgan": R1 | {"adv": "rpgan"},
    "weight by share": R1 | {"disc_weight": "share(0.2)"},
    "weight by adaptive": R1 | {"disc_weight": "adaptive(0.8)"},
    "feature matching": R1 | {"feature_matching": 1},
    "share and feature matching by share": R1
    | {"disc_weight": "share(0.2)", "feature_matching": "share(0.2)"},
    "LeCam": R1 | {"lecam": 0.3},
    "8-bit inputs": R1 | {"disc_sees_8bit": True},
    "averaged decoder": R1 | {"ema": 0.99},
    "group norm": R1 | {"disc_norm": "group"},
    "spectral norm": R1 | {"spectral_norm": True},
    "conv, as the prototype had it": R1
    | {"disc": "conv", "disc_base_channels": 16, "disc_kernel_size": 4, "disc_norm": "none"},
    "patch, group norm": R1 | {"disc": "patch"},
    "patch of 16 channels, no norm": R1 | {"disc": "patch", "disc_base_channels": 16, "disc_norm": "none"},
    "projected, no penalty": COMBO | {"disc": "projected", "disc_network": "efficientnet"},
    "projected on random, no penalty": COMBO | {"disc": "projected", "disc_network": "random"},
    "projected on random": R1 | {"disc": "projected", "disc_network": "random"},
    "resnet, weight 10, no penalty": COMBO | {"disc": "resnet", "disc_weight": 10},
}


class Row:
    """One setting's steps. seconds: of each round so far."""

    def __init__(self, options: dict[str, Any], device: torch.device, precision: str, keep_ledger: bool):
        config = resolved(make_config(options | {"precision": precision, "epochs": 1}), image_size=SIZE)
        players = build_players(config, (3, SIZE, SIZE)).to(device, memory_format=torch.channels_last)
        self.device = device
        self.keep_ledger = keep_ledger
        self.step = Step(config, players)
        self.phase = build_schedule(config).at(0)
        self.n_steps = 0
        self.seconds: list[float] = []

    def round(self, images: torch.Tensor, steps: int) -> None:
        """Train for some steps on these images."""
        started = _seconds(self.device)
        for _ in range(steps):
            self.step(
                images,
                len(images),
                self.phase,
                self.n_steps,
                Meter(),
                FiniteCheck(),
                keep_ledger=self.keep_ledger,
            )
            self.n_steps += 1
        self.seconds.append(_seconds(self.device) - started)


def _seconds(device: torch.device) -> float:
    """Seconds: of this process on a CPU, whose clock stops while other programs run; elapsed on others."""
    return time.process_time() if device.type == "cpu" else clock(device)


def table(rows: dict[str, Row], steps: int) -> list[str]:
    """Lines of a table; ratios are medians over the rounds, each with the least and the greatest."""
    lines = [
        "| step | ms | of a plain combo step | of a step of the VAE alone |",
        "| --- " + "| ---: " * 3 + "|",
    ]
    for name, row in rows.items():
        cells = [f"{1e3 * median(row.seconds[1:]) / steps:.1f}"]
        for base in ("combo", "VAE alone"):
            pairs = zip(row.seconds[1:], rows[base].seconds[1:], strict=True)
            ratios = [mine / theirs for mine, theirs in pairs]
            cells.append(f"{median(ratios):.2f} ({min(ratios):.2f} - {max(ratios):.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=7, help="rounds, after one to warm up")
    parser.add_argument("--steps", type=int, default=4, help="steps of each setting in a round")
    parser.add_argument("--only", nargs="+", default=list(ROWS), metavar="ROW", help="beside the first two")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("bf16", "fp32"), help="default: bf16 where it is fast")
    options = parser.parse_args()
    device = torch.device(options.device)
    precision = options.precision or ("fp32" if bf16_is_emulated(device) else "bf16")
    torch.manual_seed(0)
    images = torch.randint(256, (BATCH_SIZE, 3, SIZE, SIZE), dtype=torch.uint8, device=device)
    named = [*list(ROWS)[:2], *(name for name in options.only if name not in list(ROWS)[:2])]
    rows = {name: Row(ROWS[name], device, precision, name == LEDGER) for name in named}
    for _ in range(1 + options.repeats):
        for row in rows.values():
            row.round(images, options.steps)
    print(
        f"{precision}, {torch.get_num_threads()} threads, {options.repeats} rounds of {options.steps} steps\n"
    )
    print("\n".join(table(rows, options.steps)))


if __name__ == "__main__":
    main()
