"""The factorisation of `recsys.generators.als` by Spark's ALS, for matrices that outgrow a machine.

Spark minimises the same sum as `implicit`, but for its penalty: it multiplies lambda by the number
of stored cells of each row and column (ALS-WR, Zhou et al. 2008), and no parameter undoes that. So
it gets lambda divided by that number as cells see it on average. Where all rows hold equally many
cells, and all columns too, the minimum is then that of `implicit`; elsewhere long rows are held
shorter than there, and short ones are freer.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import numpy as np
import pyarrow as pa
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame, SparkSession
from scipy import sparse
from upath import UPath

from jobs.lake.files import is_local, remove
from jobs.run.settings import Settings
from jobs.spark.session import is_local_master, session
from recsys import columns as c
from recsys.generators.als import Config
from recsys.generators.factors import FactorModel, Factors

_CELLS_PER_BLOCK: Final = 1_000_000
_BLOCKS: Final = (2, 200)
"""Fewest and most blocks of users, and of items. The start depends on them, so that the cluster's
size must not decide."""
_CHECKPOINT_EVERY: Final = 5
"""Passes after which the plan is cut; one of 15 passes overflows the stack of an executor."""
_LEAST: Final = 1e-6
"""Spark takes a rating of 0 for a dislike."""


def factorise(
    settings: Settings, confidence: sparse.csr_matrix, config: Config, seed: int
) -> FactorModel:
    """Factorise on Spark; matrix and factors pass through this process. See `als.Factorise`."""
    users, items = confidence.shape
    if not confidence.nnz:
        return FactorModel(*(np.zeros((n, config.factors), np.float32) for n in (users, items)))
    spark = session("als", settings)
    blocks = int(np.clip(confidence.nnz // _CELLS_PER_BLOCK, *_BLOCKS))
    als = ALS(
        rank=config.factors,
        maxIter=config.iterations,
        regParam=spark_regularization(confidence, config.regularization),
        numUserBlocks=blocks,
        numItemBlocks=blocks,
        implicitPrefs=True,
        alpha=1.0,
        userCol=c.USER_ROW,
        itemCol=c.ITEM_ROW,
        ratingCol=c.WEIGHTS,
        seed=seed,
        checkpointInterval=_CHECKPOINT_EVERY,
    )
    with _checkpoints(spark, settings):
        model = als.fit(spark.createDataFrame(ratings(confidence)))
        return balanced(
            _factors(model.userFactors, users, config.factors),
            _factors(model.itemFactors, items, config.factors),
        )


def ratings(confidence: sparse.csr_matrix) -> pa.Table:
    """One row a stored cell. Spark's confidence is 1 + alpha |rating|; alpha is 1."""
    lengths = np.diff(confidence.indptr)
    columns = {
        c.USER_ROW: pa.array(np.repeat(np.arange(len(lengths)), lengths), pa.int32()),
        c.ITEM_ROW: pa.array(confidence.indices, pa.int32()),
        c.WEIGHTS: pa.array(np.maximum(confidence.data - 1.0, _LEAST), pa.float32()),
    }
    return pa.table(columns)


def spark_regularization(confidence: sparse.csr_matrix, regularization: float) -> float:
    """Lambda over the geometric mean of what a cell's row and its column hold on average.

    A minimum of sum c (p - x.y)^2 + a sum |x|^2 + b sum |y|^2 is one of the same sum with sqrt(ab)
    for a and b, but for the scale of x and y. Spark's a and b are lambda times the cells of a row.
    """
    users = np.diff(confidence.indptr).astype(np.float64)
    items = np.bincount(confidence.indices).astype(np.float64)
    met = [float(np.square(n).sum() / n.sum()) for n in (users, items)]
    return float(regularization / np.sqrt(met[0] * met[1]))


def balanced(users: Factors, items: Factors) -> FactorModel:
    """The same scores with sum |x|^2 = sum |y|^2, as at a minimum with one lambda for both."""
    own, other = (float(np.square(f, dtype=np.float64).sum()) for f in (users, items))
    scale = np.float32((other / max(own, 1e-30)) ** 0.25)
    return FactorModel(users * scale, items / max(scale, np.float32(1e-30)))


def _factors(found: DataFrame, rows: int, length: int) -> Factors:
    """(rows, length) the vectors of `ALSModel`; zeros where it has none."""
    table = found.toArrow().combine_chunks()
    factors = np.zeros((rows, length), np.float32)
    values = table["features"].combine_chunks().flatten().to_numpy()
    factors[table["id"].to_numpy()] = values.reshape(-1, length)
    return factors


@contextmanager
def _checkpoints(spark: SparkSession, settings: Settings) -> Iterator[None]:
    """A folder that driver and executors share, for as long as it is needed.

    That of a lake elsewhere is reached by Hadoop's own client.
    """
    context = spark.sparkContext
    apart = not is_local(settings.lake) and is_local_master(str(context.master))
    place = UPath(tempfile.gettempdir()) if apart else settings.lake
    folder = place / f"checkpoints-{uuid4().hex}"
    folder.mkdir(parents=True)
    try:
        context.setCheckpointDir(str(folder))
        yield
    finally:
        remove(folder)
