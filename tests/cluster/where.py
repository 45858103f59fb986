"""What a Spark application sees of the code on the executors: a JSON list of files."""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from pyspark.sql import SparkSession

TASKS = 8


def files(rows: Iterable[int]) -> Iterable[str]:
    """Where a task's packages come from; long enough for every executor to get one."""
    import data_contracts  # noqa: PLC0415 - on executors
    import jobs.lake.partitions  # noqa: PLC0415
    import recsys  # noqa: PLC0415

    time.sleep(0.5)
    for _ in rows:
        for module in (recsys, data_contracts, jobs.lake.partitions):
            yield str(Path(str(module.__file__)).absolute())


if __name__ == "__main__":
    spark = SparkSession.builder.getOrCreate()
    found = spark.sparkContext.parallelize(range(TASKS), TASKS).mapPartitions(files).collect()
    sys.stdout.write(json.dumps(found))
    spark.stop()
