"""From evidence to one row a user: where it is brought together, and what a task makes of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812

from jobs.io.lake import DataFile, write_part
from recsys import columns as c
from recsys.config import Ids
from recsys.ids import IdIndex
from recsys.interactions.histories import Evidence, Histories, Terms, histories
from recsys.schemas import INTERACTIONS

#: Place of an event's type among the rules, or that it is a block.
KIND: Final = "kind"
#: Microseconds since 1970 at which an event happened, and at which the source knew of it.
OCCURRED: Final = "occurred"
KNOWN: Final = "known"
_NOBODY: Final = -2
"""Kind of a row that only makes sure that no part is empty."""
_MOST_BROADCAST: Final = 5_000_000


@dataclass(frozen=True)
class HistoryMaker:
    """What a task needs to make the histories of a range of users."""

    users: IdIndex
    active: npt.NDArray[np.bool_]
    """(users,) whether lists are made for the user."""
    size: int
    """Users a part; part p holds the rows from p * size on."""
    terms: Terms
    ids: Ids
    folder: Path

    SPARK_SCHEMA: ClassVar[str] = (
        f"{DataFile.SPARK_SCHEMA}, pairs long, events long, distinct_events long"
    )

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Writes one file of the `interactions` table, and tells its name and what it holds."""
        evidence = pa.Table.from_batches(batches)
        first = int(evidence[c.USER_ROW][0].as_py()) // self.size * self.size
        count = min(self.size, len(self.users) - first)
        found = histories(_evidence(evidence, first), count, self.terms)
        rows = self._rows(found, first, count)
        part = f"part-{first // self.size:05d}"
        file = write_part(self.folder, part, rows.schema, rows.to_batches())
        counts = {
            "pairs": len(found.items),
            "events": found.events,
            "distinct_events": found.distinct_events,
        }
        yield pa.RecordBatch.from_pylist([file.model_dump() | counts])

    def _rows(self, found: Histories, first: int, count: int) -> pa.Table:
        rows = np.arange(first, first + count, dtype=np.int32)
        offsets = pa.array(found.offsets, pa.int32())
        columns = {
            c.USER_ROW: pa.array(rows),
            c.USER_ID: self.users.ids(rows),
            c.ITEM_ROWS: pa.ListArray.from_arrays(offsets, pa.array(found.items)),
            c.WEIGHTS: pa.ListArray.from_arrays(offsets, pa.array(found.weights)),
            c.AGES: pa.ListArray.from_arrays(offsets, pa.array(found.ages)),
            c.EARLIER_WEIGHTS: pa.ListArray.from_arrays(offsets, found.earlier),
            c.BLOCKED_ROWS: pa.ListArray.from_arrays(
                pa.array(found.blocked_offsets, pa.int32()), pa.array(found.blocked)
            ),
            c.ACTIVE: pa.array(self.active[rows]),
        }
        return pa.table(columns, schema=INTERACTIONS.arrow(self.ids))


def gathered(
    evidence: DataFrame, users: DataFrame, items: DataFrame, parts: int, size: int
) -> DataFrame:
    """Evidence with row numbers for ids, that of each range of `size` users in a part of its own.

    users, items: ids and their row numbers; evidence of others is left out. This is the only time
    that evidence changes its place.
    """
    numbered = evidence.join(items, c.ITEM_ID).join(users, c.USER_ID)
    columns = [c.USER_ROW, c.ITEM_ROW, KIND, OCCURRED, KNOWN, c.VALUE]
    nobody = evidence.sparkSession.range(parts).select(
        (F.col("id") * size).cast("int").alias(c.USER_ROW),
        F.lit(0).alias(c.ITEM_ROW),
        F.lit(_NOBODY).alias(KIND),
        F.lit(0).cast("long").alias(OCCURRED),
        F.lit(0).cast("long").alias(KNOWN),
        F.lit(None).cast("double").alias(c.VALUE),
    )
    part = (F.col(c.USER_ROW) / size).cast("int")
    return numbered.select(*columns).union(nobody).repartitionById(parts, part)


def numbered_ids(spark: SparkSession, id_column: str, row: str, index: IdIndex) -> DataFrame:
    """An id index as a DataFrame, to be broadcast where it is small enough."""
    table = pa.table({id_column: index.values, row: np.arange(len(index), dtype=np.int32)})
    frame = spark.createDataFrame(table)
    return F.broadcast(frame) if len(index) <= _MOST_BROADCAST else frame


def _evidence(table: pa.Table, first: int) -> Evidence:
    rows = table.filter(pc.not_equal(table[KIND], _NOBODY))

    def ints(name: str) -> npt.NDArray[np.int64]:
        return np.asarray(rows[name].to_numpy(), np.int64)

    values = rows[c.VALUE].to_numpy().astype(np.float64)
    users = ints(c.USER_ROW) - first
    return Evidence(users, ints(c.ITEM_ROW), ints(KIND), ints(OCCURRED), ints(KNOWN), values)
