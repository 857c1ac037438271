"""Make the W&B dashboard of a project: curves by player, pictures, D's accuracy, weights."""

import argparse
import os

from vaegan.errors import OptionError
from vaegan.trackers import wandb_dashboard
from vaegan.trackers.wandb_tracker import PROJECT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--entity", metavar="NAME", help="user or team that owns the project")
    parser.add_argument(
        "--project",
        default=os.environ.get("WANDB_PROJECT") or PROJECT,
        metavar="NAME",
        help="project of the runs (default: %(default)s)",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the dashboard's contents and stop")


def run(arguments: argparse.Namespace) -> None:
    """Raises: OptionError without an entity; UserError without the extra, a key or an answer from W&B."""
    if arguments.dry_run:
        print("\n".join(wandb_dashboard.text()))
        return
    if not arguments.entity:
        raise OptionError("entity", "is missing; name the user or team that owns the project")
    print(f"dashboard: {wandb_dashboard.save(arguments.entity, arguments.project)}")
