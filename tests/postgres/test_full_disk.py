"""A Postgres whose disk is full: one clear error, nothing half visible, a right run after it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import psycopg2
import pytest
from pydantic import SecretStr

from jobs.sandbox.postgres_server import LOGIN, PostgresServer
from jobs.sinks.postgres.migrations import migrate
from recsys.errors import PostgresUnavailableError
from recsys.sections.ids import Ids
from tests.logins import as_admin
from tests.postgres.publications import TABLES, go, items_of, query
from tests.small_disks import fill, small_disk

USERS = 30_000
LENGTH = 100


def publish_many(uri: SecretStr, first_item: int) -> None:
    items = list(range(first_item, first_item + LENGTH))
    go(uri, *((user, items) for user in range(USERS)), keep=2)


def check_a_full_disk_hurts_nothing(
    uri: SecretStr, disk: Path, left: int, said: str, again: Callable[[], None]
) -> None:
    publish_many(uri, 1_000)
    ballast = fill(disk, left)
    with pytest.raises(PostgresUnavailableError) as caught:
        publish_many(uri, 2_000)
    assert caught.value.exit_code == 31
    assert "\n" not in str(caught.value)
    assert said in str(caught.value)
    ballast.unlink()
    again()
    assert items_of(uri, 1, 1) == ["1000"]
    assert query(uri, "SELECT DISTINCT run_id FROM recs.list_item") == [(1,)]
    publish_many(uri, 3_000)
    assert items_of(uri, 1, 1) == ["3000"]
    assert query(uri, TABLES) == [(2,)]


def test_a_full_disk_of_the_tables_is_told_and_hurts_nothing(own_server: PostgresServer) -> None:
    uri = SecretStr(own_server.uri())
    with small_disk(160) as disk:
        place = disk / "tables"
        place.mkdir(mode=0o700)
        shutil.chown(place, own_server.data.owner())
        disk.chmod(0o711)
        migrate(uri, Ids())
        on_server(uri, f"CREATE TABLESPACE small LOCATION '{place}'")
        on_server(uri, f"ALTER DATABASE {LOGIN} SET TABLESPACE small")
        check_a_full_disk_hurts_nothing(uri, disk, 8, "the disk of Postgres is full", lambda: None)
        own_server.stop()


def test_a_full_disk_of_the_log_is_told_and_hurts_nothing() -> None:
    with small_disk(400) as disk:
        server = PostgresServer(disk / "postgres")
        server.start()
        try:
            uri = SecretStr(server.uri())
            migrate(uri, Ids())
            # The server goes down then, and says why in its log alone.
            said = "see the log of its server"
            check_a_full_disk_hurts_nothing(uri, disk, 24, said, server.start)
        finally:
            server.stop()


def on_server(uri: SecretStr, text: str) -> None:
    """Runs a statement that takes no transaction, from another database."""
    other = as_admin(uri).get_secret_value().replace("/recsys?", "/postgres?")
    connection = psycopg2.connect(other)
    connection.autocommit = True
    connection.cursor().execute(text)
    connection.close()
