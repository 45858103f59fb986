"""Builds the HTML pages on the newest contract check of each stage (plain Python).

Reads nothing but the results that the lake keeps, and writes to `contracts/docs` below it.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from upath import UPath

from data_contracts.pages import build_pages
from jobs.lake.files import put_folder
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import lake_of
from jobs.run.reporting import report
from jobs.run.settings import load_settings
from jobs.stores.checks import results
from jobs.stores.stages import CONTRACTS, STAGES, stage_partition
from recsys.errors import MissingPartitionError, RecsysError


def arg_parser() -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def main(lake: Lake) -> UPath:
    found = [
        result
        for stage in STAGES
        for at in lake.instants(f"{CONTRACTS}/{stage}")[-1:]
        for result in results(stage_partition(lake, stage, at))
    ]
    if not found:
        message = f"no contract check is in {lake.root}; run check_sources first"
        raise MissingPartitionError(message)
    pages = lake.root / CONTRACTS / "docs"
    with tempfile.TemporaryDirectory() as folder:
        build_pages(found, Path(folder))
        put_folder(Path(folder), pages)
    return pages / "index.html"


if __name__ == "__main__":
    arg_parser().parse_args()
    try:
        sys.stdout.write(f"{main(lake_of(load_settings()))}\n")
    except RecsysError as error:
        sys.exit(report(error))
