"""A Spark cluster on loopback: a master and two workers that have never heard of this checkout."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import psutil
import pyspark
import pytest

from jobs.sandbox.processes import find_all, last_lines, wait_until
from jobs.spark import package
from tests.object_store import ObjectStore

REPOSITORY: Final = Path(__file__).parents[2]
SPARK_HOME: Final = Path(pyspark.__file__).parent
WORKERS: Final = 2
#: In the environment of every process of the cluster, so that each of them is found again.
MARK: Final = "RECSYS_CLUSTER_TEST"
_SECONDS: Final = 60.0
_ENDING_SECONDS: Final = 10.0


@dataclass(frozen=True)
class Cluster:
    """A running cluster, and how to hand it work."""

    folder: Path
    """Away from the checkout; everything below it goes with the cluster."""
    master: str
    workers: Sequence[psutil.Process]
    archive: Path
    """What `make package` makes."""
    python: Path
    """What executors run: it has the dependencies of this project, but not the project."""
    environment: Mapping[str, str]
    """The environment of its processes and its drivers, who may use the object store."""

    def submit(self, name: str, application: Path, *arguments: str) -> list[str]:
        """A command that runs an application out of the archive."""
        options = ["--master", self.master, "--py-files", str(self.archive), *self._options(name)]
        spark_submit = str(SPARK_HOME / "bin" / "spark-submit")
        return [spark_submit, *options, str(application), *arguments]

    def started_by_itself(self, name: str) -> dict[str, str]:
        """The environment of a process that starts Spark on the cluster by itself."""
        words = shlex.join([*self._options(name), "pyspark-shell"])
        return {"RECSYS_SPARK_MASTER": self.master, "PYSPARK_SUBMIT_ARGS": words}

    def tasks(self, name: str) -> list[dict[str, Any]]:
        """What Spark's event log says of each task that an application ended."""
        return self.events(name, "TaskEnd")

    def stages(self, name: str) -> dict[int, str]:
        """What each stage of an application's jobs is called, by its number."""
        started = [job["Stage Infos"] for job in self.events(name, "JobStart")]
        return {stage["Stage ID"]: stage["Stage Name"] for job in started for stage in job}

    def events(self, name: str, kind: str) -> list[dict[str, Any]]:
        """Events of a kind that Spark has logged for an application, as far as they are written."""
        found: list[dict[str, Any]] = []
        for log in (self.folder / "events" / name).iterdir():
            whole = log.read_text(encoding="utf-8").rpartition("\n")[0]
            found += map(json.loads, whole.splitlines())
        return [event for event in found if event["Event"] == f"SparkListener{kind}"]

    def by_executor(self, name: str) -> Counter[str]:
        """Tasks that each executor completed for an application."""
        return Counter(
            task["Task Info"]["Executor ID"]
            for task in self.tasks(name)
            if task["Task End Reason"]["Reason"] == "Success"
        )

    def _options(self, name: str) -> list[str]:
        events = self.folder / "events" / name
        events.mkdir(parents=True)
        conf = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.executor.memory": "768m",
            # No task begins before both executors are there: one alone might do them all.
            "spark.cores.max": str(WORKERS),
            "spark.scheduler.minRegisteredResourcesRatio": "1",
            "spark.pyspark.driver.python": sys.executable,
            "spark.pyspark.python": str(self.python),
            "spark.ui.enabled": "false",
            "spark.eventLog.enabled": "true",
            "spark.eventLog.dir": events.as_uri(),
            "spark.eventLog.rolling.enabled": "false",
            "spark.eventLog.compress": "false",
            "spark.log.level": "WARN",
            # So little data would otherwise be one task.
            "spark.sql.shuffle.partitions": "8",
            "spark.sql.adaptive.coalescePartitions.enabled": "false",
            "spark.sql.files.openCostInBytes": "134217728",
        }
        return [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]


@pytest.fixture
def cluster(object_store: ObjectStore) -> Iterator[Cluster]:
    """A cluster of its own for each test: one of them kills a worker."""
    # A run that is told to end cleans up like one that is interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="recsys-cluster-") as name, ExitStack() as servers:
        folder = Path(name)
        try:
            own = {**_environment(folder), **object_store.environment}
            yield _started(servers, folder, own)
        finally:
            _end_all(folder)


def _started(servers: ExitStack, folder: Path, environment: Mapping[str, str]) -> Cluster:
    place = ["--host", "127.0.0.1", "--port", "0", "--webui-port", "0"]
    launch = partial(_launch, servers, folder, environment)
    launch("master", "master.Master", *place)
    address = _said(folder / "master.log", r"Starting Spark master at (spark://\S+)")
    options = ["--host", "127.0.0.1", "--cores", "1", "--memory", "1g", "--webui-port", "0"]
    workers = []
    for number in range(WORKERS):
        work = folder / f"work-{number}"
        own = [*options, "--work-dir", str(work), address]
        workers.append(launch(f"worker-{number}", "worker.Worker", *own))
    for number in range(WORKERS):
        _said(folder / f"worker-{number}.log", r"(Successfully registered with master)")
    return Cluster(
        folder=folder,
        master=address,
        workers=workers,
        archive=package.pack(folder / package.ARCHIVE),
        python=_bare_python(folder),
        environment=environment,
    )


def _environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "HOME") if name in os.environ}
    return kept | {
        MARK: str(folder),
        # Threads that wait for each other are slow where processes are more than cores.
        "OMP_NUM_THREADS": "1",
        "SPARK_HOME": str(SPARK_HOME),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_DAEMON_MEMORY": "256m",
        "SPARK_LOCAL_DIRS": str(folder / "scratch"),
        "SPARK_SUBMIT_OPTS": os.environ.get("SPARK_SUBMIT_OPTS", ""),
    }


def _launch(
    servers: ExitStack,
    folder: Path,
    environment: Mapping[str, str],
    name: str,
    role: str,
    *arguments: str,
) -> psutil.Process:
    neutral = folder / name
    neutral.mkdir()
    with (folder / f"{name}.log").open("w") as log:
        server = psutil.Popen(
            [
                str(SPARK_HOME / "bin" / "spark-class"),
                f"org.apache.spark.deploy.{role}",
                *arguments,
            ],
            cwd=neutral,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return servers.enter_context(server)


def _said(log: Path, pattern: str) -> str:
    """What a server says once it is ready; its log is not written at once."""
    wait_until(lambda: re.search(pattern, log.read_text(encoding="utf-8")) is not None, _SECONDS)
    found = re.search(pattern, log.read_text(encoding="utf-8"))
    assert found is not None, last_lines(log)
    return found[1]


def _bare_python(folder: Path) -> Path:
    """The interpreter below the virtual environment, with the environment's packages on its path.

    `.pth` files on PYTHONPATH are not read, and one of them leads to this checkout.
    """
    script = folder / "python"
    base, packages = Path(sys.base_prefix, "bin", "python3"), sysconfig.get_path("purelib")
    run = f'PYTHONPATH="$PYTHONPATH:{packages}" exec "{base}" "$@"'
    script.write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
    script.chmod(0o755)
    return script


def processes(folder: Path) -> list[psutil.Process]:
    """Every process of a cluster and its drivers, whoever its parent is by now."""
    return list(find_all(lambda process: process.environ().get(MARK) == str(folder)))


def end(these: Sequence[psutil.Process]) -> None:
    """Ends processes as a power cut would."""
    for process in these:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(these, _ENDING_SECONDS)


def _end_all(folder: Path) -> None:
    while left := processes(folder):
        end(left)


def run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    """Runs a command from a neutral place and gives its output; shows all of it where it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr}"
    return done.stdout
