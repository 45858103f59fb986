"""The Spark session of a job, and the errors of its executors."""

import atexit
import logging
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
from py4j.protocol import Py4JError, Py4JNetworkError
from pyspark import SparkContext
from pyspark.accumulators import AccumulatorTCPServer, AccumulatorUnixServer
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.lake.disk import no_room
from jobs.run.settings import Settings, java_command
from jobs.spark import package
from recsys import errors
from recsys.errors import JavaMissingError, RecsysError, SparkLostError

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
#: What Spark says where a process of it has ended.
_LOST: Final = (
    "Python worker exited unexpectedly",
    "SparkContext was shut down",
    "stopped SparkContext",
    "java.lang.OutOfMemoryError",
    "ExecutorLostFailure",
    "JAVA_GATEWAY_EXITED",
    "Java gateway process exited",
)
_FULL: Final = re.compile(r"(No space left on device|Disk quota exceeded|File too large).*")
_WORKER_ERROR: Final = re.compile(r"recsys\.errors\.(\w+): (.*)")


@contextmanager
def executor_errors() -> Iterator[None]:
    """Turns what Spark raises back into the error of this project that caused it.

    Spark wraps an executor's error in its own exception and keeps of it only the text of the
    traceback. Raises DiskFullError where a disk had no room, SparkLostError where Spark or a worker
    ended while it was at work.
    """
    try:
        yield
    except (PySparkException, Py4JError, ConnectionError) as error:
        cause = _cause(error)
        if cause is None:
            raise
        raise cause from error


def _cause(error: Exception) -> RecsysError | None:
    """The error of this project that Spark's own stands for; None where it is another."""
    said = str(error)
    if match := _WORKER_ERROR.search(said):
        kind = getattr(errors, match.group(1), None)
        if isinstance(kind, type) and issubclass(kind, RecsysError):
            return kind(match.group(2).strip())
    if full := _FULL.search(said):
        return no_room("SPARK_LOCAL_DIRS, or a folder on an executor", full.group())
    found = "its process ended" if _hung_up(error) else next((t for t in _LOST if t in said), None)
    if found is None:
        return None
    return SparkLostError(
        f"Spark was lost while it was at work ({found}); see its last words above, and "
        "whether the machine ran out of memory or somebody killed it; then run again"
    )


def _hung_up(error: Exception) -> bool:
    """True if the Java side ended without an answer; a refusal leaves a trace."""
    unanswered = type(error) is Py4JError and "Trace:" not in str(error)
    return unanswered or isinstance(error, Py4JNetworkError | ConnectionError)


@executor_errors()
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
    _quieten()
    spark = builder.getOrCreate()
    context = spark.sparkContext
    context.setLogLevel("ERROR")
    if is_local_master(str(context.master)):
        # The default of 200 suits a cluster; here an empty task costs more than its rows.
        spark.conf.set("spark.sql.shuffle.partitions", 2 * context.defaultParallelism)
    else:
        _send_code(context)
    return spark


def _quieten() -> None:
    """Keeps Spark's Python side from printing tracebacks when the Java side has ended.

    Whoever asks Spark for something gets an error then, and that one says it.
    """
    logging.getLogger("py4j").setLevel(logging.CRITICAL)
    # It logs some of them as nobody in particular.
    logging.getLogger().addFilter(_not_of_py4j)
    for server in (AccumulatorTCPServer, AccumulatorUnixServer):
        server.handle_error = lambda *_: None  # type: ignore[method-assign]


def _not_of_py4j(record: logging.LogRecord) -> bool:
    return record.module != "java_gateway"


def _started_here(master: str) -> dict[str, str]:
    """Settings of a session that spark-submit did not configure."""
    return {"spark.master": master} | (_LOCAL if is_local_master(master) else {})


def is_local_master(master: str) -> bool:
    """True if executors run inside the driver."""
    return master.startswith("local")


def _send_code(context: SparkContext) -> None:
    """Lets executors load the code that runs here, unless spark-submit sent it already."""
    sent = {Path(file).name for file in context.listFiles}
    if package.ROOT.is_dir() and package.ARCHIVE not in sent:
        folder = Path(tempfile.mkdtemp(prefix="recsys-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        context.addPyFile(str(package.pack(folder / package.ARCHIVE)))


def check_java() -> int:
    """Version of the Java that Spark would start.

    Raises JavaMissingError unless it is new enough.
    """
    found = _java_version(java_command())
    if found < JAVA:
        seen = f"Java {found}" if found else "no Java"
        raise JavaMissingError(
            f"Spark needs Java {JAVA} or newer, found {seen}; "
            f"install a package like openjdk-{JAVA}-jre-headless, or set JAVA_HOME"
        )
    return found


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
    """Map rows through tasks on executors; schema: of the batches that they give.

    To start the parser of Spark's own words for a schema takes a third of a second.
    """
    return rows.mapInArrow(work, from_arrow_schema(schema))
