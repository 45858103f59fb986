"""Builds the user-item matrix from the raw events that were known before a date (Spark).

Writes the item index, one row a user with the items touched and blocked, and the rows that could
not be used, each with its reason.
"""

import argparse
import logging
from collections.abc import Iterator
from datetime import timedelta
from functools import partial, reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.frames import read_frame, write_frame
from jobs.io.lake import DataFile, Partition
from jobs.run_stats import no_events
from jobs.spark import executor_errors, session
from jobs.transforms import events as ev
from jobs.transforms import histories as hs
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.interactions.histories import Terms
from recsys.schemas import EVENT_SOURCES, INTERACTIONS, ITEMS, QUARANTINE, RAW
from recsys.window import Window

_ROWS_A_PART = 1_000_000
"""Events that one task holds in memory."""

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    spark = session("interactions", arguments.settings)
    judged = _judged_events(spark, arguments)
    _write_quarantine(spark, judged, arguments)
    usable = judged.where(F.col(c.REJECT_REASON).isNull())
    items = _write_items(usable, arguments)
    item_rows = hs.numbered_ids(spark, c.ITEM_ID, c.ITEM_ROW, items)
    evidence = ev.evidence(usable, arguments.config.events)
    if arguments.config.sources.blocks is not None:
        blocks = _snapshot(spark, arguments, "blocks").dropna(subset=[c.USER_ID, c.ITEM_ID])
        evidence = evidence.union(ev.block_evidence(blocks.join(item_rows, c.ITEM_ID)))
    _write_interactions(spark, evidence, item_rows, arguments)


def _judged_events(spark: SparkSession, arguments: RunArguments) -> DataFrame:
    """Every event of every source that was known before the date, with the name of its source."""
    names = [n for n in arguments.config.sources.configured() if n in EVENT_SOURCES]
    parts = [part for name in names for part in _judged_source(spark, arguments, name)]
    return reduce(DataFrame.unionByName, parts)


def _judged_source(spark: SparkSession, arguments: RunArguments, name: str) -> list[DataFrame]:
    config, lake, table = arguments.config, arguments.lake, RAW[name]
    window = config.window.before(arguments.as_of)
    place = lake.events_of(table.name, config.source_fingerprint(name))
    events = read_frame(spark, table, _windows(arguments, name), config.ids)
    no_date = lake.as_of(f"{place}/undated", arguments.as_of)
    parts = [
        ev.judged(ev.known_before(events, window), config.events, arguments.as_of),
        ev.undated(read_frame(spark, table, [no_date], config.ids)),
    ]
    return [part.withColumn(c.SOURCE, F.lit(name)) for part in parts]


def _overlap(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end


def _write_quarantine(spark: SparkSession, judged: DataFrame, arguments: RunArguments) -> None:
    rejected = [judged] + [
        _snapshot(spark, arguments, name).withColumn(c.SOURCE, F.lit(name))
        for name in arguments.config.sources.configured()
        if name not in EVENT_SOURCES
    ]
    names = QUARANTINE.arrow(arguments.config.ids).names
    parts = (frame.select(*(n for n in names if n in frame.columns)) for frame in rejected)
    rows = reduce(partial(DataFrame.unionByName, allowMissingColumns=True), parts)
    rows = rows.where(F.col(c.REJECT_REASON).isNotNull()).persist()
    counts = rows.groupBy(c.SOURCE, c.REJECT_REASON).count().orderBy(c.SOURCE, c.REJECT_REASON)
    with arguments.lake.as_of(QUARANTINE.name, arguments.as_of).replace() as draft:
        write_frame(rows.coalesce(1), QUARANTINE, draft, arguments.config.ids)
        draft.stats["rejected"] = {f"{r[0]}: {r[1]}": r[2] for r in counts.collect()}
    for reason, count in draft.stats["rejected"].items():
        log.warning("quarantined %d rows of %s", count, reason)


def _snapshot(spark: SparkSession, arguments: RunArguments, name: str) -> DataFrame:
    partition = arguments.lake.as_of(RAW[name].name, arguments.as_of)
    return read_frame(spark, RAW[name], [partition], arguments.config.ids)


def _write_items(events: DataFrame, arguments: RunArguments) -> IdIndex:
    """The item index: the catalogue and whatever else was interacted with, numbered."""
    ids, lake = arguments.config.ids, arguments.lake
    catalogue = lake.as_of(RAW["items"].name, arguments.as_of).read(RAW["items"], ids)
    touched = events.select(c.ITEM_ID).distinct().toArrow()[c.ITEM_ID]
    if not len(touched):
        raise no_events(arguments)
    known = catalogue[c.ITEM_ID].combine_chunks()
    index = IdIndex.build(pa.concat_arrays([known, *touched.cast(known.type).chunks]), ids.item)
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
        draft.stats["available"] = pc.sum(items[c.AVAILABLE]).as_py() or 0
    return index


def _write_interactions(
    spark: SparkSession, evidence: DataFrame, items: DataFrame, arguments: RunArguments
) -> None:
    config, as_of = arguments.config, arguments.as_of
    users = _users(spark, evidence, arguments)
    parts, size = _parts(spark, len(users), arguments)
    with arguments.lake.as_of(INTERACTIONS.name, as_of).replace() as draft:
        maker = hs.HistoryMaker(
            users=users,
            active=_active(users, arguments),
            size=size,
            terms=Terms(config.events, as_of, as_of - timedelta(days=config.ranking.holdout_days)),
            ids=config.ids,
            folder=draft.folder,
        )
        user_rows = hs.numbered_ids(spark, c.USER_ID, c.USER_ROW, users)
        rows = hs.gathered(evidence, user_rows, items, parts, size)
        shared = spark.sparkContext.broadcast(maker)

        def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield from shared.value.write(batches)

        with executor_errors():
            written = rows.mapInArrow(write, hs.HistoryMaker.SPARK_SCHEMA).toArrow()
        draft.files += [DataFile.model_validate(row) for row in written.to_pylist()]
        totals = ("pairs", "events", "distinct_events")
        draft.stats |= {name: pc.sum(written[name]).as_py() or 0 for name in totals}
    log.info("interactions: %s", draft.stats)


def _users(spark: SparkSession, evidence: DataFrame, arguments: RunArguments) -> IdIndex:
    """The user index: who did something, blocked something or has a profile, numbered."""
    ids = evidence.select(c.USER_ID)
    if arguments.config.sources.user_profiles is not None:
        ids = ids.union(_snapshot(spark, arguments, "user_profiles").select(c.USER_ID))
    return IdIndex.build(ids.distinct().toArrow()[c.USER_ID], arguments.config.ids.user)


def _active(users: IdIndex, arguments: RunArguments) -> npt.NDArray[np.bool_]:
    """(users,) whether each is an active member; all are where the sources do not say."""
    if arguments.config.sources.users is None:
        return np.ones(len(users), dtype=bool)
    partition = arguments.lake.as_of(RAW["users"].name, arguments.as_of)
    members = partition.read(RAW["users"], arguments.config.ids)
    rows = users.rows(members.filter(members[c.ACTIVE])[c.USER_ID])
    active = np.zeros(len(users), dtype=bool)
    active[pc.drop_null(rows).to_numpy()] = True
    return active


def _parts(spark: SparkSession, users: int, arguments: RunArguments) -> tuple[int, int]:
    """How many tasks build the histories, and of how many users each."""
    config = arguments.config
    rows = sum(
        partition.manifest().rows
        for name in config.sources.configured()
        if name in EVENT_SOURCES
        for partition in _windows(arguments, name)
    )
    wanted = max(int(spark.conf.get("spark.sql.shuffle.partitions") or 1), rows // _ROWS_A_PART)
    size = -(-users // wanted)
    return -(-users // size), size


def _windows(arguments: RunArguments, name: str) -> list[Partition]:
    """The partitions that hold the events of a source that the date may know."""
    config, lake = arguments.config, arguments.lake
    window = config.window.before(arguments.as_of)
    place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
    return [lake.window(place, w) for w in lake.windows(place) if _overlap(w, window)]


if __name__ == "__main__":
    run(arg_parser(), main)
