"""Builds the HTML pages on the newest contract check of each stage (plain Python).

Reads nothing but the results that the lake keeps, and writes to `contracts/docs` below it.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from data_contracts.pages import build_pages
from jobs.entrypoint import report
from jobs.io.contracts import CONTRACTS, STAGES, days, results, stage_partition
from jobs.io.lake import Lake
from jobs.settings import load_settings
from recsys.errors import MissingPartitionError, RecsysError


def arg_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def main(lake: Lake) -> Path:
    found = [
        result
        for stage in STAGES
        for day in days(lake, f"{CONTRACTS}/{stage}")[-1:]
        for result in results(stage_partition(lake, stage, day))
    ]
    if not found:
        message = f"no contract check is in {lake.root}; run check_sources first"
        raise MissingPartitionError(message)
    pages = lake.root / CONTRACTS / "docs"
    beside = Path(tempfile.mkdtemp(prefix="docs-", dir=pages.parent))
    try:
        build_pages(found, beside)
        beside.chmod(0o755)
        shutil.rmtree(pages, ignore_errors=True)
        beside.replace(pages)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return pages / "index.html"


if __name__ == "__main__":
    arg_parser().parse_args()
    try:
        sys.stdout.write(f"{main(Lake(load_settings().lake))}\n")
    except RecsysError as error:
        sys.exit(report(error))
