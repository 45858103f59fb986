"""Lake partitions as Spark DataFrames."""

from collections.abc import Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.io.lake import Partition
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
