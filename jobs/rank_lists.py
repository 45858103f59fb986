"""Scores all users, orders the candidates and keeps the best items of each (Spark)."""

import argparse
import logging
from collections.abc import Iterator
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import Known, read_choice, read_model
from jobs.io.frames import read_frame
from jobs.io.lake import DataFile, Draft, write_part
from jobs.spark import executor_errors, session
from jobs.transforms.ranking import ListMaker
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.models.contract import Model
from recsys.models.factors import BLOCK
from recsys.ranking import explore, fallback
from recsys.ranking.choice import Choice
from recsys.ranking.stack import Ranker
from recsys.schemas import FALLBACK, INTERACTIONS, TOP_N

USERS_A_BATCH: Final = 8 * BLOCK
"""Users whose histories and lists a task holds at once."""

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    spark = session("lists", arguments.settings, USERS_A_BATCH)
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    known, choice = Known(arguments), read_choice(lake, as_of)
    maker = list_maker(arguments, known, choice)
    users = read_frame(spark, INTERACTIONS, [lake.as_of(INTERACTIONS.name, as_of)], config.ids)
    with lake.as_of(TOP_N.name, as_of).replace() as draft:
        _write_lists(users.where(F.col(c.ACTIVE)), maker, draft)
        draft.stats["models"] = [*choice.generators, explore.SOURCE]
    methods = ", ".join(f"{order.method} ({band})" for band, order in choice.orders.items())
    log.info("lists of %d users by %s", sum(f.rows for f in draft.files), methods)
    with lake.as_of(FALLBACK.name, as_of).replace() as draft:
        draft.write_table(_fallback(arguments, known))


def list_maker(arguments: RunArguments, known: Known, choice: Choice) -> ListMaker:
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
    arguments: RunArguments, known: Known, models: dict[str, Model]
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


def _write_lists(users: DataFrame, maker: ListMaker, draft: Draft) -> None:
    """Each task writes its lists as one file; only names and counts come back."""
    shared = users.sparkSession.sparkContext.broadcast(maker)
    folder = draft.folder

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lists = (part for batch in batches for part in shared.value.lists(batch))
        file = write_part(folder, "part", TOP_N.arrow(shared.value.ids), lists)
        yield file.as_batch()

    with executor_errors():
        files = users.mapInArrow(write, DataFile.SPARK_SCHEMA).collect()
    draft.files += [DataFile(**row.asDict()) for row in files]


def _fallback(arguments: RunArguments, known: Known) -> pa.Table:
    """Lists for users without their own: everybody's, and one for each segment."""
    config, (numbers, names) = arguments.config, known.segments
    lists = fallback.segment_lists(
        known.training.history,
        numbers,
        names,
        known.available,
        config.lists.fallback_length,
        config.segments.smoothing,
        config.segments.least_users,
    )
    index = IdIndex(known.items[c.ITEM_ID].combine_chunks())
    rows = [
        {c.SEGMENT: name, c.ITEM_IDS: index.ids(items).to_pylist(), c.SCORES: scores.tolist()}
        for name, items, scores in lists
    ]
    return pa.Table.from_pylist(rows, FALLBACK.arrow(config.ids))


if __name__ == "__main__":
    run(arg_parser(), main)
