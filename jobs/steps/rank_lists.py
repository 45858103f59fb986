"""Scores users, orders the candidates, and makes lists of the best items of each (Spark).

Between full nights who has not changed since the night before keeps the list.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence
from typing import cast

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.lake.facts import ListsFacts
from jobs.lake.files import StoredFile, parquet, remove
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import Draft
from jobs.listing import Listing
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.spark.session import executor_errors, in_arrow, numbered_tasks, session, task_numbers
from jobs.stores.models import CHOICE, TrainingData, model_partition, read_policy
from jobs.stores.nights import alignment_since, recorded, unavailable_since
from jobs.stores.step_facts import kept_facts, write_facts
from jobs.stores.tunings import with_night_tuning
from jobs.tasks.lists import ListKeeper, ListMaker, PoolCompleter, PoolMaker, PoolReader
from jobs.tasks.pools import LakePools
from recsys import columns as c
from recsys.arrays import Ints, Mask, Ragged
from recsys.as_of import AsOf
from recsys.dataset.matrices import list_arrays
from recsys.generators import segment
from recsys.generators.contract import Arrays
from recsys.ids import IdIndex
from recsys.lists import fallback
from recsys.lists.chain import Chain, joint_step, market_steps, plan_chain, plan_market_step
from recsys.lists.contract import JointStep
from recsys.lists.registry import LIST_STEPS
from recsys.matching.pools import people_of, proposed
from recsys.nights import Night
from recsys.schemas import FALLBACK, HISTORIES, LISTS, POOLS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@night_step("rank_lists")
@executor_errors()
def main(arguments: RunArguments) -> None:
    arguments = with_night_tuning(arguments)
    spark = session("lists", arguments.settings)
    lake, as_of = arguments.lake, arguments.as_of
    known, policy = TrainingData(arguments), read_policy(lake, as_of)
    listing = Listing(arguments, known, policy)
    night = recorded(model_partition(lake, CHOICE, as_of))
    due = known.histories[c.ACTIVE].to_numpy()
    with lake.as_of(LISTS.name, as_of).replace() as draft:
        kept = _keep_lists(spark, arguments, known, night, draft)
        due[kept] = False
        _make_lists(spark, listing, night, due, draft)
        ListsFacts(
            models=tuple(listing.context.sources),
            night=night,
            scored=int(due.sum()),
            kept=len(kept),
        ).note(draft)
    methods = ", ".join(f"{order.method} ({band})" for band, order in policy.orders.items())
    log.info("lists of %d users by %s, %d kept as they were", due.sum(), methods, len(kept))
    if listing.chain.steps:
        log.info("list steps: %s", ", ".join(step.name for step in listing.chain.steps))
        for name, line in listing.chain.summaries().items():
            log.info("%s: %s", name, line)
    with lake.as_of(FALLBACK.name, as_of).replace() as draft:
        draft.write_table(_fallback(arguments, known))


def _keep_lists(
    spark: SparkSession, arguments: RunArguments, known: TrainingData, night: Night, draft: Draft
) -> Ints:
    """Copies the lists of the night before that are still good; gives the rows of their users.

    Each task reads its share of the files and writes one; only names and row numbers come back.
    """
    if night.previous is None:
        return np.empty(0, np.int64)
    moved = alignment_since(arguments, known, night.previous)
    active = known.histories[c.ACTIVE].to_numpy()
    keeper = ListKeeper(
        users=IdIndex(known.histories[c.USER_ID].combine_chunks()),
        unchanged=active & ~moved.changed,
        unavailable=unavailable_since(arguments, known, night.previous),
        ids=arguments.config.ids,
        items=IdIndex(known.items[c.ITEM_ID].combine_chunks()),
        people=known.training.people,
    )
    files = arguments.lake.as_of(LISTS.name, night.previous).files()
    shared = spark.sparkContext.broadcast(keeper)
    tasks, folder = min(len(files), spark.sparkContext.defaultParallelism), draft.folder

    def copy(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in task_numbers(batches):
            yield shared.value.copy(files[number::tasks], folder)

    with executor_errors():
        numbers = numbered_tasks(spark, tasks)
        copied = in_arrow(numbers, copy, ListKeeper.SCHEMA).toArrow()
    draft.files += [DataFile.model_validate(row) for row in copied.drop(["kept"]).to_pylist()]
    return np.asarray(copied["kept"].combine_chunks().flatten().to_numpy(), np.int64)


def _make_lists(
    spark: SparkSession, listing: Listing, night: Night, due: Mask, draft: Draft
) -> None:
    """Ranks who is due and runs the list steps.

    In a full night with steps that look at all users' pools, these are written once, looked at by
    each such step, and removed when the lists are made.
    """
    arguments = listing.arguments
    histories = arguments.lake.as_of(HISTORIES.name, arguments.as_of).files()
    step = joint_step(arguments.config.lists.steps)
    ranked = listing.pools(due, to_complete=step is not None)
    if not market_steps(arguments.config.lists.steps):
        _write_parts(spark, histories, listing.lists(ranked), draft)
    elif night.base is not None:
        _keep_facts(listing, night, night.base)
        _write_parts(spark, histories, listing.lists(ranked), draft)
    else:
        pools = arguments.lake.as_of(POOLS.name, arguments.as_of)
        with pools.replace() as pools_draft:
            _write_parts(spark, histories, ranked, pools_draft)
        log.info("pools of %d users", due.sum())
        if step is not None:
            asked = _asked(listing, pools.files(), step)
            with pools.replace() as pools_draft:
                _write_parts(spark, pools.files(), listing.completed(asked), pools_draft)
            log.info("pools completed with %d pairs", len(asked.values))
        _find_facts(spark, listing, night, pools.files())
        log.info("list steps have looked at all pools")
        _write_parts(spark, pools.files(), listing.lists(PoolReader()), draft)
        remove(pools.path)


def _asked(listing: Listing, pools: Sequence[StoredFile], step: str) -> Ragged:
    """Whom each user's pool needs, so that pairs are in both pools."""
    read = pa.concat_tables(
        [parquet(file).read(columns=[c.USER_ROW, c.ITEM_ROWS]) for file in pools]
    ).sort_by(c.USER_ROW)
    lengths = np.zeros(listing.known.histories.num_rows, np.int64)
    offsets, items = list_arrays(read[c.ITEM_ROWS])
    lengths[read[c.USER_ROW].to_numpy()] = np.diff(offsets)
    depth = listing.arguments.config.lists.depth
    everybody = Ragged.of_lengths(lengths, items.astype(np.int64)).cut(depth)
    strangers = cast("JointStep", LIST_STEPS[step]).STRANGERS
    training, seed = listing.known.training, listing.context.seed
    permitted = None if training.people is None else training.people.permitted_pairs
    return proposed(everybody, people_of(training), depth, strangers, seed, permitted)


def _find_facts(
    spark: SparkSession, listing: Listing, night: Night, pools: Sequence[StoredFile]
) -> None:
    """Lets each step that looks at all users' pools do so, after the steps before it."""
    arguments, sections = listing.arguments, listing.arguments.config.list_steps

    def find(step: str, before: Chain) -> Arrays:
        seen = LakePools(spark, pools, before)
        found = plan_market_step(step, seen, listing.context, sections)
        write_facts(arguments, step, found, night)
        return found

    plan_chain(sections, listing.context, find)


def _keep_facts(listing: Listing, night: Night, base: AsOf) -> None:
    """Takes over what steps found in all users' pools in the last full night."""
    arguments = listing.arguments
    for step in market_steps(arguments.config.lists.steps):
        found = kept_facts(arguments, listing.known, step, base)
        write_facts(arguments, step, found, night)


def _write_parts(
    spark: SparkSession,
    files: Sequence[StoredFile],
    maker: PoolMaker | PoolCompleter | ListMaker,
    draft: Draft,
) -> None:
    """Each task reads one file and writes what is made of it as one; only names and counts come
    back."""
    shared = spark.sparkContext.broadcast(maker)
    folder = draft.folder

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number in task_numbers(batches):
            yield shared.value.write(files[number], folder).as_batch()

    with executor_errors():
        tasks = numbered_tasks(spark, len(files))
        written = in_arrow(tasks, write, DataFile.SCHEMA).collect()
    draft.files += [DataFile(**row.asDict()) for row in written]


def _fallback(arguments: RunArguments, known: TrainingData) -> pa.Table:
    """Lists for users without their own: everybody's, and one for each segment.

    None in a market of people: of whom nothing is known, nobody knows who may be shown to them.
    """
    config, (numbers, names) = arguments.config, known.segments
    if config.of_people:
        return FALLBACK.arrow(config.ids).empty_table()
    section = config.generators.section("segment")
    smoothing = section.smoothing if isinstance(section, segment.Config) else 0.0
    lists = fallback.segment_lists(
        known.training.history,
        numbers,
        names,
        known.available,
        config.lists.fallback_length,
        smoothing,
        config.segments.least_users,
    )
    if config.segments.attribute and len(lists) == 1:
        log.warning(
            "segments.attribute %r gives no list: %s",
            config.segments.attribute,
            known.why_no_segment(),
        )
    index = IdIndex(known.items[c.ITEM_ID].combine_chunks())
    rows = [
        {c.SEGMENT: name, c.ITEM_IDS: index.ids(items).to_pylist(), c.SCORES: scores.tolist()}
        for name, items, scores in lists
    ]
    return pa.Table.from_pylist(rows, FALLBACK.arrow(config.ids))


if __name__ == "__main__":
    run(arg_parser(), main)
