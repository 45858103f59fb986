"""What followed the lists of earlier runs, as the histories of a later as-of tell."""

import logging
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import pyarrow as pa

from jobs.lake.files import read_table
from jobs.lake.partitions import Partition
from jobs.run.entrypoint import RunArguments
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import LakeFileError
from recsys.evaluation.run_metrics import RunMetric
from recsys.ids import IdIndex
from recsys.lists.realised import OF_HISTORIES, OF_LISTS, Listed, Yeses
from recsys.schemas import HISTORIES, ITEMS, LISTS

_DAY: Final = timedelta(days=1)

log = logging.getLogger(__name__)


def realised_metrics(arguments: RunArguments, earlier: Sequence[AsOf]) -> list[RunMetric]:
    """Figures of the runs of earlier as-ofs, which are their labels; none of those whose lists the
    lake has no more."""
    lake, as_of = arguments.lake, arguments.as_of
    there = [each for each in earlier if lake.as_of(LISTS.name, each).exists()]
    if not there:
        return []
    histories = lake.as_of(HISTORIES.name, as_of)
    yeses = Yeses.of(
        _batches(histories, OF_HISTORIES),
        _index(histories, c.USER_ID),
        _index(lake.as_of(ITEMS.name, as_of), c.ITEM_ID),
        (as_of - min(there)) / _DAY,
    )
    found = dict(_listed(arguments, there, yeses))
    if arguments.config.of_people:
        runs = list(found.values())
        counted = yeses.realised_by_people(runs, _batches(histories, OF_HISTORIES))
    else:
        counted = [listed.realised() for listed in found.values()]
    counts = zip(found, counted, strict=True)
    return [metric for each, realised in counts for metric in realised.metrics(str(each))]


def _listed(
    arguments: RunArguments, earlier: Sequence[AsOf], yeses: Yeses
) -> Iterator[tuple[AsOf, Listed]]:
    for each in earlier:
        lists = _batches(arguments.lake.as_of(LISTS.name, each), OF_LISTS)
        days = (arguments.as_of - each) / _DAY
        try:
            yield each, yeses.among(lists, days, arguments.config.gates.depth)
        except LakeFileError as error:
            # Lists that nobody is shown any more are no reason to publish none.
            log.warning("what followed the lists as of %s is not counted: %s", each, error)


def _batches(partition: Partition, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a table, a file at a time."""
    for file in partition.files():
        yield from read_table(file, columns=list(columns)).combine_chunks().to_batches()


def _index(partition: Partition, column: str) -> IdIndex:
    """The ids of a table that is in their order."""
    read = pa.concat_tables(read_table(file, columns=[column]) for file in partition.files())
    return IdIndex(read[column].combine_chunks())
