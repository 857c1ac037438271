"""The plan of a training: its config and its data, checked before any image is read."""

from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console

from vaegan import datasets
from vaegan.cli.flags import Given
from vaegan.cli.plan import say_fitted, show_plan
from vaegan.config.build import try_parts
from vaegan.config.make import make_config, resolved
from vaegan.config.presets import Preset, completed
from vaegan.config.schema import ALL, Config
from vaegan.devices import pick_device
from vaegan.errors import OptionError
from vaegan.nets.players import Players
from vaegan.parallel import Ranks
from vaegan.run.checks import check_shares, check_size, check_warmup
from vaegan.run.layout import RunPaths
from vaegan.run.names import plan_folder
from vaegan.run.resuming import find_checkpoint
from vaegan.run.warm_start import Start, find_start
from vaegan.trackers.open import check_trackers
from vaegan.training.checkpoint import Found, checkpoint_names, last_checkpoint


@dataclass(frozen=True)
class Plan:
    """A run that passed all checks that need no images.

    config: resolved. fits: True if its batch size follows from the number of images. folder: of the run;
    known only to the first process. last_seen: the newest checkpoint of a resumed run. found: the checkpoint
    to resume from. start: initial weights that are another run's. tried: the networks that were tried, to be
    shown by a dry run; None in a training. preset: the one below the given options, as far as it was used.
    """

    given: Given
    config: Config
    fits: bool
    source: datasets.Source
    description: datasets.Description
    device: torch.device
    folder: Path
    last_seen: Path | None
    found: Found | None
    start: Start | None
    tried: Players | None
    preset: Preset

    @property
    def resumed(self) -> bool:
        return self.given.resume is not None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self.description.shape

    @property
    def epochs_done(self) -> int:
        return self.found.epochs if self.found else 0


def make_plan(given: Given, ranks: Ranks, console: Console) -> Plan:
    """The requested run, checked as far as possible without its images.

    Raises: UserError.
    """
    preset = given.fitting_preset()
    config = make_config(preset.below(given.values))
    check_trackers(config.tracker)
    if config.features != "auto":
        from vaegan.evals.features import check_features  # half a second of imports

        check_features(config.features)
    if config.sections != [ALL]:
        from vaegan.evals.sections import check_sections

        check_sections(config.sections)
    for remark in given.remarks:
        console.print(remark)
    source, description = describe_data(config, console)
    fits = config.batch_size is None  # it then follows from the number of images

    def complete(config: Config) -> tuple[Config, Players]:
        """The config with all that depends on its images, and its networks, tried."""
        config = resolved(config, description.shape[1], description.n_train, description.value_range)
        tried = try_parts(config, description.shape)
        check_size(given.origins, config, description.shape, description.n_train, ranks)
        n_train = description.n_train or 1  # of unknown many images as of one step an epoch
        check_shares(config, -(-n_train // config.batch_size))
        return config, tried

    (config, tried), preset = completed(given.values, preset, complete)
    device = pick_device(config.device)
    folder, last_seen, found = Path(), None, None
    if ranks.first and given.resume:
        if config.run_name is not None:
            raise OptionError("run_name", "a resumed run keeps its folder")
        last_seen = last_checkpoint(RunPaths(given.resume).checkpoints)
        found = find_checkpoint(given.typed(), config, given.resume)
    elif ranks.first:
        folder = plan_folder(config, datasets.title(config.dataset))
        check_warmup(config)
    folder = given.resume or folder
    goes_on = given.resume and checkpoint_names(RunPaths(folder).checkpoints)
    start = None if goes_on else find_start(config, description.shape)
    if start is not None:
        config = config.model_copy(update={"init_from": start.name})
    tried = tried if given.dry_run else None  # else of no more use, and large
    for line in preset.lines():
        console.print(line)
    return Plan(
        given, config, fits, source, description, device, folder, last_seen, found, start, tried, preset
    )


def describe_data(config: Config, console: Console) -> tuple[datasets.Source, datasets.Description]:
    """The source of the images and its description, without reading the images."""
    source = datasets.open_source(datasets.Request.of(config.to_dict()))
    if note := datasets.namesake(config.dataset):
        console.print(note)
    description = source.describe()
    for remark in description.remarks:
        console.print(remark)
    return source, description


def show(plan: Plan, console: Console) -> None:
    """Print the run instead of making it: --dry-run."""
    if plan.fits:
        say_fitted(plan.config, plan.description.n_train, console)
    show_plan(console, plan.config, plan.description, plan.folder, plan.found, plan.tried)
    if plan.start is not None:
        console.print(plan.start.line(plan.config.pixel_range))
