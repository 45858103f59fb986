"""Checks the lists against their data contract before they are published (plain Python)."""

import argparse
import logging

from data_contracts import lists
from data_contracts.contract import CheckContext, RelatedTables
from data_contracts.trailing import Trailing
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.checks import earlier_rows, keep, read_present
from jobs.stores.models import TrainingData, histories
from recsys import columns as c
from recsys.schemas import ITEMS, LISTS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@night_step("check_lists")
def main(arguments: RunArguments) -> None:
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    limits, ids = config.contracts, config.ids
    partition = lake.as_of(LISTS.name, as_of)
    rows, found = read_present([partition], LISTS, ids, without=(c.BECAUSE_IDS, c.REASONS))
    context = CheckContext(
        as_of=as_of,
        limits=limits,
        ids=ids,
        trailing=Trailing(
            rows=earlier_rows(lake, LISTS.name, as_of, limits.trailing_runs),
            runs_needed=limits.needed_runs,
        ),
        related=_related(arguments),
        longest=config.lists.length,
    )
    keep(lake, "lists", as_of, [lists.CONTRACT.check(rows, context, found)])
    log.info("the lists of %d users keep to their contract", rows.num_rows)


def _related(arguments: RunArguments) -> RelatedTables:
    lake, as_of, ids = arguments.lake, arguments.as_of, arguments.config.ids
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, ids)
    matrix = histories(lake, as_of, ids)
    return RelatedTables(
        users=matrix.filter(matrix[c.ACTIVE])[c.USER_ID].combine_chunks(),
        items=items[c.ITEM_ID].combine_chunks(),
        available=items[c.AVAILABLE].to_numpy(),
        matrix=matrix,
        people=TrainingData(arguments).people,
    )


if __name__ == "__main__":
    run(arg_parser(), main)
