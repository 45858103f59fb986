"""Builds the user-item matrix from the raw events that were known before a date (Spark).

Writes the item index, one row a user with the items touched and blocked, and the rows that could
not be used, each with its reason.
"""

import argparse
import logging
from datetime import timedelta
from functools import partial, reduce

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.frames import read_frame, write_frame
from jobs.run_stats import no_events
from jobs.spark import session
from jobs.transforms import events as ev
from jobs.transforms import histories as hs
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.schemas import EVENT_SOURCES, INTERACTIONS, ITEMS, QUARANTINE, RAW
from recsys.window import Window

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    spark = session("interactions", arguments.settings)
    config, as_of = arguments.config, arguments.as_of
    judged = _judged_events(spark, arguments).persist()
    _write_quarantine(spark, judged, arguments)
    usable = judged.where(F.col(c.REJECT_REASON).isNull())
    earlier = as_of - timedelta(days=config.ranking.holdout_days)
    pairs = ev.pair_weights(usable, config.events, as_of, earlier).persist()
    if pairs.isEmpty():
        raise no_events(arguments)
    items = _write_items(pairs, arguments)
    numbers = spark.createDataFrame(items.select([c.ITEM_ID, c.ITEM_ROW]))
    _write_interactions(spark, pairs, numbers, arguments)
    spark.catalog.clearCache()


def _judged_events(spark: SparkSession, arguments: RunArguments) -> DataFrame:
    """Every event of every source that was known before the date, with the name of its source."""
    names = [n for n in arguments.config.sources.configured() if n in EVENT_SOURCES]
    parts = [part for name in names for part in _judged_source(spark, arguments, name)]
    return reduce(DataFrame.unionByName, parts)


def _judged_source(spark: SparkSession, arguments: RunArguments, name: str) -> list[DataFrame]:
    config, lake, table = arguments.config, arguments.lake, RAW[name]
    window = config.window.before(arguments.as_of)
    place = lake.events_of(table.name, config.source_fingerprint(name))
    windows = [lake.window(place, w) for w in lake.windows(place) if _overlap(w, window)]
    dated = ev.known_before(read_frame(spark, table, windows, config.ids), window)
    no_date = lake.as_of(f"{place}/undated", arguments.as_of)
    parts = [
        ev.judged(dated, config.events, arguments.as_of),
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


def _write_items(pairs: DataFrame, arguments: RunArguments) -> pa.Table:
    """The item index: the catalogue and whatever else was interacted with, numbered."""
    ids, lake = arguments.config.ids, arguments.lake
    catalogue = lake.as_of(RAW["items"].name, arguments.as_of).read(RAW["items"], ids)
    touched = pairs.select(c.ITEM_ID).distinct().toArrow()[c.ITEM_ID]
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
    return items


def _write_interactions(
    spark: SparkSession, pairs: DataFrame, numbers: DataFrame, arguments: RunArguments
) -> None:
    config = arguments.config
    nobody = spark.createDataFrame([], pairs.select(c.USER_ID, c.ITEM_ID).schema)
    blocks, profiled, active = nobody, nobody.select(c.USER_ID), None
    if config.sources.blocks is not None:
        blocks = _snapshot(spark, arguments, "blocks").dropna(subset=[c.USER_ID, c.ITEM_ID])
    if config.sources.user_profiles is not None:
        profiled = _snapshot(spark, arguments, "user_profiles").select(c.USER_ID).distinct()
    if config.sources.users is not None:
        members = _snapshot(spark, arguments, "users").dropna(subset=[c.USER_ID])
        active = members.where(c.ACTIVE).select(c.USER_ID).distinct()
    users = hs.histories(
        hs.touched_items(pairs, numbers), hs.blocked_items(blocks, numbers), profiled, active
    )
    totals = pairs.agg(F.count("*"), F.sum(ev.EVENTS), F.sum(ev.DISTINCT_EVENTS)).first()
    with arguments.lake.as_of(INTERACTIONS.name, arguments.as_of).replace() as draft:
        write_frame(hs.numbered(users), INTERACTIONS, draft, config.ids)
        if totals is not None:
            draft.stats |= dict(zip(("pairs", "events", "distinct_events"), totals, strict=True))
    log.info("interactions: %s", draft.stats)


if __name__ == "__main__":
    run(arg_parser(), main)
