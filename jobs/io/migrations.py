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

    recreate: first removes the published side with all its runs.
    Raises ConfigError where the database was set up for other id types.
    """
    with connect(uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement("migrate/lock"))
            cursor.execute(statement("roles"))
            if recreate:
                cursor.execute(statement("migrate/drop"))
        done = _applied(connection, ids)
        return [
            _apply(connection, path, ids)
            for path in sorted(MIGRATIONS.glob("*.sql"))
            if _number(path) not in done
        ]


def _applied(connection: Connection, ids: Ids) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(statement("migrate/installed"))
        if cursor.fetchone() != (True,):
            return []
        cursor.execute(statement("migrate/applied"))
        numbers, *types = cursor.fetchone() or ([], ids.user, ids.item)
    if types != [ids.user, ids.item]:
        raise ConfigError(
            f"the database publishes {types[0]} user ids and {types[1]} item ids, [ids] says "
            f"{ids.user} and {ids.item}; correct [ids], or drop what is published and start over "
            "with `recsys migrate --recreate`"
        )
    return list(numbers)


def _apply(connection: Connection, path: Path, ids: Ids) -> str:
    with connection.cursor() as cursor:
        cursor.execute(with_id_types(path.read_text(encoding="utf-8"), ids))
        record = {"number": _number(path), "name": path.stem}
        cursor.execute(statement("migrate/record"), record)
    return path.stem


def _number(path: Path) -> int:
    return int(path.stem.split("_")[0])


def with_id_types(text: str, ids: Ids) -> str:
    """A statement with `:user_id_type` and `:item_id_type` replaced by names of the closed set."""
    return text.replace(":user_id_type", ids.user).replace(":item_id_type", ids.item)
