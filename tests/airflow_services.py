"""An Airflow that runs, as `make airflow` starts it."""

import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil

from tests.conftest import REPOSITORY

SERVICES = (("api-server",), ("dag-processor",), ("scheduler", "--skip-serve-logs"))


class Airflow:
    """An Airflow of the test's own: its home, its port, its services."""

    def __init__(
        self, home: Path, environment: dict[str, str], dags: Path = REPOSITORY / "dags"
    ) -> None:
        self.home = home
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.environment = (
            os.environ
            | environment
            | {
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "AIRFLOW_HOME": str(home),
                "AIRFLOW__CORE__DAGS_FOLDER": str(dags),
                "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db?timeout=120",
                "AIRFLOW__CORE__PARALLELISM": "4",
                "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
                "AIRFLOW__API__BASE_URL": self.url,
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

    def set_up(self, nightly_slots: int) -> None:
        """As `make airflow`, but for the slots of nightly runs."""
        (self.home / "config").mkdir(parents=True)
        policy = "airflow_local_settings.py"
        (self.home / "config" / policy).symlink_to(REPOSITORY / "dags" / policy)
        self.do("db", "migrate")
        self.do("pools", "set", "recsys", f"{nightly_slots}", "Tasks of the nightly runs")
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
