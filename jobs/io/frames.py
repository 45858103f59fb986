"""Lake partitions as Spark DataFrames, and DataFrames as lake partitions."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.io.lake import DataFile, Draft, Partition
from jobs.spark import executor_errors
from recsys.config import Ids
from recsys.schemas import Table


def read_frame(
    spark: SparkSession, table: Table, partitions: Sequence[Partition], ids: Ids
) -> DataFrame:
    """The rows of some partitions of one table; raises MissingPartitionError for one not there."""
    schema = from_arrow_schema(table.arrow(ids))
    files = [file for partition in partitions for file in partition.files()]
    if not files:
        return spark.createDataFrame([], schema)
    return spark.read.schema(schema).parquet(*files)


def write_frame(frame: DataFrame, table: Table, draft: Draft, ids: Ids) -> None:
    """Adds the rows of a DataFrame to a draft, after checking its columns."""
    wanted = table.arrow(ids)
    ordered = frame.select(*wanted.names)
    with executor_errors():
        ordered.write.mode("append").parquet(str(draft.folder / "data"))
    for path in sorted((draft.folder / "data").glob("*.parquet")):
        table.check(pq.read_schema(path), ids)
        draft.files.append(_counted(path, draft.folder))


def _counted(path: Path, folder: Path) -> DataFile:
    rows = pq.read_metadata(path).num_rows
    return DataFile(name=str(path.relative_to(folder)), rows=rows, bytes=path.stat().st_size)
