"""Every way in which Postgres fails a session has its own message, with what the server said."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psutil
import psycopg2
import pyarrow as pa
import pytest
from pydantic import SecretStr

from jobs.db import liveness
from jobs.db.arrow import arrow_session
from jobs.db.liveness import streamed
from jobs.db.postgres import connect
from jobs.sandbox.postgres_server import PostgresServer
from recsys.errors import (
    DataError,
    MappingError,
    PostgresLockedError,
    PostgresUnavailableError,
    PublishedSideError,
    RecsysError,
    SettingsError,
)
from tests.logins import as_admin, as_login

CASES: list[tuple[str, type[RecsysError], str]] = [
    ("SELECT * FROM recs.nothing", PublishedSideError, "recs.nothing.*recsys migrate"),
    ("SELECT * FROM nothing", MappingError, "nothing.*sources"),
    ("SET ROLE recsys_app; SELECT * FROM recs.run", PublishedSideError, "denied for table run"),
    ("SET TRANSACTION READ ONLY; DELETE FROM recs.live", PublishedSideError, "only reads"),
    ("SET statement_timeout = 50; SELECT pg_sleep(9)", PostgresUnavailableError, "to statement t"),
    ("SELECT 1/0", DataError, "division by zero"),
    ("INSERT INTO recs.removed_item VALUES (1), (1)", DataError, "duplicate key"),
    ("SELECT pg_terminate_backend(pg_backend_pid())", PostgresUnavailableError, "stopping|closed"),
]
IDS = [kind.__name__ + str(n) for n, (_, kind, _) in enumerate(CASES)]


@pytest.mark.parametrize(("text", "kind", "said"), CASES, ids=IDS)
def test_each_cause_has_its_message(
    postgres_uri: SecretStr, text: str, kind: type[RecsysError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught, connect(as_admin(postgres_uri)) as connection:
        connection.cursor().execute(text)
    assert type(caught.value) is kind


@pytest.mark.parametrize(("text", "kind", "said"), CASES, ids=IDS)
def test_the_arrow_driver_says_the_same(
    postgres_uri: SecretStr, text: str, kind: type[RecsysError], said: str
) -> None:
    with pytest.raises(kind, match=said) as caught:
        run_by_arrow(
            as_admin(postgres_uri), [f"-- {'x' * 50}\n{each}" for each in text.split("; ")]
        )
    assert type(caught.value) is kind
    assert "xxx" not in str(caught.value)


def run_by_arrow(uri: SecretStr, texts: list[str]) -> None:
    with arrow_session(uri) as session, session.cursor() as cursor:
        for text in texts:
            cursor.execute(text)
        cursor.fetchall()


@pytest.mark.parametrize("of_arrow", [False, True], ids=["psycopg2", "arrow"])
def test_a_server_without_a_free_connection_says_so(
    postgres_uri: SecretStr,
    of_arrow: bool,  # noqa: FBT001
) -> None:
    name = postgres_uri.get_secret_value().partition("?")[0].rpartition("/")[2]
    admin = as_admin(postgres_uri)
    with connect(admin) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE ROLE few LOGIN CONNECTION LIMIT 0")
        cursor.execute(f"GRANT CONNECT ON DATABASE {name} TO few")
    few = as_login(postgres_uri, "few")
    opened = arrow_session if of_arrow else connect
    try:
        with pytest.raises(PostgresUnavailableError, match="no connection left"), opened(few):
            pass
    finally:
        with connect(admin) as connection:
            connection.cursor().execute("DROP OWNED BY few; DROP ROLE few")


def test_a_wrong_uri_says_so_without_its_password() -> None:
    uri = SecretStr("postgres+x://someone:s3cret@nowhere/db")
    for opened in (connect, arrow_session):
        with pytest.raises(SettingsError, match="RECSYS_POSTGRES_URI") as caught, opened(uri):
            pass
        assert "s3cret" not in repr(caught.value)
        assert caught.value.__cause__ is None


def test_a_wait_says_for_whom_and_ends(
    postgres_uri: SecretStr, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(liveness, "PROBE_EVERY", 0.2)
    holder = psycopg2.connect(postgres_uri.get_secret_value(), application_name="an app")
    holder.cursor().execute("LOCK TABLE recs.live")
    pid = holder.info.backend_pid
    with (
        pytest.raises(PostgresLockedError, match=rf"pid {pid} of login recsys \(an app, "),
        connect(postgres_uri) as connection,
    ):
        connection.cursor().execute("SET lock_timeout = '2s'; SELECT * FROM recs.live")
    holder.close()
    assert f"waiting for pid {pid} of login recsys (an app, idle in transaction" in caplog.text


@contextmanager
def stopped(server: PostgresServer) -> Iterator[None]:
    """A server of which every process is stopped, as by a hypervisor or a disk that hangs."""
    postmaster = server.process()
    assert postmaster is not None
    processes = [postmaster, *postmaster.children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


@pytest.fixture
def frozen_in_a_moment(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SecretStr]:
    """A server that stops soon after the test begins."""
    monkeypatch.setattr(liveness, "PROBE_EVERY", 0.3)
    monkeypatch.setattr(liveness, "PROBE_SECONDS", 2)
    leave = threading.Event()

    def freeze() -> None:
        leave.wait(1.5)
        with stopped(own_server):
            leave.wait(60)

    thread = threading.Thread(target=freeze)
    thread.start()
    try:
        yield SecretStr(own_server.uri())
    finally:
        leave.set()
        thread.join()


def test_a_server_that_stops_answering_is_an_outage(frozen_in_a_moment: SecretStr) -> None:
    with (
        pytest.raises(PostgresUnavailableError, match="does not answer any more"),
        connect(frozen_in_a_moment) as connection,
    ):
        connection.cursor().execute("SELECT pg_sleep(3600)")


def test_a_server_that_stops_answering_the_arrow_driver_is_an_outage(
    frozen_in_a_moment: SecretStr,
) -> None:
    def rows() -> Iterator[pa.Table]:
        with arrow_session(frozen_in_a_moment) as session, session.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(3600)")
            yield cursor.fetch_arrow_table()

    with pytest.raises(PostgresUnavailableError, match="does not answer any more"):
        next(streamed(frozen_in_a_moment, rows()))


@contextmanager
def one_process_stopped(server: PostgresServer, asking: str) -> Iterator[None]:
    """Stops the one process that runs a statement, as soon as it does."""
    stopped_ones: list[psutil.Process] = []
    uri = SecretStr(server.uri())

    def stop() -> None:
        with closing(psycopg2.connect(uri.get_secret_value())) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            for _ in range(100):
                cursor.execute(
                    "SELECT pid FROM pg_stat_activity "
                    "WHERE position(%s IN query) > 0 AND pid <> pg_backend_pid()",
                    (asking,),
                )
                if pids := cursor.fetchall():
                    stopped_ones.append(psutil.Process(pids[0][0]))
                    stopped_ones[0].suspend()
                    return
                time.sleep(0.1)

    thread = threading.Thread(target=stop)
    thread.start()
    try:
        yield
    finally:
        thread.join()
        for process in stopped_ones:
            process.resume()
    assert stopped_ones


@pytest.mark.parametrize("driver", ["psycopg2", "arrow"])
def test_a_process_that_stops_beside_a_healthy_server_is_given_up_after_its_own_limit(
    own_server: PostgresServer, monkeypatch: pytest.MonkeyPatch, driver: str
) -> None:
    monkeypatch.setattr(liveness, "PROBE_EVERY", 0.3)
    monkeypatch.setattr(liveness, "OVERDUE_SECONDS", 4)
    uri, asking = SecretStr(own_server.uri()), "SELECT pg_sleep(3600)"

    def rows() -> Iterator[pa.Table]:
        with arrow_session(uri) as session, session.cursor() as cursor:
            cursor.execute(asking)
            yield cursor.fetch_arrow_table()

    def run() -> None:
        if driver == "arrow":
            next(streamed(uri, rows()))
        with connect(uri) as connection:
            connection.cursor().execute(asking)

    with (
        one_process_stopped(own_server, asking),
        pytest.raises(PostgresUnavailableError, match="limit of an hour should have ended"),
    ):
        run()
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
