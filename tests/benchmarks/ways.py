"""Ways to come from interactions in Postgres to published lists, stage by stage.

Each runs in a process of its own, `python -m tests.benchmarks.ways WAY ROOT …`, and says on
standard output when a stage begins and ends; `tests.benchmarks.pipeline` listens and measures.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import psycopg2
import pyarrow as pa
from adbc_driver_postgresql import dbapi
from psycopg2.extras import execute_values
from pydantic import SecretStr
from pyspark.sql import SparkSession
from scipy import sparse
from threadpoolctl import threadpool_limits
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings, load_config
from jobs.sandbox import servers
from jobs.spark.session import in_arrow, numbered_tasks, session
from jobs.stores.models import histories
from jobs.tasks.lists import USERS_A_BATCH
from recsys import columns as c
from recsys.arrays import Ragged
from recsys.as_of import AsOf
from recsys.dataset.matrices import list_arrays
from recsys.generators.contract import Rows
from recsys.generators.factors import CHUNK, FactorModel
from recsys.lists.ranker import Ranker
from recsys.ranking.blend import WeightedSum
from recsys.ranking.scoring import Scorer
from recsys.schemas import LISTS
from tests.benchmarks.market import DAY

FACTORS: Final = 64
ITERATIONS: Final = 10
LENGTH: Final = 100
ROUNDS: Final = 5
"""How often lists are made, to be measured by the median."""
LIST_LENGTH: Final = f"""
[lists]
length = {LENGTH}
"""
#: The model by itself, with the same parameters in every way.
ALS: Final = f"""
[ranking]
method = "sum"

[generators.als]
factors = {FACTORS}
iterations = {ITERATIONS}
"""
WITHOUT: Final = ("graph", "item_item", "content", "popularity", "trending", "segment")


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Tells the parent process of a stage."""
    say({"begin": name})
    begin = time.monotonic()
    yield
    say({"end": name, "seconds": time.monotonic() - begin})


def say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def settings_of(root: Path) -> Settings:
    endpoints = servers.endpoints(root)
    return Settings(
        postgres_uri=SecretStr(endpoints.postgres_uri),
        mongo_uri=None,
        lake=UPath(root / "lake"),
        sandbox=root,
        config=root / "recsys.toml",
        submitted=False,
    )


def arguments_of(root: Path, day: AsOf = DAY) -> RunArguments:
    settings = settings_of(root)
    return RunArguments(day, load_config(settings.config), settings, datetime.now(UTC))


def start_spark(settings: Settings) -> None:
    """The driver and a Python worker for each core, as every pass over Arrow batches needs them."""
    spark = session("benchmark", settings)
    cores = spark.sparkContext.defaultParallelism
    ids = pa.schema({"id": pa.int64()})
    in_arrow(numbered_tasks(spark, cores), lambda batches: batches, ids).count()


def ours(root: Path, day: str = f"{DAY}", full: str = "") -> None:
    """The nightly jobs, contracts and gates included. full: "full" to make everything anew."""
    arguments = replace(arguments_of(root, AsOf.parse(day)), full=full == "full")
    steps = run_steps(arguments, lambda name: say({"begin": name}))
    for name, seconds in steps:
        say({"end": name, "seconds": seconds})


def tutorial(root: Path) -> None:
    """What a tutorial does: spark.ml ALS, recommendForAllUsers, one row a recommendation."""
    from pyspark.ml.recommendation import ALS as SparkAls  # noqa: N811, PLC0415 - this way alone

    settings = settings_of(root)
    uri = settings.require_postgres().get_secret_value()
    with stage("start Spark"):
        # Not our session: its JVM has no second compiler, and Spark's own ALS needs it.
        builder = SparkSession.builder.master("local[*]").config("spark.driver.memory", "4g")
        spark = builder.getOrCreate()
        spark.range(1).count()
    with stage("extract"), psycopg2.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT user_id::int, item_id::int, 1.0::real FROM market.interactions")
        frame = spark.createDataFrame(cursor.fetchall(), "user int, item int, rating float")
        frame = frame.persist()
        frame.count()
    with stage("train"):
        estimator = SparkAls(
            rank=FACTORS, maxIter=ITERATIONS, seed=1, implicitPrefs=True, alpha=5.0
        )
        estimator = estimator.setUserCol("user").setItemCol("item").setRatingCol("rating")
        model = estimator.fit(frame)
    with stage("rank"):
        lists = model.recommendForAllUsers(LENGTH).persist()
        lists.count()
    with stage("publish"), psycopg2.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS tutorial")
        cursor.execute(
            "CREATE TABLE tutorial (user_id bigint, item_id bigint, score real, rank int,"
            " PRIMARY KEY (user_id, rank))"
        )
        rows = (
            (row.user, each.item, each.rating, rank)
            for row in lists.toLocalIterator()
            for rank, each in enumerate(row.recommendations, 1)
        )
        execute_values(cursor, "INSERT INTO tutorial VALUES %s", rows, page_size=1000)


def implicit(root: Path) -> None:
    """`implicit` by itself on a matrix that is there already."""
    matrix = matrix_of(root)
    with stage("train"):
        model = factorised(matrix)
    with stage("rank"):
        model.recommend(
            np.arange(matrix.shape[0]), matrix, N=LENGTH, filter_already_liked_items=True
        )


def scoring(root: Path) -> None:
    """Lists without what is around them: our scoring and selection, a process a core as in Spark,
    against the matrix product alone in as many and `recommend` of implicit, a thread a core.

    Each in turn, `ROUNDS` times, of which the median is told."""
    matrix = matrix_of(root)
    model = factorised(matrix)
    users, available = np.arange(matrix.shape[0]), np.arange(matrix.shape[1])
    vectors = FactorModel(model.user_factors, model.item_factors)
    scorer = Scorer.of({"als": vectors}, available, len(available))
    ranker = Ranker(scorer, WeightedSum((1.0,)))
    items = np.ascontiguousarray(model.item_factors.T)

    def lists(part: Rows) -> None:
        rows = matrix[part]
        excluded = Ragged.of_matrix(rows)
        for _ in ranker.top_n(part, excluded, LENGTH):
            pass

    def product(part: Rows) -> None:
        model.user_factors[part[0] : part[-1] + 1] @ items

    ways: dict[str, Callable[[], object]] = {
        # A task of Spark opens so many users at once, and what scores them takes block by block.
        "our lists": lambda: in_processes(lists, split(users, USERS_A_BATCH)),
        "implicit's lists": lambda: model.recommend(
            users, matrix, N=LENGTH, filter_already_liked_items=True
        ),
        "the product alone": lambda: in_processes(product, split(users, CHUNK)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    say({"begin": "scoring"})
    with threadpool_limits(limits=1, user_api="blas"):
        for _ in range(ROUNDS):
            for name, way in ways.items():
                begin = time.monotonic()
                way()
                seconds[name].append(time.monotonic() - begin)
    for name, rounds in seconds.items():
        say({"end": name, "seconds": median(rounds)})


def split(users: Rows, most: int) -> list[Rows]:
    return np.array_split(users, np.arange(most, len(users), most))


def in_processes(work: Callable[[Rows], None], parts: Sequence[Rows]) -> None:
    """Does the work part by part in a process a core, forked so that all share the data."""

    def share(first: int) -> None:
        for part in parts[first::cores]:
            work(part)

    cores, context = os.cpu_count() or 1, get_context("fork")
    processes = [context.Process(target=share, args=(first,)) for first in range(cores)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    if any(process.exitcode for process in processes):
        raise SystemExit("a process that shares the work has failed")


def floor(root: Path) -> None:
    """The least that each stage could take: no schema, no check, no selection."""
    settings = settings_of(root)
    uri = settings.require_postgres().get_secret_value()
    with stage("start Spark"):
        start_spark(settings)
    columns = "user_id, item_id, kind, value, created_at, received_at"
    with stage("extract"), dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM market.interactions")  # noqa: S608 - constants
        cursor.fetch_arrow_table()
    matrix = matrix_of(root)
    with stage("train"):
        model = factorised(matrix)
    with stage("rank"), threadpool_limits(limits=1, user_api="blas"):
        items = np.ascontiguousarray(model.item_factors.T)
        for start in range(0, matrix.shape[0], CHUNK):
            model.user_factors[start : start + CHUNK] @ items
    partition = arguments_of(root).lake.as_of(LISTS.name, DAY)
    lists = partition.read(LISTS, load_config(settings.config).ids)
    with stage("publish"):
        copy(uri, lists)


def copy(uri: str, lists: pa.Table) -> None:
    """Binary COPY of finished lists into an empty table, and its key."""
    numbered = lists.add_column(0, "run_id", pa.array(np.ones(len(lists), np.int64)))
    with dbapi.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS floor")
        cursor.adbc_ingest("floor", numbered, mode="create")
        cursor.execute("ALTER TABLE floor ADD PRIMARY KEY (run_id, user_id)")
        connection.commit()


def factorised(matrix: sparse.csr_matrix) -> Any:
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: PLC0415 - these ways alone

    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=FACTORS, regularization=5.0, alpha=5.0, iterations=ITERATIONS, random_state=1
        )
        model.fit(matrix, show_progress=False)
    return model


def matrix_of(root: Path) -> sparse.csr_matrix:
    """The matrix that our way has built."""
    arguments = arguments_of(root)
    table = histories(arguments.lake, DAY, arguments.config.ids)
    offsets, rows = list_arrays(table[c.ITEM_ROWS])
    weights: npt.NDArray[np.float32] = np.ones(len(rows), np.float32)
    return sparse.csr_matrix((weights, rows, offsets))


WAYS: Final[dict[str, Callable[..., None]]] = {
    "ours": ours,
    "floor": floor,
    "implicit": implicit,
    "scoring": scoring,
    "tutorial": tutorial,
}

if __name__ == "__main__":
    WAYS[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
