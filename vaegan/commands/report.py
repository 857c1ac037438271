"""Write the page of a run anew, or compare several runs on one page.

One run: its report.html, from what lies in its folder. Several: their curves on one plot and their figures
side by side, in a new folder.
"""

import argparse
from pathlib import Path

from vaegan.errors import OptionError
from vaegan.new_paths import new_folder
from vaegan.report.comparison import compare
from vaegan.report.page import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run's folder")
    parser.add_argument(
        "--out", metavar="FOLDER", type=Path, help="a new folder, for the comparison of several runs"
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a folder that is no run's or has not been evaluated."""
    runs = arguments.runs
    if len(runs) == 1:
        if arguments.out is not None:
            raise OptionError("out", "one run's page goes into its folder; leave this out")
        print(f"report: {write_report(runs[0])}")
        return
    if arguments.out is None:
        raise OptionError("out", "is missing; name a new folder for the comparison")
    with new_folder(arguments.out) as unfinished:
        page = compare(runs, unfinished)
    print(f"comparison: {arguments.out / page.name}")
