"""Sessions of the Arrow driver, with the limits and the search_path of every other session."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi
from pydantic import SecretStr

from jobs.db.postgres_errors import postgres_error
from jobs.db.postgres_uri import address

_SETTINGS: Final[Mapping[str, str]] = {
    "search_path": "pg_catalog,pg_temp",
    "statement_timeout": "1h",
    "lock_timeout": "5min",
    "idle_in_transaction_session_timeout": "2h",
}
"""Those of sql/session.sql. The driver looks types up before it takes a statement, so a path
that is set by one would come too late."""
_CONNECT_SECONDS: Final = 20


@contextmanager
def arrow_session(uri: SecretStr, doing: str = "") -> Iterator[dbapi.Connection]:
    """A connection that reads and writes Arrow; what is not committed is rolled back.

    doing: what breaks off where it fails. Raises the errors that `jobs.db.postgres.connect` does.
    """
    try:
        with dbapi.connect(address(uri, _CONNECT_SECONDS, _options())) as session:
            yield session
    except AdbcError as error:
        known = postgres_error(error, doing)
        if known is None:
            raise
        raise known from error


def _options() -> str:
    return " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
