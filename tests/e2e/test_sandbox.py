"""The embedded servers, as real processes: start, stop, crash, and come back with their data."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import psutil
import psycopg2
import pytest
from pymongo import MongoClient

from jobs.sandbox import servers
from jobs.sandbox.processes import wait_until
from jobs.sandbox.servers import Endpoints
from recsys.errors import SandboxError

CLI = "from jobs.cli.sandbox import app; app()"
BUSY_FOR_MINUTES = "SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all tests, awkward to quote; each test starts what it needs."""
    root = tmp_path_factory.mktemp("sandbox") / "it's a & 100% b"
    yield root
    servers.down(root)
    assert processes_in(root) == []


def test_starting_twice_even_at_once_gives_the_same_servers(root: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(servers.up, [root, root])
    pids = running_pids(root)

    assert first == second == servers.up(root) == servers.endpoints(root)
    assert pids == running_pids(root)
    assert sorted(pids) == sorted(started_in(root))


def test_data_survives_a_stop_which_leaves_no_process(root: Path) -> None:
    where = servers.up(root)
    remember(where, 1)

    servers.down(root)
    servers.down(root)

    assert processes_in(root) == []
    assert [server.running for server in servers.status(root)] == [False, False]
    with pytest.raises(SandboxError, match="recsys sandbox up"):
        servers.endpoints(root)
    assert servers.up(root) == where
    assert remembered(where) == ([1], [1])


def test_killed_servers_come_back_though_their_pids_are_recycled(root: Path) -> None:
    where = servers.up(root)
    remember(where, 2)

    with stranger(root) as other, busy_client(where):
        pids = running_pids(root)
        for pid in pids:
            psutil.Process(pid).kill()
        assert wait_until(lambda: not alive_pids() & set(pids), seconds=5)
        for name in ("postgres/data/postmaster.pid",):
            give_pid(root / name, other.pid)
        assert [server.running for server in servers.status(root)] == [False, False]

        assert servers.up(root) == where
        assert other.poll() is None
    assert 2 in remembered(where)[0]
    assert 2 in remembered(where)[1]


def test_no_other_user_can_reach_the_servers(root: Path) -> None:
    where = servers.up(root)
    pids = running_pids(root)
    listening = [c for pid in pids for c in psutil.Process(pid).net_connections("inet")]
    assert [c.laddr for c in listening if c.status == psutil.CONN_LISTEN] == []
    sockets = [
        Path(unquote(urlsplit(where.mongo_uri).netloc)).parent,
        Path(parse_qs(urlsplit(where.postgres_uri).query)["host"][0]),
    ]
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in sockets] == [0o700, 0o700]


def test_a_folder_deleted_under_running_servers_starts_empty(root: Path) -> None:
    servers.up(root)
    before = running_pids(root)
    shutil.rmtree(root)

    where = servers.up(root)

    assert not set(before) & set(running_pids(root))
    assert not set(before) & alive_pids()
    remember(where, 3)
    assert remembered(where) == ([3], [3])


def test_commands_point_a_shell_at_servers_that_outlive_them(root: Path) -> None:
    run_command(root, "up")

    assert running_pids(root)
    script = 'eval "$("$0" -c "$1" env)"; echo "$RECSYS_POSTGRES_URI"; echo "$RECSYS_MONGO_URI"'
    exported = run(root, "/bin/sh", "-c", script, sys.executable, CLI).splitlines()
    assert Endpoints(*exported) == servers.endpoints(root)
    assert "not running" not in run_command(root, "status")
    assert run_command(root, "down").count("not running") == 2


@pytest.mark.parametrize("name", ["a,b", "longer than the path of a socket " * 4])
def test_a_path_that_suits_no_socket_works(
    tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    root = tmp_path_factory.mktemp("other") / name
    try:
        where = servers.up(root)
        remember(where, 4)
        psql = [str(servers.psql_path()), where.postgres_uri]
        answer = run(root, *psql, "--tuples-only", "--command=SHOW timezone")
    finally:
        servers.down(root)

    assert answer.strip() == "UTC"
    assert processes_in(root) == []
    assert not Path(parse_qs(urlsplit(where.postgres_uri).query)["host"][0]).exists()


def remember(where: Endpoints, number: int) -> None:
    """Writes one number to each server."""
    with closing(psycopg2.connect(where.postgres_uri)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        cursor.execute("INSERT INTO kept VALUES (%s)", (number,))
    with mongo(where) as client:
        client.get_default_database()["kept"].insert_one({"number": number})


def remembered(where: Endpoints) -> tuple[list[int], list[int]]:
    """The numbers each server holds."""
    with closing(psycopg2.connect(where.postgres_uri)) as connection, connection:
        cursor = connection.cursor()
        cursor.execute("SELECT number FROM kept ORDER BY number")
        rows = [row[0] for row in cursor.fetchall()]
    with mongo(where) as client:
        found = client.get_default_database()["kept"].find()
        return rows, sorted(document["number"] for document in found)


def mongo(where: Endpoints) -> MongoClient[dict[str, int]]:
    return MongoClient(where.mongo_uri, serverSelectionTimeoutMS=5000)


def running_pids(root: Path) -> list[int]:
    """The pids of both servers."""
    found = servers.status(root)
    assert all(server.running for server in found), found
    return [server.pid for server in found if server.pid is not None]


def alive_pids() -> set[int]:
    """Every process that is more than a zombie waiting for its parent."""
    return {
        each.pid
        for each in psutil.process_iter(["status"])
        if each.info["status"] != psutil.STATUS_ZOMBIE
    }


def started_in(root: Path) -> list[int]:
    """The pids of every server over the folder, without the children of one."""
    found = [
        process
        for process in processes_in(root)
        if any(word.startswith(str(root)) for word in process.info["cmdline"])
    ]
    pids = {process.pid for process in found}
    return [process.pid for process in found if process.info["ppid"] not in pids]


def processes_in(root: Path) -> list[psutil.Process]:
    """Every live process that names the folder or works in it."""
    return [
        process
        for process in psutil.process_iter(["cmdline", "cwd", "ppid"])
        if any(
            str(root) in word
            for word in [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        )
    ]


@contextmanager
def stranger(root: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is none of ours, of the user whose signals Postgres would believe."""
    owner = (root / "postgres" / "data").stat().st_uid
    with subprocess.Popen(["sleep", "60"], user=owner) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def busy_client(where: Endpoints) -> Iterator[None]:
    """A query that computes on, and so does not notice when the postmaster dies."""
    psql = [str(servers.psql_path()), where.postgres_uri, "--command", BUSY_FOR_MINUTES]
    with subprocess.Popen(psql, stderr=subprocess.DEVNULL) as client:
        try:
            assert wait_until(lambda: runs(where, BUSY_FOR_MINUTES), seconds=10)
            yield
            assert client.wait(10) != 0
        finally:
            client.kill()


def runs(where: Endpoints, query: str) -> bool:
    """Whether a backend is at work on the query."""
    with closing(psycopg2.connect(where.postgres_uri)) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT FROM pg_stat_activity WHERE query = %s", (query,))
        return cursor.rowcount == 1


def give_pid(path: Path, pid: int) -> None:
    """Makes a pid file name another process."""
    _, *rest = path.read_text().splitlines()
    path.write_text("\n".join([str(pid), *rest]))


def run_command(root: Path, command: str) -> str:
    return run(root, sys.executable, "-c", CLI, command)


def run(root: Path, *command: str) -> str:
    environment = os.environ | {"RECSYS_SANDBOX": str(root)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
