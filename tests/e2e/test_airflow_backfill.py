"""`airflow backfill create`, carried out by a scheduler that runs, as `make airflow` starts it."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from upath import UPath

from jobs.app.nightly import run_steps
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from recsys.as_of import AsOf
from tests.conftest import REPOSITORY
from tests.e2e.conftest import OBSERVED_AT, Pipeline

DAG = "nightly_recommendations"
END = AsOf.parse("2026-01-01")
DATES = [END - timedelta(days=1), END]
SERVICES = (("api-server",), ("dag-processor",), ("scheduler", "--skip-serve-logs"))
RUN_SECONDS = 1800


class Airflow:
    """An Airflow of the test's own: its home, its port, its services."""

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.environment = (
            os.environ
            | environment
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(REPOSITORY / "dags"),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=120",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
                "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
                "AIRFLOW__API__HOST": "127.0.0.1",
                "AIRFLOW__API__PORT": str(port),
                "AIRFLOW__API__WORKERS": "1",
                "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
                "AIRFLOW_CONN_SPARK_DEFAULT": '{"conn_type": "spark", "host": "local[*]"}',
                "SPARK_LOCAL_IP": "127.0.0.1",
                "SPARK_DRIVER_MEMORY": "2g",
            }
        )

    def do(self, *words: str) -> None:
        """Runs an `airflow` command to its end."""
        done = subprocess.run(
            ["airflow", *words], env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    def set_up(self) -> None:
        """As `make airflow`, but for nightly runs, which get no slot."""
        (self.home / "config").mkdir(parents=True)
        policy = "airflow_local_settings.py"
        (self.home / "config" / policy).symlink_to(REPOSITORY / "dags" / policy)
        self.do("db", "migrate")
        self.do("pools", "set", "recsys", "0", "Tasks of the nightly runs")
        self.do("pools", "set", "recsys_backfill", "1", "Tasks of backfills")

    @contextmanager
    def running(self) -> Iterator[None]:
        """The services, and at the end none of them or of what they started."""
        services = []
        try:
            for words in SERVICES:
                with (self.home / f"{words[0]}.log").open("wb") as log:
                    services.append(
                        psutil.Popen(
                            ["airflow", *words],
                            env=self.environment,
                            stdout=log,
                            stderr=log,
                            start_new_session=True,
                        )
                    )
            yield
        finally:
            families = [[*s.children(recursive=True), s] for s in services if s.is_running()]
            for process in (process for family in families for process in family):
                if process.is_running():
                    process.kill()
            psutil.wait_procs(services)

    def ask(self, text: str) -> list[tuple[str, ...]]:
        """Rows of Airflow's own database."""
        with closing(sqlite3.connect(f"file:{self.home}/airflow.db?mode=ro", uri=True)) as database:
            return database.execute(text).fetchall()

    def wait_for(self, condition: Callable[[], bool], seconds: int) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.states(), self.last_lines())
            time.sleep(1)

    def states(self) -> list[tuple[str, ...]]:
        """Each task of a backfill: AsOf, task, state, pool."""
        return self.ask(
            """SELECT substr(run_id, 11, 10), task_id, state, pool FROM task_instance
            WHERE run_id LIKE 'backfill%' ORDER BY run_id, start_date"""
        )

    def runs(self) -> set[str]:
        """States of the runs of backfills."""
        return {row[0] for row in self.ask("SELECT state FROM dag_run WHERE run_type = 'backfill'")}

    def last_lines(self) -> str:
        return "\n".join(log.read_text()[-1500:] for log in sorted(self.home.glob("*.log")))


@pytest.mark.chaos
def test_a_scheduler_carries_out_a_backfill(
    pipeline: Pipeline,
    environment: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pipeline.load(make_market(60, 40, 20, 2_000, 5, END))
    airflow = Airflow(tmp_path / "airflow", environment)
    airflow.set_up()
    airflow.do("dags", "reserialize")
    airflow.do("dags", "unpause", "--yes", DAG)
    # SQLite gives up where two processes read first and then write: nobody else writes yet.
    days = ["--from-date", f"{DATES[0]}", "--to-date", f"{END + timedelta(days=1)}"]
    airflow.do("backfill", "create", "--dag-id", DAG, *days)
    begin = time.monotonic()
    with airflow.running():
        airflow.wait_for(lambda: airflow.runs() <= {"success", "failed"}, RUN_SECONDS)
        seconds = time.monotonic() - begin
    states = airflow.states()
    assert {(state, pool) for _, _, state, pool in states} == {("success", "recsys_backfill")}
    assert {(day, task) for day, task, *_ in states} == {
        (f"{day}", task) for day in DATES for task in {task for _, task, *_ in states}
    }
    published = pipeline.query("SELECT as_of, status FROM recs.run ORDER BY as_of")
    assert published == [(day.instant, "published") for day in DATES]
    assert pipeline.query("SELECT * FROM recs.live") == []
    check_it_is_what_the_command_makes(pipeline, tmp_path / "second")
    with capsys.disabled():
        print(f"\n{len(DATES)} dates, {len(states)} tasks: {seconds:.0f} s")  # noqa: T201


def check_it_is_what_the_command_makes(pipeline: Pipeline, lake: Path) -> None:
    settings = pipeline.settings.model_copy(update={"lake": UPath(lake)})
    run = RunArguments(END, pipeline.config, settings, OBSERVED_AT, promote=False)
    for day in DATES:
        for _ in run_steps(replace(run, as_of=day), lambda _: None):
            pass
    hashes = "SELECT count(*), count(DISTINCT list_hash) FROM recs.run GROUP BY as_of"
    assert pipeline.query(hashes) == [(2, 1)] * len(DATES)
