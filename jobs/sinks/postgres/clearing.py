"""Removal of lists that nobody needs any more; what is in use stays for the next publication.

Readers are never waited for: a list table that somebody reads cannot be removed, and a transaction
left open may last for days.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg2
from psycopg2 import sql

from jobs.db.postgres import Connection
from jobs.db.statements import statement

log = logging.getLogger(__name__)

_AT_ONCE: Final = "100ms"
_SOON: Final = "2s"
_USUAL: Final = "5min"
_IN_USE: Final = (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected)


def retire(connection: Connection, keep_runs: int) -> None:
    """Marks the oldest runs as retired and removes what can be removed of retired ones."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/switch_lock"))
        cursor.execute(statement("publish/retire"), {"keep": keep_runs})
    with _left_if_in_use(connection, "quarantined_row"), connection:
        _wait_at_most(connection, _SOON)
        _run(connection, "publish/clear_retired")
    for name, pending in _detachable(connection):
        with _left_if_in_use(connection, name) as left:
            _detach(connection, name, pending=pending)
        if left:
            break  # a table can have one detachment that broke off
    drop_loose(connection, _SOON)


def drop_loose(connection: Connection, limit: str = _AT_ONCE) -> None:
    """Drops list tables of killed publications and of retired runs, and the runs of the former."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/abandoned"))
        names = [name for (name,) in cursor.fetchall()]
    for name in names:
        with _left_if_in_use(connection, name), connection:
            _wait_at_most(connection, limit)
            _run(connection, "publish/drop_table", partition=sql.Identifier(name))
    with _left_if_in_use(connection, "quarantined_row"), connection:
        _wait_at_most(connection, limit)
        _run(connection, "publish/forget_staged")


def _detachable(connection: Connection) -> list[tuple[str, bool]]:
    """Attached tables of retired runs, and whether a detachment of it broke off; such one first."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/detachable"))
        return cursor.fetchall()


def _detach(connection: Connection, name: str, *, pending: bool) -> None:
    """Detaches a table; no transaction may be open for that."""
    connection.autocommit = True
    try:
        _wait_at_most(connection, _SOON, local=False)
        how = "publish/finish_detach" if pending else "publish/detach"
        _run(connection, how, partition=sql.Identifier(name))
    finally:
        _wait_at_most(connection, _USUAL, local=False)
        connection.autocommit = False


@contextmanager
def _left_if_in_use(connection: Connection, table: str) -> Iterator[list[str]]:
    """Goes on where somebody uses a table, and logs who; the list then has the table."""
    left: list[str] = []
    try:
        yield left
    except _IN_USE:
        left.append(table)
        with connection, connection.cursor() as cursor:
            cursor.execute(statement("publish/readers"), {"table": table})
            readers = (
                "; ".join(text for (text,) in cursor.fetchall())
                or "a transaction with an older view"
            )
        log.warning("recs.%s is in use, later publications remove it: %s", table, readers)


def _wait_at_most(connection: Connection, limit: str, *, local: bool = True) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/wait_at_most"), {"limit": limit, "local": local})


def _run(connection: Connection, name: str, **parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement(name)).format(**parts))
