"""Moving the live pointer by hand: back to an older run, or on to one that was held."""

from pydantic import SecretStr

from jobs.io.postgres import Connection, connect
from jobs.io.statements import statement
from recsys.errors import HeldError, RunNotThereError


def rollback(uri: SecretStr, run_id: int | None) -> int:
    """Points lookups at an older run, by default the one that was live before; gives its id.

    One transaction, nothing is rebuilt. Raises RunNotThereError where that run's lists are gone.
    """
    with connect(uri) as connection:
        _become_writer(connection)
        target = run_id if run_id is not None else _previous(connection)
        status = _status(connection, target)
        if status == "held":
            message = f"run {target} was held back and never live; see `recsys publish --force`"
            raise HeldError(message)
        _switch(connection, target, "rollback")
    return target


def release(uri: SecretStr, run_id: int, reason: str) -> None:
    """Points lookups at a run whatever its audit found, and records why."""
    with connect(uri) as connection:
        _become_writer(connection)
        _status(connection, run_id)
        with connection.cursor() as cursor:
            cursor.execute(statement("publish/release"), {"run_id": run_id})
        _switch(connection, run_id, f"forced: {reason}")


def _become_writer(connection: Connection) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        cursor.execute(statement("publish/switch_lock"))


def _previous(connection: Connection) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/previous"))
        row = cursor.fetchone()
    if row is None:
        raise RunNotThereError("no older run is kept; `recsys runs` lists those that are")
    return int(row[0])


def _status(connection: Connection, run_id: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/promotable"), {"run_id": run_id})
        row = cursor.fetchone()
    if row is None:
        message = f"run {run_id} has no lists any more; `recsys runs` shows which ones have"
        raise RunNotThereError(message)
    return str(row[0])


def _switch(connection: Connection, run_id: int, reason: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/switch"), {"run_id": run_id, "reason": reason})
