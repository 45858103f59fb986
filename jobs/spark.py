"""The Spark session of a job, and the errors of its executors."""

import atexit
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Final

import pyarrow as pa
from pyspark import SparkContext
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs import package
from jobs.settings import Settings, java_command
from recsys import errors
from recsys.errors import JavaMissingError, RecsysError

JAVA: Final = 17
_LOCAL: Final = {
    "spark.driver.memory": "4g",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
    # Python does the work, and what the JVM does is over before its second compiler pays.
    "spark.driver.defaultJavaOptions": "-XX:TieredStopAtLevel=1",
}
_ALWAYS: Final = {
    "spark.sql.session.timeZone": "UTC",
    "spark.ui.showConsoleProgress": "false",
    "spark.sql.parquet.compression.codec": "zstd",
}
_WORKER_ERROR: Final = re.compile(r"recsys\.errors\.(\w+): (.*)")


def session(name: str, settings: Settings) -> SparkSession:
    """The session of this process: the one spark-submit configured, or one on `spark_master`.

    Raises JavaMissingError where no Java 17 or newer is found.
    """
    builder = SparkSession.builder.appName(f"recsys {name}")
    values = _ALWAYS
    if not settings.submitted:
        check_java()
        values = _started_here(settings.spark_master) | _ALWAYS
    for key, value in values.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    context = spark.sparkContext
    context.setLogLevel("ERROR")
    if is_local_master(str(context.master)):
        # The default of 200 suits a cluster; here an empty task costs more than its rows.
        spark.conf.set("spark.sql.shuffle.partitions", 2 * context.defaultParallelism)
    else:
        _send_code(context)
    return spark


def _started_here(master: str) -> dict[str, str]:
    """Settings of a session that spark-submit did not configure."""
    return {"spark.master": master} | (_LOCAL if is_local_master(master) else {})


def is_local_master(master: str) -> bool:
    """Whether executors run inside the driver."""
    return master.startswith("local")


def _send_code(context: SparkContext) -> None:
    """Lets executors load the code that runs here, unless spark-submit sent it already."""
    sent = {Path(file).name for file in context.listFiles}
    if package.ROOT.is_dir() and package.ARCHIVE not in sent:
        folder = Path(tempfile.mkdtemp(prefix="recsys-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        context.addPyFile(str(package.pack(folder / package.ARCHIVE)))


def check_java() -> None:
    """Raises JavaMissingError unless the Java that Spark would start is new enough."""
    found = _java_version(java_command())
    if found < JAVA:
        seen = f"Java {found}" if found else "no Java"
        raise JavaMissingError(
            f"Spark needs Java {JAVA} or newer, found {seen}; "
            f"install a package like openjdk-{JAVA}-jre-headless, or set JAVA_HOME"
        )


@cache
def _java_version(command: str) -> int:
    """Major version of a Java command; 0 where it does not run."""
    if shutil.which(command) is None:
        return 0
    answer = subprocess.run([command, "-version"], capture_output=True, text=True, check=False)
    match = re.search(r'version "(\d+)', answer.stderr)
    return int(match.group(1)) if match else 0


def numbered_tasks(spark: SparkSession, count: int) -> DataFrame:
    """A row for each of `count` tasks, to be taken by `task_numbers`.

    What the tasks are stays in the closure that takes them: rows and options show in query plans.
    """
    return spark.range(0, count, 1, numPartitions=max(count, 1))


def task_numbers(batches: Iterable[pa.RecordBatch]) -> Iterator[int]:
    """The numbers of the tasks, from 0 on, in batches of `numbered_tasks`."""
    return (number for batch in batches for number in batch["id"].to_pylist())


def in_arrow(
    rows: DataFrame,
    work: Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]],
    schema: pa.Schema,
) -> DataFrame:
    """What tasks make of rows, with the schema of the batches that they give.

    To start the parser of Spark's own words for a schema takes a third of a second.
    """
    return rows.mapInArrow(work, from_arrow_schema(schema))


@contextmanager
def executor_errors() -> Iterator[None]:
    """Turns an error of this project that an executor raised back into that error.

    Spark wraps it in its own exception and keeps of it only the text of the traceback.
    """
    try:
        yield
    except PySparkException as error:
        match = _WORKER_ERROR.search(str(error))
        kind = getattr(errors, match.group(1), None) if match else None
        if match and isinstance(kind, type) and issubclass(kind, RecsysError):
            raise kind(match.group(2).strip()) from error
        raise
