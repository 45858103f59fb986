"""Brings the published side of a database to the present schema."""

from collections.abc import Collection
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from jobs.io.postgres import Connection, connect
from jobs.io.statements import SQL, names_in, statement
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
    numbers, types = applied(connection)
    if differing := other_ids(types, ids):
        raise ConfigError(differing)
    return numbers


def applied(connection: Connection) -> tuple[list[int], Ids]:
    """Numbers of the migrations that have run, and the id types they ran with."""
    with connection.cursor() as cursor:
        cursor.execute(statement("migrate/applied"))
        numbers, user, item = cursor.fetchone() or ([], None, None)
    return list(numbers or []), Ids(user=user, item=item)


def pending(numbers: Collection[int]) -> tuple[list[str], list[int]]:
    """Names of the migrations that are not among those that have run, and numbers unknown here."""
    known = {int(name.split("_")[0]): name for name in names_in(MIGRATIONS.name)}
    behind = [name for number, name in known.items() if number not in numbers]
    return behind, [number for number in numbers if number not in known]


def other_ids(published: Ids, ids: Ids) -> str | None:
    """Why a database cannot take ids of these types; None where it can."""
    if published == ids:
        return None
    return (
        f"the database publishes {published.user} user ids and {published.item} item ids, [ids] "
        f"says {ids.user} and {ids.item}; correct [ids], or drop what is published and start over "
        "with `recsys migrate --recreate`"
    )


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
