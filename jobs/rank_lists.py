"""Scores all users, blends the models and keeps the best items of each (Spark)."""

import argparse
import logging
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from jobs.entrypoint import RunArguments, job_parser, run
from jobs.io.features import read_model
from jobs.io.frames import read_frame
from jobs.io.lake import DataFile, Draft, write_part
from jobs.spark import executor_errors, session
from jobs.transforms.ranking import Ranker
from recsys import columns as c
from recsys.ids import IdIndex
from recsys.models.factors import FactorModel
from recsys.ranking.blend import blended
from recsys.schemas import FALLBACK, INTERACTIONS, ITEMS, TOP_N

log = logging.getLogger(__name__)


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


def main(arguments: RunArguments) -> None:
    spark = session("lists", arguments.settings)
    config, lake, as_of = arguments.config, arguments.lake, arguments.as_of
    items = lake.as_of(ITEMS.name, as_of).read(ITEMS, config.ids)
    weights = {name: weight for name, weight in config.blend.weights().items() if weight > 0}
    models = {name: read_model(lake, name, as_of) for name in weights}
    ranker = _ranker(arguments, items, models, weights)
    users = read_frame(spark, INTERACTIONS, [lake.as_of(INTERACTIONS.name, as_of)], config.ids)
    with lake.as_of(TOP_N.name, as_of).replace() as draft:
        _write_lists(users.where(F.col(c.ACTIVE)), ranker, draft)
        draft.stats["models"] = list(weights)
    log.info("lists of %d users by %s", sum(f.rows for f in draft.files), ", ".join(weights))
    with lake.as_of(FALLBACK.name, as_of).replace() as draft:
        popularity = read_model(lake, "popularity", as_of)
        draft.write_table(_fallback(popularity, ranker, config.lists.fallback_length))


def _ranker(
    arguments: RunArguments,
    items: pa.Table,
    models: dict[str, FactorModel],
    weights: dict[str, float],
) -> Ranker:
    available = items[c.AVAILABLE].to_numpy()
    return Ranker(
        models=tuple(blended(models, weights, available).values()),
        items=IdIndex(items[c.ITEM_ID].combine_chunks()),
        available=np.flatnonzero(available),
        length=arguments.config.lists.length,
        ids=arguments.config.ids,
    )


def _write_lists(users: DataFrame, ranker: Ranker, draft: Draft) -> None:
    """Each task writes its lists as one file; only names and counts come back."""
    shared = users.sparkSession.sparkContext.broadcast(ranker)
    folder = draft.folder

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        lists = (part for batch in batches for part in shared.value.lists(batch))
        file = write_part(folder, "part", TOP_N.arrow(shared.value.ids), lists)
        yield file.as_batch()

    with executor_errors():
        files = users.mapInArrow(write, DataFile.SPARK_SCHEMA).collect()
    draft.files += [DataFile(**row.asDict()) for row in files]


def _fallback(popularity: FactorModel, ranker: Ranker, length: int) -> pa.Table:
    """The most popular available items, for users without a list."""
    scores = popularity.item_factors[ranker.available, 0]
    best = np.argsort(-scores, kind="stable")[:length]
    ids = ranker.items.ids(ranker.available[best])
    columns = [pa.array(["all"]), pa.array([ids.to_pylist()], pa.list_(ids.type))]
    columns.append(pa.array([scores[best].tolist()], pa.list_(pa.float32())))
    return pa.Table.from_arrays(columns, schema=FALLBACK.arrow(ranker.ids))


if __name__ == "__main__":
    run(arg_parser(), main)
