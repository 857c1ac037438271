"""Write the page of a run again, or compare several runs on one page.

One run: report.html from the files in its folder, written into it or into a new one. Several runs: their
curves in one plot and their figures side by side, in a new folder.
"""

import argparse
from pathlib import Path

from vaegan.cli.run_arguments import check_run_folder
from vaegan.errors import OptionError
from vaegan.files import new_folder
from vaegan.report.comparison import compare
from vaegan.report.page import write_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="a run's folder")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        help="new folder for the comparison of several runs, or for the page of one",
    )


def run(arguments: argparse.Namespace) -> None:
    """Raises: UserError for a run that cannot be read, and for a folder that cannot be written."""
    runs = arguments.runs
    if arguments.out is None:
        if len(runs) > 1:
            raise OptionError("out", "is missing; name a new folder for the comparison")
        check_run_folder(runs[0])
        print(f"report: {write_report(runs[0])}")
        return
    with new_folder(arguments.out) as unfinished:
        page = compare(runs, unfinished) if len(runs) > 1 else write_report(runs[0], unfinished)
    print(f"{'comparison' if len(runs) > 1 else 'report'}: {arguments.out / page.name}")
