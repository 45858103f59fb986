"""What Spark raises becomes the error that caused it."""

import errno
import os
import signal
from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from jobs.spark.session import executor_errors, in_arrow, numbered_tasks
from recsys.errors import DiskFullError, MappingError, RecsysError, SparkLostError


def ask(spark: SparkSession, work: Callable[[], None]) -> None:
    """Has an executor do some work."""

    def task(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        work()
        yield from batches

    in_arrow(numbered_tasks(spark, 1), task, pa.schema({"id": pa.int64()})).collect()


def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def write_to_a_full_disk() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/lake/part")


def fail_as_told() -> None:
    raise MappingError("no column x")


def divide_by_zero() -> None:
    assert 1 // 0


@pytest.mark.parametrize(
    ("work", "kind", "said"),
    [
        (kill_itself, SparkLostError, "Python worker exited unexpectedly"),
        (write_to_a_full_disk, DiskFullError, "No space left on device: '/lake/part'"),
        (fail_as_told, MappingError, "no column x"),
    ],
)
def test_the_cause_comes_back(
    spark: SparkSession, work: Callable[[], None], kind: type[RecsysError], said: str
) -> None:
    with pytest.raises(kind, match=said), executor_errors():
        ask(spark, work)


def test_a_bug_stays_a_bug(spark: SparkSession) -> None:
    with pytest.raises(PySparkException, match="ZeroDivisionError"), executor_errors():
        ask(spark, divide_by_zero)
