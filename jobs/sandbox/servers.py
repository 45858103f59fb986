"""The embedded servers together: both up, both down, what runs, where they are."""

import fcntl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from jobs.sandbox.mongo_server import MongoServer
from jobs.sandbox.postgres_server import PostgresServer, pgbench_path, psql_path
from recsys.errors import SandboxError

__all__ = [
    "Endpoints",
    "ServerStatus",
    "down",
    "endpoints",
    "pgbench_path",
    "psql_path",
    "status",
    "up",
]


@dataclass(frozen=True)
class Endpoints:
    """The URIs of a running sandbox; neither holds a password."""

    postgres_uri: str
    mongo_uri: str


@dataclass(frozen=True)
class ServerStatus:
    """One server: whether it answers, its process, and its URI or its log's last lines."""

    name: str
    running: bool
    pid: int | None
    detail: str


def up(root: Path) -> Endpoints:
    """Starts whichever of the servers does not run yet and waits until both answer.

    Processes that call it at the same time wait for each other.
    """
    with _locked(root):
        for server in _servers(root):
            server.start()
        return endpoints(root)


def down(root: Path) -> None:
    """Stops both servers and waits until their processes have ended; the data stays."""
    with _locked(root):
        for server in _servers(root):
            server.stop()


def status(root: Path) -> tuple[ServerStatus, ...]:
    """State of each server."""
    postgres, mongo = _servers(root)
    return (_status("postgres", postgres), _status("mongo", mongo))


def endpoints(root: Path) -> Endpoints:
    """URIs of a running sandbox's servers; raises SandboxError when one does not run."""
    postgres, mongo = _servers(root)
    return Endpoints(postgres_uri=postgres.uri(), mongo_uri=mongo.uri())


def _servers(root: Path) -> tuple[PostgresServer, MongoServer]:
    home = root.resolve()
    return PostgresServer(home / "postgres"), MongoServer(home / "mongo")


def _status(name: str, server: PostgresServer | MongoServer) -> ServerStatus:
    process = server.process()
    if process is None:
        return ServerStatus(name, running=False, pid=None, detail="stopped")
    if not server.answers():
        return ServerStatus(name, running=False, pid=process.pid, detail=f"see {server.log}")
    return ServerStatus(name, running=True, pid=process.pid, detail=server.uri())


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Holds the sandbox for one process; what the machine refuses becomes a SandboxError."""
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (root / "lock").open("a") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
    except (OSError, subprocess.SubprocessError, psutil.Error) as error:
        raise SandboxError(
            f"the sandbox in {root} cannot be changed: {error};"
            " RECSYS_SANDBOX chooses another folder"
        ) from error
