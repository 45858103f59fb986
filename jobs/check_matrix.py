"""Checks the user-item matrix against its data contract before models are trained on it."""

import argparse
import logging

from data_contracts import matrix
from data_contracts.contract import Known, Terms
from data_contracts.trailing import Trailing
from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.contracts import earlier_rows, keep, read_present
from recsys import columns as c
from recsys.schemas import INTERACTIONS, ITEMS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    limits, ids = config.contracts, config.ids
    rows, found = read_present([lake.as_of(INTERACTIONS.name, as_of)], INTERACTIONS, ids)
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, ids)
    terms = Terms(
        as_of=as_of,
        limits=limits,
        ids=ids,
        trailing=Trailing(
            rows=earlier_rows(lake, INTERACTIONS.name, as_of, limits.trailing_runs),
            runs_needed=limits.needed_runs,
        ),
        known=Known(items=items[c.ITEM_ID].combine_chunks()),
    )
    keep(lake, "matrix", as_of, [matrix.CONTRACT.check(rows, terms, found)])
    log.info("the matrix of %d users keeps to its contract", rows.num_rows)


if __name__ == "__main__":
    run(arg_parser(), main)
