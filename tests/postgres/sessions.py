"""Sessions that others hold open on a server, and shorter waits for them."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.extensions
from pydantic import SecretStr

from jobs.db.statements import statement
from jobs.sandbox.postgres_server import SUPERUSER
from tests.logins import as_login

#: How many locks somebody waits for.
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@contextmanager
def session(
    uri: SecretStr, *texts: str, login: str = SUPERUSER
) -> Iterator[psycopg2.extensions.connection]:
    """An open session of somebody else that has run some statements."""
    other = psycopg2.connect(as_login(uri, login).get_secret_value(), application_name="somebody")
    try:
        with other.cursor() as cursor:
            for text in texts:
                cursor.execute(text)
        yield other
    finally:
        other.close()


def short_waits(name: str) -> str:
    """The statement, for one second where it waits up to five minutes."""
    return statement(name).replace("5min", "1s")
