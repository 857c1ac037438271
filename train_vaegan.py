"""Train a VAE, a VAE with a learned loss, or a GAN: `python train_vaegan.py --help`."""

import os
import sys
import time
from pathlib import Path

import torch
import yaml
from rich.console import Console

import datasets
from datasets.base import default_cache_dir
from datasets.batches import Batches
from vaegan import console as terminal
from vaegan.arguments import print_any_text
from vaegan.build import build_adversarial, build_objective, build_players, build_schedule
from vaegan.config import Config, resolved
from vaegan.devices import bf16_is_emulated, pick_device
from vaegan.errors import OptionError, TrainingError, UserError
from vaegan.flags import Given, parse
from vaegan.run import N_REFERENCE, new_run, plan_folder
from vaegan.trackers import WandbTracker
from vaegan.train import train

SMALLEST_SET = 2  # batches of training images


def main(argv: list[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0, 1 for a run that failed, 2 for a user's mistake."""
    print_any_text()
    arguments = sys.argv[1:] if argv is None else argv
    given = Given()
    try:
        given = parse(arguments, prog="train_vaegan.py", datasets=datasets.DATASETS.names())
        run(given, ["train_vaegan.py", *arguments])
    except UserError as error:
        print(given.explain(error), file=sys.stderr)
        return 2
    except TrainingError as error:
        print(f"stopped: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def run(given: Given, command: list[str]) -> None:
    """Show the run, or make it. Raises: UserError before anything is written."""
    config = given.config()
    console = terminal.make_console()
    source = datasets.open_source(_request(config))
    description = source.describe()
    config = resolved(config, description.shape[1])
    check_size(given, config, description.n_train)
    device = pick_device(config.device)
    folder = plan_folder(config)
    if given.dry_run:
        show_plan(console, config, description, folder)
        return

    players = build_players(config, description.shape)
    splits = source.load()
    for path, reason in splits.skipped:
        console.print(f"skipped {path}: {reason}")
    if splits.skipped:
        console.print(f"skipped {len(splits.skipped)} files that cannot be read")
    check_size(given, config, len(splits.train))
    # channels-last: a CPU's convolutions took 0.5 to 0.8 of the time
    players = players.to(device, memory_format=torch.channels_last)

    if config.precision == "bf16" and bf16_is_emulated(device):
        console.print("note: this CPU has no bf16 instructions; --precision fp32 is faster on it")
    train_set = Batches(splits.train.images, config.batch_size, shuffle_seed=config.seed, device=device)
    test_set = Batches(splits.test.images, config.batch_size, device=device)
    saved = new_run(config, reference=splits.test.images[:N_REFERENCE].to(device))
    saved.write_setting(players, device, command)
    for line in terminal.network_lines(players, _names(config)):
        console.print(line)
    console.print(
        f"{train_set.n_images:,} training and {test_set.n_images:,} held-out images, {device}; "
        f"into {saved.folder}"
    )
    tracker = WandbTracker(
        saved.folder,
        config.wandb,
        config.to_dict(),
        console.print,
        project=config.wandb_project,
        group=config.wandb_group,
        tags=config.wandb_tags or (),
        notes=config.wandb_notes,
    )
    if tracker.line:
        console.print(tracker.line)
    started = time.perf_counter()
    with tracker:
        try:
            with terminal.ProgressBar(console, config.epochs, len(train_set)) as bar:
                train(config, players, build_schedule(config), train_set, test_set, [bar, saved, tracker])
        except (KeyboardInterrupt, TrainingError):
            saved.draw_curves()
            if finished := len(saved.records()):
                console.print(
                    f"the weights after epoch {finished}, the last whole one, are in {saved.weights}"
                )
            console.print(f"Run folder: {saved.folder}")
            raise
        weights = saved.finish(players)
        seconds = time.perf_counter() - started
    adversarial = build_adversarial(config)
    draws = adversarial.draws() if adversarial else {}
    for line in terminal.summary_lines(saved.records()[-1], draws, seconds, saved.folder, weights):
        console.print(line)


def show_plan(console: Console, config: Config, description: datasets.Description, folder: Path) -> None:
    """Print the config, the networks, the data, the weights over the epochs and where the run would go."""
    without_downloads = config.model_copy(update={"pretrained": None, "disc_pretrained": None})
    players = build_players(without_downloads, description.shape)
    console.print("# config")
    console.print(yaml.safe_dump(config.to_dict(), sort_keys=False))
    console.print("# networks")
    for line in terminal.network_lines(players, _names(config)):
        console.print(line)
    console.print("\n# data")
    console.print("image     " + " x ".join(map(str, description.shape)))
    if description.n_train is None:
        console.print(f"images    unknown ({description.note})")
    else:
        note = f" ({description.note})" if description.note else ""
        steps = -(-description.n_train // config.batch_size)
        console.print(f"images    {description.n_train:,} training, {description.n_test:,} held out{note}")
        console.print(f"steps     {steps:,} an epoch, {steps * config.epochs:,} in all")
    gated = "" if config.max_disc_loss is None else " while the gate of --max-disc-loss is open"
    console.print(f"\n# weights{gated}")
    terms = build_objective(config, players).terms
    for line in terminal.schedule_lines(build_schedule(config), config.epochs, terms):
        console.print(line)
    console.print(f"\n# run folder\n{folder}")


def _request(config: Config) -> datasets.Request:
    data_dir = config.data_dir or os.environ.get("VAEGAN_DATA") or "data"
    return datasets.Request(
        config.dataset,
        config.image_size,
        data_dir=Path(data_dir).expanduser(),
        split_seed=config.split_seed,
        crop=config.crop,
        memory_limit=config.memory_limit,
        cache_dir=Path(config.cache_dir).expanduser() if config.cache_dir else default_cache_dir(),
    )


def _names(config: Config) -> dict[str, str]:
    return {"encoder": config.encoder_name, "decoder": config.decoder_name, "disc": config.disc or ""}


def check_size(given: Given, config: Config, n_train: int | None) -> None:
    """Raises: OptionError for fewer images than two batches, and fewer steps than gen waits for its turn."""
    if n_train is not None and n_train < SMALLEST_SET * config.batch_size:
        raise OptionError(
            "batch_size" if "batch_size" in given.origins else "dataset",
            f"there are {n_train} training images, fewer than two batches of {config.batch_size}",
        )
    if n_train is not None and config.disc:
        steps = -(-n_train // config.batch_size) * (config.epochs - config.solo_epochs)
        if 0 < steps < config.disc_steps:
            raise OptionError(
                "disc_steps", f"D plays {steps} steps in all, and gen would never have its turn"
            )


if __name__ == "__main__":
    sys.exit(main())
