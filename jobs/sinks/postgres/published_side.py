"""Check that a run could be published, made before anything is extracted or trained."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from psycopg2.extensions import connection
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.sinks.postgres.migrations import applied, other_ids, pending
from recsys.errors import PublishedSideError, RecsysError
from recsys.sections.ids import Ids

_PAUSES: Final = (0.0, 0.005, 0.02, 0.08, 0.3)
"""Seconds that a pooler has to take a server process back, each time that one looks at which it
gives next: it says that a transaction has ended before it does so."""
_MIGRATE: Final = "run `recsys migrate`"


@dataclass(frozen=True)
class _Server:
    """Facts of a server and of the login."""

    login: str
    superuser: bool
    standby: bool
    only_reads: bool
    installed: bool
    settable: bool | None
    """Whether the login may become the writer; None where there is no such role."""


def require_publishable(uri: SecretStr, ids: Ids) -> None:
    """Raises PublishedSideError with every reason why a run could not be published.

    An outage is raised as what it is.
    """
    found = list(_problems(uri, ids))
    if found:
        raise PublishedSideError("; ".join(found))


def published_problems(uri: SecretStr, ids: Ids) -> list[str]:
    """Every reason why a run could not be published, with its remedy; in a tenth of a second."""
    try:
        return list(_problems(uri, ids))
    except RecsysError as error:
        return [str(error)]


def _problems(uri: SecretStr, ids: Ids) -> Iterator[str]:
    with connect(uri) as session, connect(uri) as other:
        if _shared(session, other):
            yield (
                "a pooler hands the server from session to session after each transaction, and "
                "locks and settings with it; let RECSYS_POSTGRES_URI name the server itself, or a "
                "pooler in session mode"
            )
            return
        with session.cursor() as cursor:
            cursor.execute(statement("side/server"))
            server = _Server(*(cursor.fetchone() or ()))
        yield from _of_server(server)
        if server.installed and server.settable:
            yield from _of_schema(session, ids)


def _of_server(server: _Server) -> Iterator[str]:
    if server.superuser:
        yield (
            f"login {server.login} is a superuser, and nothing would limit a mistake or an attack; "
            "let RECSYS_POSTGRES_URI name a login of the pipeline's own: `CREATE ROLE pipeline "
            "LOGIN CREATEROLE`, with CREATE on the database, or with recsys_writer granted where "
            "`recsys migrate` has run; see docs/operations.md"
        )
    if server.standby:
        yield "the server is a standby, which only reads; point RECSYS_POSTGRES_URI at the primary"
    elif server.only_reads:
        yield (
            f"sessions of {server.login} only read; "
            f"`ALTER ROLE {server.login} SET default_transaction_read_only = off`"
        )
    if not server.installed or server.settable is None:
        yield f"the database has no published side yet; {_MIGRATE}"
    elif not server.settable:
        yield (
            f"login {server.login} may not act as recsys_writer; "
            f"`GRANT recsys_writer TO {server.login}`"
        )


def _of_schema(session: Connection, ids: Ids) -> Iterator[str]:
    with session.cursor() as cursor:
        cursor.execute(statement("side/rights"))
        missing = [text for (text,) in cursor.fetchall()]
        yield from (f"recsys_writer lacks {text}; have it granted" for text in missing)
        if missing:
            return
        cursor.execute(statement("publish/become_writer"))
    numbers, types = applied(session)
    behind, ahead = pending(numbers)
    if behind:
        yield f"migrations {', '.join(behind)} have not run; {_MIGRATE}"
    if ahead:
        yield f"migrations {ahead} are of newer code; install it here too"
    if differing := other_ids(types, ids):
        yield differing


def _shared(session: connection, other: connection) -> bool:
    """True if a pooler gives a session's server process away while the session is open.

    A pooler makes up the number that a session is told at its start. Most give next what they took
    back last, so the session's own is looked for right after it was used.
    """
    if _backend(session) == session.info.backend_pid:
        return False
    for pause in _PAUSES:
        mine = _backend(session)
        time.sleep(pause)
        others = _backend(other, hold=True)
        if others == mine:
            return True
        again = _backend(session)
        other.rollback()
        if again != mine:
            return True
    return False


def _backend(session: connection, *, hold: bool = False) -> int:
    """The server process that answers; with `hold` it stays in a transaction."""
    with session.cursor() as cursor:
        cursor.execute(statement("side/backend"))
        (pid,) = cursor.fetchone() or (0,)
    if not hold:
        session.rollback()
    return int(pid)
