"""Postgres: connections."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

import psycopg2
from psycopg2.extensions import connection
from pydantic import SecretStr
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from jobs.db.liveness import Watch, frozen, watched
from jobs.db.postgres_errors import postgres_error
from jobs.db.postgres_uri import address
from jobs.db.statements import statement

ATTEMPTS: Final = 4
CONNECT_SECONDS: Final = 10

Connection = connection


@contextmanager
def connect(uri: SecretStr) -> Iterator[Connection]:
    """A connection that commits on a clean exit, rolls back on an error, and closes.

    Connecting is tried again a few times. Raises PostgresUnavailableError where the server cannot
    be reached, goes away or stops answering, PostgresLockedError where another session is in the
    way for too long, PublishedSideError where a right or the schema is missing, DataError for
    values that Postgres does not take.
    """
    watch = Watch()
    try:
        with closing(_connected(uri)) as connected, watched(uri, connected, watch):
            yield connected
            connected.commit()
    except psycopg2.Error as error:
        known = (
            frozen(watch.frozen)
            if watch.frozen
            else postgres_error(error, waited_for=watch.blockers)
        )
        if known is None:
            raise
        raise known from error


@retry(
    retry=retry_if_exception_type(psycopg2.OperationalError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_exponential(multiplier=0.25, max=5),
    reraise=True,
)
def _connected(uri: SecretStr) -> Connection:
    connected = psycopg2.connect(address(uri, CONNECT_SECONDS))
    connected.set_client_encoding("UTF8")
    with connected.cursor() as cursor:
        cursor.execute(statement("session/start"))
    connected.commit()
    return connected
