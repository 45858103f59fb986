"""Builds the user-item matrix from the raw events that were known before an as-of (Spark).

Writes the item index, one row a user with the items touched and blocked, and the rows that could
not be used, each with its reason. Executors read the raw files twice: once for the ids, which are
numbered then, and once for the evidence, which is brought together by user.
"""

import argparse
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

from jobs.lake.facts import HistoriesFacts, ItemsFacts, QuarantineFacts, RecentEventsFacts
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import Draft, Partition
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.sinks.postgres.forgotten import forgotten
from jobs.spark.session import executor_errors, in_arrow, numbered_tasks, session, task_numbers
from jobs.stores.run_stats import no_events
from jobs.tasks.histories import COUNTS, PART, RECENT, HistoryMaker, RecentKeeper
from jobs.tasks.raw_files import Judge, RawFile, Rejects, Share, Sifter, shares, unpacked
from recsys import columns as c
from recsys.events.histories import Weighting
from recsys.events.recent import Keeping
from recsys.ids import IdIndex
from recsys.schemas import EVENT_SOURCES, HISTORIES, ITEMS, QUARANTINE, RAW, RECENT_EVENTS

_ROWS_A_TASK: Final = 1_000_000
"""Events that one task holds in memory."""

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@night_step("build_matrix")
@executor_errors()
def main(arguments: RunArguments) -> None:
    spark = session("matrix", arguments.settings)
    files = _raw_files(arguments)
    users, touched = _write_quarantine(spark, shares(files, _ROWS_A_TASK), arguments)
    if not len(touched):
        raise no_events(arguments)
    items = _write_items(touched, arguments)
    evidence = shares([file for file in files if file.evidence], _ROWS_A_TASK)
    _write_histories(spark, evidence, users, items, arguments)


def _raw_files(arguments: RunArguments) -> list[RawFile]:
    """Every file that the date may know something of."""
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    files = []
    for name in config.sources.configured():
        if name not in EVENT_SOURCES:
            files += _files_of(name, lake.as_of(RAW[name].name, as_of))
            continue
        place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
        wanted = config.window.before(as_of)
        for window in (w for w in lake.windows(place) if w.overlaps(wanted)):
            files += _files_of(name, lake.window(place, window))
        files += _files_of(name, lake.as_of(f"{place}/undated", as_of), dated=False)
    return files


def _files_of(source: str, partition: Partition, *, dated: bool = True) -> list[RawFile]:
    files = partition.manifest().files
    return [RawFile(source, f.below(partition.path), f.rows, dated) for f in files]


def _write_quarantine(
    spark: SparkSession, files: tuple[Share, ...], arguments: RunArguments
) -> tuple[IdIndex, pa.ChunkedArray]:
    """Writes the rows that cannot be used; gives who is in the others, and the items."""
    judge, ids = Judge(arguments.config, arguments.as_of), arguments.config.ids
    gone = forgotten(arguments.settings.postgres_uri, ids)
    with arguments.lake.as_of(QUARANTINE.name, arguments.as_of).replace() as draft:
        sifter = Sifter(judge, files, draft.folder, gone)

        def sift(tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from map(sifter.sift, task_numbers(tasks))

        with executor_errors():
            tasks = numbered_tasks(spark, len(files))
            told = in_arrow(tasks, sift, Sifter.SCHEMA).toArrow()
        rejects = [Rejects.model_validate_json(text) for text in told["rejects"].to_pylist()]
        draft.files += [file for each in rejects for file in each.files]
        reasons = sum((Counter(each.reasons) for each in rejects), Counter())
        rejected = dict(sorted(reasons.items()))
        QuarantineFacts(rejected=rejected).note(draft)
    for reason, count in rejected.items():
        log.warning("quarantined %d rows of %s", count, reason)
    users = IdIndex.build(unpacked(told["users"])[c.USER_ID], ids.user)
    return users, unpacked(told["items"])[c.ITEM_ID]


def _write_items(touched: pa.ChunkedArray, arguments: RunArguments) -> IdIndex:
    """The item index: the catalogue and whatever else was interacted with, numbered."""
    ids, lake = arguments.config.ids, arguments.lake
    catalogue = lake.as_of(RAW["items"].name, arguments.as_of).read(RAW["items"], ids)
    known = catalogue[c.ITEM_ID].combine_chunks()
    index = IdIndex.build(pa.concat_arrays([known, *touched.chunks]), ids.item)
    place = pc.index_in(index.values, value_set=known)
    columns = {
        c.ITEM_ROW: pa.array(range(len(index)), pa.int32()),
        c.ITEM_ID: index.values,
        c.TITLE: catalogue[c.TITLE].combine_chunks().take(place),
        c.AVAILABLE: pc.fill_null(catalogue[c.AVAILABLE].combine_chunks().take(place), False),
    }
    items = pa.table(columns, schema=ITEMS.arrow(ids))
    ITEMS.check_values(items, ids)
    with lake.as_of(ITEMS.name, arguments.as_of).replace() as draft:
        draft.write_table(items)
        ItemsFacts(available=pc.sum(items[c.AVAILABLE]).as_py() or 0).note(draft)
    return index


def _write_histories(
    spark: SparkSession,
    files: tuple[Share, ...],
    users: IdIndex,
    items: IdIndex,
    arguments: RunArguments,
) -> None:
    config, as_of = arguments.config, arguments.as_of
    with ExitStack() as drafts:
        draft = drafts.enter_context(arguments.lake.as_of(HISTORIES.name, as_of).replace())
        # Complete before the histories, which it goes with.
        recent = drafts.enter_context(_recent(arguments)) if config.objectives else None
        maker = HistoryMaker(
            judge=Judge(config, as_of),
            shares=files,
            users=users,
            items=items,
            active=_active(users, arguments),
            size=_users_a_part(spark, len(users), files),
            weighting=Weighting(
                config.event_rules(), as_of, as_of - timedelta(days=config.ranking.holdout_days)
            ),
            folder=draft.folder,
            recent=None if recent is None else _keeper(arguments, recent),
        )
        shared = spark.sparkContext.broadcast(maker)

        def gather(tasks: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for number in task_numbers(tasks):
                yield from shared.value.evidence(number)

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from shared.value.write(batches)

        tasks = numbered_tasks(spark, len(files))
        evidence = in_arrow(tasks, gather, HistoryMaker.EVIDENCE)
        by_user = evidence.repartitionById(maker.parts, PART)
        with executor_errors():
            written = in_arrow(by_user, write, HistoryMaker.WRITTEN).toArrow()
        rows = written.to_pylist()
        draft.files += [DataFile.model_validate(row) for row in rows]
        if recent is not None:
            recent.files += [DataFile.model_validate_json(row[RECENT]) for row in rows]
        counts = {name: pc.sum(written[name]).as_py() or 0 for name in COUNTS}
        HistoriesFacts(**counts).note(draft)
    log.info("matrix: %s", counts)


@contextmanager
def _recent(arguments: RunArguments) -> Iterator[Draft]:
    """A draft of the events that objectives ask about."""
    objectives = arguments.config.objectives
    with arguments.lake.as_of(RECENT_EVENTS.name, arguments.as_of).replace() as draft:
        yield draft
        asked = {name: each.outcome for name, each in objectives.items()}
        RecentEventsFacts(objectives=asked).note(draft)


def _keeper(arguments: RunArguments, draft: Draft) -> RecentKeeper:
    config = arguments.config
    keeping = Keeping.of(config.objectives, config.ranking.holdout_days, arguments.as_of)
    return RecentKeeper(keeping, draft.folder)


def _active(users: IdIndex, arguments: RunArguments) -> npt.NDArray[np.bool_]:
    """(users,) True for active members; all are where the sources do not say."""
    if "users" not in arguments.config.sources.configured():
        return np.ones(len(users), dtype=bool)
    partition = arguments.lake.as_of(RAW["users"].name, arguments.as_of)
    members = partition.read(RAW["users"], arguments.config.ids)
    rows = users.rows(members.filter(members[c.ACTIVE])[c.USER_ID])
    active = np.zeros(len(users), dtype=bool)
    active[pc.drop_null(rows).to_numpy()] = True
    return active


def _users_a_part(spark: SparkSession, users: int, files: tuple[Share, ...]) -> int:
    """Number of users whose histories one task builds."""
    rows = sum(file.rows for share in files for file in share if file.source in EVENT_SOURCES)
    least = int(spark.conf.get("spark.sql.shuffle.partitions") or 1)
    return -(-users // max(least, rows // _ROWS_A_TASK))


if __name__ == "__main__":
    run(arg_parser(), main)
