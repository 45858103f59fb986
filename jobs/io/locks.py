"""Who may write to a folder of the lake: one writer at a time, whatever becomes of the others."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final

from pydantic import SecretStr
from upath import UPath

from jobs.io.files import open_closed
from jobs.io.statements import statement

_LOCK: Final = ".lock"

Locks = Callable[[UPath], AbstractContextManager[Callable[[], None]]]
"""Waits until nobody else holds a folder, and holds it; gives what raises if it was lost since."""


@contextmanager
def by_file(folder: UPath) -> Iterator[Callable[[], None]]:
    """By a file of this machine, which the system lets go of when its writer ends or dies."""
    with open_closed(Path((folder / _LOCK).path)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lambda: None


def by_postgres(uri: Callable[[], SecretStr]) -> Locks:
    """By a session of Postgres, for a lake that several machines write to.

    uri: asked for when something is to be locked. Raises PostgresUnavailableError where the session
    cannot be had or has ended, and with it the lock.
    """

    from jobs.io.postgres import connect  # noqa: PLC0415 - half a second, for lakes elsewhere alone

    @contextmanager
    def held(folder: UPath) -> Iterator[Callable[[], None]]:
        with connect(uri()) as connection, connection.cursor() as cursor:
            connection.autocommit = True  # so that no transaction is open for as long
            cursor.execute(statement("lake/lock"), {"folder": str(folder)})
            yield lambda: cursor.execute(statement("lake/locked"))

    return held
