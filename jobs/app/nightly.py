"""The nightly run without a scheduler: the same jobs, in order, in one process."""

import gc
import importlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pyarrow as pa

from jobs.night_log import stops_told
from jobs.readiness import require_ready
from jobs.run.entrypoint import RunArguments
from jobs.run.settings import Settings
from jobs.spark.session import executor_errors, in_arrow, numbered_tasks, session
from jobs.steps import NAMES

START: Final = "start"
#: What tasks of Spark load in their own processes.
OF_TASKS: Final = ("jobs.sources.extraction", "jobs.tasks.histories", "jobs.tasks.lists")


def run_steps(
    arguments: RunArguments, started: Callable[[str], None]
) -> Iterator[tuple[str, float]]:
    """Sees that a night can begin, gets ready and runs each job.

    `started` hears of each before, and its name and seconds come after. Whoever needs the lake
    alone waits until all are done.
    """
    with arguments.lake.in_use():
        for name in (START, *NAMES):
            started(name)
            begin = time.monotonic()
            if name == START:
                with stops_told(arguments, START):
                    require_ready(arguments.config, arguments.settings)
                    get_ready(arguments.settings)
            else:
                importlib.import_module(f"jobs.steps.{name}").main(arguments)
            yield name, time.monotonic() - begin


def get_ready(settings: Settings) -> None:
    """Starts Spark, which leaves a core idle for seconds, and imports the jobs meanwhile.

    Only this thread imports packages with cycles among their modules, as that of the contracts: two
    that do can get half-loaded ones.
    """
    with ThreadPoolExecutor(1) as threads:
        spark = threads.submit(_start_spark, settings)
        _load([f"jobs.steps.{name}" for name in NAMES])
        spark.result()


def _start_spark(settings: Settings) -> None:
    """The driver, and a process for each core that has loaded what tasks need."""
    spark = session("nightly", settings)

    def load(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        _load(OF_TASKS)
        yield from batches

    with executor_errors():
        tasks = numbered_tasks(spark, spark.sparkContext.defaultParallelism)
        in_arrow(tasks, load, pa.schema({"id": pa.int64()})).count()


def _load(modules: Iterable[str]) -> None:
    """Imports modules to stay: garbage is collected without looking at them, now and later.

    To look takes up to 0.2 s, and Spark's workers collect after every task.
    """
    gc.disable()
    try:
        for name in modules:
            importlib.import_module(name)
    finally:
        gc.freeze()
        gc.enable()
