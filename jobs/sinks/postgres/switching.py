"""Moving the live pointer by hand: back to an older run, or on to one that was held."""

from typing import Final

from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.sinks.postgres.publishing import switch
from recsys.errors import HeldError, RunNotThereError

_SEE: Final = "`recsys runs` lists those that there are"


def rollback(uri: SecretStr, run_id: int | None) -> int:
    """Points lookups at an older run, by default the one that was live before; gives its id.

    One transaction, nothing is rebuilt. Raises RunNotThereError where that run's lists are gone or
    it is live already.
    """
    with connect(uri) as connection:
        _become_writer(connection)
        target = run_id if run_id is not None else _previous(connection)
        if _status(connection, target) == "held":
            message = f"run {target} was held back and never live; see `recsys publish --force`"
            raise HeldError(message)
        switch(connection, target, "rollback")
    return target


def release(uri: SecretStr, run_id: int, reason: str) -> None:
    """Points lookups at a run whatever its audit found, and records why.

    Raises RunNotThereError where its lists are gone or it is live already.
    """
    with connect(uri) as connection:
        _become_writer(connection)
        _status(connection, run_id)
        with connection.cursor() as cursor:
            cursor.execute(statement("publish/release"), {"run_id": run_id})
        switch(connection, run_id, f"forced: {reason}")


def _become_writer(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/switch_lock"))


def _previous(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/previous"))
        row = cursor.fetchone()
        if row is not None:
            return int(row[0])
        cursor.execute(statement("publish/others"))
        others = [str(run) for (run,) in cursor.fetchall()]
    if not others:
        raise RunNotThereError(f"no other run is kept, so there is none to go back to; {_SEE}")
    raise RunNotThereError(
        "no run that was live before the present one is kept; `recsys rollback RUN` goes to one of "
        f"the others: {', '.join(others)}"
    )


def _status(connection: Connection, run_id: int) -> str:
    """`published` or `held`: the status of a run that the pointer can move to."""
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/promotable"), {"run_id": run_id})
        row = cursor.fetchone()
    if row is None:
        raise RunNotThereError(f"there is no run {run_id}; {_SEE}")
    status, live = row
    if live:
        raise RunNotThereError(f"run {run_id} is live already; nothing was changed")
    if status not in {"published", "held"}:
        raise RunNotThereError(f"run {run_id} is {status}, so it has no lists; {_SEE}")
    return str(status)
