"""Brings the published side of a database to the present schema."""

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from jobs.io.postgres import Connection, connect
from jobs.io.statements import SQL, statement
from recsys.config import Ids
from recsys.errors import ConfigError

MIGRATIONS: Final = SQL / "migrations"


def migrate(uri: SecretStr, ids: Ids, *, recreate: bool = False) -> list[str]:
    """Applies the migrations that have not run yet, in one transaction, and gives their names.

    A database without the schema gets `sql/schema.sql`, which is what all of them come to.
    recreate: first removes the published side with all its runs.
    Raises ConfigError where the database was set up for other id types.
    """
    with connect(uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement("migrate/lock"))
            cursor.execute(statement("roles"))
            if recreate:
                cursor.execute(statement("migrate/drop"))
        paths = sorted(MIGRATIONS.glob("*.sql"))
        done = _applied(connection, ids)
        if done is None:
            _execute(connection, statement("schema"), ids)
        for path in paths:
            if done is None:
                _record(connection, path)
            elif _number(path) not in done:
                apply(connection, path, ids)
        return [path.stem for path in paths if done is None or _number(path) not in done]


def _applied(connection: Connection, ids: Ids) -> list[int] | None:
    """Numbers of the migrations that have run; None where there is no schema."""
    with connection.cursor() as cursor:
        cursor.execute(statement("migrate/installed"))
        if cursor.fetchone() != (True,):
            return None
        cursor.execute(statement("migrate/applied"))
        numbers, *types = cursor.fetchone() or ([], ids.user, ids.item)
    if types != [ids.user, ids.item]:
        raise ConfigError(
            f"the database publishes {types[0]} user ids and {types[1]} item ids, [ids] says "
            f"{ids.user} and {ids.item}; correct [ids], or drop what is published and start over "
            "with `recsys migrate --recreate`"
        )
    return list(numbers)


def apply(connection: Connection, path: Path, ids: Ids) -> None:
    """Runs one migration and notes it as run."""
    _execute(connection, path.read_text(encoding="utf-8"), ids)
    _record(connection, path)


def _execute(connection: Connection, text: str, ids: Ids) -> None:
    with connection.cursor() as cursor:
        cursor.execute(with_id_types(text, ids))


def _record(connection: Connection, path: Path) -> None:
    with connection.cursor() as cursor:
        record = {"number": _number(path), "name": path.stem}
        cursor.execute(statement("migrate/record"), record)


def _number(path: Path) -> int:
    return int(path.stem.split("_")[0])


def with_id_types(text: str, ids: Ids) -> str:
    """A statement with `:user_id_type` and `:item_id_type` replaced by names of the closed set."""
    return text.replace(":user_id_type", ids.user).replace(":item_id_type", ids.item)
