"""Names of run folders: typed, or made from the run's options."""

import itertools
import os
import re
from pathlib import Path

from vaegan.config.schema import DEFAULT_ADV, Config
from vaegan.errors import OptionError
from vaegan.objective.weights import Weight

LONGEST = 100  # characters of a name made by us


def plan_folder(config: Config, data: str) -> Path:
    """Folder of a new run; nothing is written.

    data: short name of the images, for a run without a typed name.
    Raises: OptionError for a name that is taken, since no run overwrites another.
    """
    runs_dir = Path(config.runs_dir).expanduser()
    if config.run_name:
        if os.path.lexists(runs_dir / config.run_name):
            raise OptionError("run_name", f"{runs_dir / config.run_name} exists already; choose another name")
        return runs_dir / config.run_name
    name = describe(config, data)
    return next(path for i in itertools.count(1) if not os.path.lexists(path := runs_dir / f"{name}-{i}"))


def describe(config: Config, data: str) -> str:
    """Name from data set, networks, adversarial loss and its weight in the VAE's loss.

    data: short name of the images. Two runs may have the same name.
    """
    if config.gan or config.encoder_name == config.decoder_name:
        networks = [config.decoder_name]
    else:
        networks = [config.encoder_name, config.decoder_name]
    if config.disc:
        networks += [config.disc, "" if config.gan else f"w{_plain(config.disc_weight)}"]
        networks += ["" if config.adv == DEFAULT_ADV else config.adv]
    name = "_".join(filter(None, [data, "gan" if config.gan else "", *networks]))[:LONGEST]
    return name.replace(":", "-").replace("/", "-").replace(" ", "-")


def _plain(weight: Weight) -> str:
    """A weight without what a shell reads as its own: share(0.3) -> share-0.3. Percent are "pc"."""
    return "-".join(re.findall(r"[\w.]+", str(weight).replace("%", "pc")))
