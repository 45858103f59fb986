"""Locks on folders of the lake: one writer at a time, whatever becomes of the others."""

import fcntl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Final, Protocol

from pydantic import SecretStr
from upath import UPath

from jobs.db.postgres import connect
from jobs.db.statements import statement
from jobs.lake.files import open_closed

_LOCK: Final = ".lock"


class Locks(Protocol):
    """Waits until nobody else holds a folder, and holds it; gives what raises if it was lost since.

    shared: together with all others who hold it so.
    """

    def __call__(
        self, folder: UPath, *, shared: bool = False
    ) -> AbstractContextManager[Callable[[], None]]: ...


@contextmanager
def by_file(folder: UPath, *, shared: bool = False) -> Iterator[Callable[[], None]]:
    """By a file of this machine, which the system lets go of when its writer ends or dies."""
    with open_closed(Path((folder / _LOCK).path)) as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield lambda: None


def by_postgres(uri: Callable[[], SecretStr]) -> Locks:
    """By a transaction of Postgres, for a lake that several machines write to.

    uri: asked for when something is to be locked. Raises PostgresUnavailableError where the session
    cannot be had or has ended, and with it the lock; PublishedSideError where the login may not act
    as the writer, who alone can lock, or `recsys migrate` has not run.
    """

    @contextmanager
    def locked(folder: UPath, *, shared: bool = False) -> Iterator[Callable[[], None]]:
        with connect(uri()) as connection, connection.cursor() as cursor:
            place = {"folder": str(folder)}
            cursor.execute(statement("publish/become_writer"))
            cursor.execute(statement("lake/folder"), place)
            connection.commit()
            cursor.execute(statement("lake/lock_shared" if shared else "lake/lock"), place)
            yield lambda: cursor.execute(statement("lake/locked"))

    return locked
