"""Checks the user-item matrix against its data contract before models are trained on it."""

import argparse
import logging

import pyarrow as pa

from data_contracts import matrix
from data_contracts import measures as m
from data_contracts.contract import CheckContext, RelatedTables
from data_contracts.trailing import Trailing
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.checks import earlier_rows, keep, passed_before, read_present
from recsys import columns as c
from recsys.schemas import HISTORIES, ITEMS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@night_step("check_matrix")
def main(arguments: RunArguments) -> None:
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    limits, ids = config.contracts, config.ids
    rows, found = read_present([lake.as_of(HISTORIES.name, as_of)], HISTORIES, ids)
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, ids)
    context = CheckContext(
        as_of=as_of,
        limits=limits,
        ids=ids,
        trailing=Trailing(
            rows=earlier_rows(lake, HISTORIES.name, as_of, limits.trailing_runs),
            runs_needed=limits.needed_runs,
            at_once=_was_at_once(arguments, rows),
        ),
        related=RelatedTables(items=items[c.ITEM_ID].combine_chunks()),
    )
    keep(lake, "matrix", as_of, [matrix.CONTRACT.check(rows, context, found)])
    log.info("the matrix of %d users keeps to its contract", rows.num_rows)


def _was_at_once(arguments: RunArguments, rows: pa.Table) -> bool:
    """True if the last matrix that passed its check was of one day; asked only if this one is."""
    if not matrix.days_since_all(m.flat(rows[c.AGES])[1]):
        return False
    lake, ids = arguments.lake, arguments.config.ids
    passed = passed_before(lake, "matrix", arguments.as_of)
    if not passed:
        return False
    earlier = lake.as_of(HISTORIES.name, passed[-1])
    return bool(matrix.days_since_all(m.flat(earlier.read(HISTORIES, ids)[c.AGES])[1]))


if __name__ == "__main__":
    run(arg_parser(), main)
