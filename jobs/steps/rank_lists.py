"""Scores users, orders the candidates and keeps the best items of each (Spark).

Between full nights who has not changed since the night before keeps the list.
"""

import argparse
import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from jobs.lake.files import StoredFile
from jobs.lake.manifests import DataFile
from jobs.lake.partitions import Draft
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.spark.session import executor_errors, in_arrow, numbered_tasks, session, task_numbers
from jobs.stores.models import CHOICE, TrainingData, model_partition, read_model, read_policy
from jobs.stores.nights import alignment_since, facts, recorded, unavailable_since
from jobs.tasks.lists import ListKeeper, ListMaker
from recsys import columns as c
from recsys.arrays import Ints, Mask
from recsys.generators import segment
from recsys.generators.contract import Model
from recsys.ids import IdIndex
from recsys.lists import fallback
from recsys.lists.steps import explore
from recsys.nights import Night
from recsys.ranking.policy import RankingPolicy
from recsys.ranking.stack import Ranker
from recsys.schemas import FALLBACK, HISTORIES, LISTS

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@executor_errors()
def main(arguments: RunArguments) -> None:
    spark = session("lists", arguments.settings)
    lake, as_of = arguments.lake, arguments.as_of
    known, choice = TrainingData(arguments), read_policy(lake, as_of)
    night = recorded(model_partition(lake, CHOICE, as_of))
    due = known.histories[c.ACTIVE].to_numpy()
    with lake.as_of(LISTS.name, as_of).replace() as draft:
        kept = _keep_lists(spark, arguments, known, night, draft)
        due[kept] = False
        maker = list_maker(arguments, known, choice)
        _write_lists(spark, lake.as_of(HISTORIES.name, as_of).files(), due, maker, draft)
        draft.stats["models"] = [*choice.generators, explore.SOURCE]
        draft.stats |= facts(night) | {"scored": int(due.sum()), "kept": len(kept)}
    methods = ", ".join(f"{order.method} ({band})" for band, order in choice.orders.items())
    log.info("lists of %d users by %s, %d kept as they were", due.sum(), methods, len(kept))
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


def list_maker(arguments: RunArguments, known: TrainingData, choice: RankingPolicy) -> ListMaker:
    """What the lists of a date are made with."""
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    models = {name: read_model(lake, name, as_of) for name in choice.generators}
    ranker = Ranker.of(
        models,
        choice,
        known.available,
        known.training,
        config.ranking.candidates,
    )
    return ListMaker(
        ranker=ranker,
        items=IdIndex(known.items[c.ITEM_ID].combine_chunks()),
        length=config.lists.length,
        ids=config.ids,
        explorer=_explorer(arguments, known, models),
    )


def _explorer(
    arguments: RunArguments, known: TrainingData, models: dict[str, Model]
) -> explore.Explorer | None:
    lists = arguments.config.lists
    if not lists.explore_slots:
        return None
    pool = explore.new_of(
        known.training, known.available, lists.explore_max_users, lists.explore_days
    )
    policy = explore.Policy(
        places=lists.explore_places,
        length=lists.length,
        source=len(models),
        seed=explore.night_seed(arguments.config.seed, arguments.as_of),
    )
    taste = models["content"].restricted(pool) if "content" in models else None
    log.info("%d new items to choose from for %d places a list", len(pool), lists.explore_slots)
    return explore.Explorer(pool, taste, policy)


def _write_lists(
    spark: SparkSession, files: Sequence[StoredFile], due: Mask, maker: ListMaker, draft: Draft
) -> None:
    """Each task reads one file of histories and writes its users' lists as one; only names and
    counts come back.

    due: (users,) who gets a list.
    """
    shared = spark.sparkContext.broadcast((maker, due))
    folder = draft.folder

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        maker, due = shared.value
        for number in task_numbers(batches):
            yield maker.write(files[number], due, folder).as_batch()

    with executor_errors():
        tasks = numbered_tasks(spark, len(files))
        written = in_arrow(tasks, write, DataFile.SCHEMA).collect()
    draft.files += [DataFile(**row.asDict()) for row in written]


def _fallback(arguments: RunArguments, known: TrainingData) -> pa.Table:
    """Lists for users without their own: everybody's, and one for each segment."""
    config, (numbers, names) = arguments.config, known.segments
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
