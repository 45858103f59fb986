"""A whole night on a real cluster: the lists of one machine, by two executors or by one left."""

import json
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from upath import UPath

from jobs.db.postgres import connect
from jobs.lake.partitions import Lake
from jobs.run.settings import Settings
from jobs.sandbox.market import load
from jobs.sandbox.seed import make_market
from jobs.sinks.postgres import lookup
from jobs.sources.mongo import database
from jobs.spark import package
from jobs.steps import NAMES, STEPS
from jobs.stores.models import read_model
from recsys.as_of import AsOf
from recsys.config import Config
from recsys.schemas import LISTS
from tests.cluster.conftest import REPOSITORY, WORKERS, Cluster, end, run

pytestmark = pytest.mark.cluster

USERS, ITEMS, DAYS, EVENTS, SEED = 300, 200, 40, 8_000, 7
DAY = AsOf.parse("2026-01-01")
ARGUMENTS = ("--as-of", f"{DAY}")
SUBMITTED = tuple(step.name for step in STEPS if step.on_spark)
#: Looks for this project without its archive.
BARE = "from importlib.util import find_spec as f; print(f('recsys'), f('jobs'), end='')"


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
        return {step: self.cluster.by_executor(f"{name}-{step}") for step in SUBMITTED}

    def live(self) -> tuple[str | None, int | None]:
        """Checksum and number of the lists that the newest run made live."""
        (newest,) = lookup.runs(self.uri, 1)
        assert newest.live
        return newest.list_hash, newest.users


def test_executors_have_the_code_from_the_archive_alone(cluster: Cluster) -> None:
    assert (
        run([str(cluster.python), "-c", BARE], cluster.folder, cluster.environment) == "None None"
    )
    command = cluster.submit("where", Path(__file__).with_name("where.py"))
    places = json.loads(run(command, cluster.folder, cluster.environment))
    apart = {tuple(place.split(f"/{package.ARCHIVE}/")) for place in places}
    assert {inside for _, inside in apart} == {
        "recsys/__init__.py",
        "data_contracts/__init__.py",
        "jobs/lake/partitions.py",
    }
    assert len({archive for archive, _ in apart}) == WORKERS


def test_a_night_on_a_cluster(
    cluster: Cluster,
    settings: Settings,
    config: Config,
    bucket: UPath,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One night four ways in one test: each takes long."""
    fill(settings, config)
    alone = Night(cluster, settings, UPath(tmp_path / "alone"))
    for step in NAMES:
        alone.here(step, REPOSITORY, {"RECSYS_SPARK_MASTER": "local[2]"})
    wanted = alone.live()

    together = Night(cluster, settings, UPath(tmp_path / "together"))
    work = together.spread(NAMES, "together")
    assert together.live() == wanted
    assert len(sum(work.values(), Counter())) == WORKERS

    apart = Night(cluster, settings, bucket / "lake")
    shared = apart.spread(NAMES, "apart")
    assert apart.live() == wanted
    assert len(sum(shared.values(), Counter())) == WORKERS

    check_als_runs_on_the_executors(together)
    with power_cut(cluster, together.lake) as cut:
        together.here("rank_lists", REPOSITORY, cluster.started_by_itself("cut"))
    assert cut.is_set()
    reasons = Counter(task["Task End Reason"]["Reason"] for task in cluster.tasks("cut"))
    assert reasons["ExecutorLostFailure"]
    for step in NAMES[NAMES.index("rank_lists") + 1 :]:
        together.here(step, cluster.archive, {})
    assert together.live() == wanted
    with capsys.disabled():
        print(f"\n{wanted[1]} lists, checksum {wanted[0]}, by local[2] and by the cluster")  # noqa: T201
        for lake, by_step in (("folder", work), ("object store", shared)):
            for step, counts in by_step.items():
                print(f"{lake}, {step}: tasks by executor {dict(sorted(counts.items()))}")  # noqa: T201
        print(f"the same lists while a worker was killed: tasks {dict(reasons)}")  # noqa: T201


def check_als_runs_on_the_executors(night: Night) -> None:
    """From a process that spark-submit did not start, so with the code that it sends itself."""
    lake = night.lake.with_name("als")
    shutil.copytree(night.lake.path, lake.path)
    shipped = Path(night.environment["RECSYS_CONFIG"]).read_text(encoding="utf-8")
    configuration = Path(night.lake.path).with_name("spark.toml")
    section = '[generators.als]\nengine = "spark"\nfactors = 8\niterations = 6\n'
    configuration.write_text(f"{shipped}\n{section}", encoding="utf-8")
    places = {"RECSYS_LAKE": str(lake), "RECSYS_CONFIG": str(configuration)}
    night.here("train_generators", REPOSITORY, places | night.cluster.started_by_itself("als"))
    assert len(night.cluster.by_executor("als")) == WORKERS
    model = read_model(Lake(lake), "als", DAY).arrays()
    assert model["item_factors"].shape[1] == 8
    assert model["item_factors"].any(axis=1).mean() > 0.9


def fill(settings: Settings, config: Config) -> None:
    market = make_market(USERS, ITEMS, DAYS, EVENTS, SEED, DAY)
    with (
        connect(settings.require_postgres()) as connection,
        database(settings.require_mongo()) as mongo,
    ):
        load(market, config.ids, connection, mongo, lambda *_: None)


@contextmanager
def power_cut(cluster: Cluster, lake: UPath) -> Iterator[threading.Event]:
    """Kills a worker with all its processes while one of its tasks makes lists.

    That task is held up where it begins, until the other executor has written some lists.
    """
    done, cut = threading.Event(), threading.Event()
    victim = cluster.workers[0]

    def watch() -> None:
        task: psutil.Process | None = None
        while not done.wait(0.02):
            if task is None and (task := python_task(victim)):
                task.suspend()
            if task and any((lake / LISTS.name).glob("*/gen-*/part-*.parquet")):
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


def python_task(worker: psutil.Process) -> psutil.Process | None:
    """The Python process that does the task of a worker's executor."""
    with suppress(psutil.Error):
        for process in worker.children(recursive=True):
            if "pyspark.daemon" in process.cmdline() and (tasks := process.children()):
                return tasks[0]
    return None
