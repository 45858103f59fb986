"""A night's jobs on a cluster or beside it, and executors that are killed at work."""

import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
from upath import UPath

from jobs.db.postgres import connect
from jobs.run.settings import Settings, load_config
from jobs.sandbox.market import Market, load
from jobs.sinks.postgres import lookup
from jobs.sources.mongo import database
from jobs.steps import STEPS
from recsys.as_of import AsOf
from tests.cluster.conftest import REPOSITORY, Cluster, end, run

DAY: Final = AsOf.parse("2026-01-01")
ARGUMENTS: Final = ("--as-of", f"{DAY}")
SUBMITTED: Final = tuple(step.name for step in STEPS if step.on_spark)


class Night:
    """A night's jobs on a lake of its own, all of them from a neutral place."""

    def __init__(self, cluster: Cluster, settings: Settings, lake: UPath) -> None:
        self.cluster = cluster
        self.lake = lake
        self.uri = settings.require_postgres()
        self.environment = {
            **cluster.environment,
            "RECSYS_POSTGRES_URI": self.uri.get_secret_value(),
            "RECSYS_MONGO_URI": settings.require_mongo().get_secret_value(),
            "RECSYS_CONFIG": str(settings.config),
            "RECSYS_LAKE": str(lake),
        }

    def here(self, step: str, code: Path, environment: Mapping[str, str]) -> None:
        """Runs a job as a process of its own. code: checkout or archive that it comes out of."""
        command = [sys.executable, "-m", f"jobs.steps.{step}", *ARGUMENTS]
        own = {"PYTHONPATH": str(code), **environment}
        run(command, self.cluster.folder, self.environment | own)

    def whole(self, environment: Mapping[str, str]) -> None:
        """Runs all jobs in one process, out of the checkout."""
        command = [sys.executable, "-m", "jobs.cli.main", "nightly", *ARGUMENTS]
        own = {"PYTHONPATH": str(REPOSITORY), **environment}
        run(command, self.cluster.folder, self.environment | own)

    def submitted(self, step: str, name: str) -> None:
        """Runs a job through spark-submit. name: of the application."""
        job = REPOSITORY / "jobs" / "steps" / f"{step}.py"
        command = self.cluster.submit(name, job, *ARGUMENTS)
        run(command, self.cluster.folder, self.environment)

    def spread(self, steps: Sequence[str], name: str) -> Mapping[str, Counter[str]]:
        """Runs jobs out of the archive, Spark's on the cluster; gives their tasks by executor."""
        for step in steps:
            if step in SUBMITTED:
                self.submitted(step, f"{name}-{step}")
            else:
                self.here(step, self.cluster.archive, {})
        done = [step for step in steps if step in SUBMITTED]
        return {step: self.cluster.by_executor(f"{name}-{step}") for step in done}

    def live(self) -> tuple[str | None, int | None]:
        """Checksum and number of the lists that the newest run made live."""
        (newest,) = lookup.runs(self.uri, 1)
        assert newest.live
        return newest.list_hash, newest.users


def fill(settings: Settings, market: Market) -> None:
    ids = load_config(settings.config).ids
    with (
        connect(settings.require_postgres()) as connection,
        database(settings.require_mongo()) as mongo,
    ):
        load(market, ids, connection, mongo, lambda *_: None)


@contextmanager
def power_cut(
    cluster: Cluster, begun: Callable[[], bool], elsewhere: Callable[[], bool]
) -> Iterator[threading.Event]:
    """Kills a worker with all its processes while one of its tasks is at work.

    begun: tasks are held up from then on, where they begin. elsewhere: when the worker is killed,
    the other executor being ahead.
    """
    done, cut = threading.Event(), threading.Event()
    victim = cluster.workers[0]

    def watch() -> None:
        held = False
        while not done.wait(0.02):
            if not held and begun() and (tasks := python_tasks(victim)):
                for task in tasks:
                    task.suspend()
                held = True
            if held and elsewhere():
                end([victim, *victim.children(recursive=True)])
                cut.set()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield cut
    finally:
        done.set()
        watcher.join()


def python_tasks(worker: psutil.Process) -> list[psutil.Process]:
    """The Python processes that do the tasks of a worker's executor, and those that start them."""
    found: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        for process in worker.children(recursive=True):
            # Executors of earlier applications may have ended.
            with suppress(psutil.Error):
                if "pyspark.daemon" in process.cmdline():
                    found.append(process)
    return found
