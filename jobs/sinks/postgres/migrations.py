"""Brings the published side of a database to the present schema."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg2
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import SQL, names_in, script, statement
from recsys.errors import ConfigError, PublishedSideError
from recsys.sections.ids import Ids

MIGRATIONS: Final = SQL / "migrations"


def migrate(uri: SecretStr, ids: Ids, *, recreate: bool = False) -> list[str]:
    """Applies the migrations that have not run yet, in one transaction, and gives their names.

    A database without the published side gets `sql/schema.sql`, which is what all of them come to.
    The lookup is installed anew in any case, views and comments where anything was applied.
    recreate: first removes the published side with all its runs.
    Raises ConfigError where the database was set up for other id types, PublishedSideError where
    the login lacks a right.
    """
    with connect(uri) as connection:
        try:
            return _migrate(connection, ids, recreate=recreate)
        except (psycopg2.errors.UniqueViolation, psycopg2.errors.DuplicateSchema):
            # The database was migrated for the first time by somebody else at the same moment.
            connection.rollback()
            return _migrate(connection, ids, recreate=False)


def _migrate(connection: Connection, ids: Ids, *, recreate: bool) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(script("roles"))
    if recreate:
        _drop(connection)
    installed = _installed(connection)
    if not installed:
        _make_schema(connection)
    _run(connection, "migrate/become_writer")
    done: list[int] = []
    if installed:
        _run(connection, "migrate/lock")
        done = _applied(connection, ids)
    else:
        _execute(connection, script("schema"), ids)
    todo = [path for path in sorted(MIGRATIONS.glob("*.sql")) if _number(path) not in done]
    for path in todo:
        if installed:
            apply(connection, path, ids)
        else:
            _record(connection, path)
    install_lookup(connection, ids)
    if todo:
        install_views(connection, ids)
    return [path.stem for path in todo]


def _drop(connection: Connection) -> None:
    if schema := _schema(connection):
        if _installed(connection):
            _run(connection, "migrate/become_writer")
            _run(connection, "migrate/lock")
        _run(connection, "migrate/drop", owner=sql.Identifier(schema.owner))


def _make_schema(connection: Connection) -> None:
    """Makes the schema, or lets the writer into the one that was made for it."""
    schema = _schema(connection)
    if schema is None:
        _run(connection, "migrate/create_schema")
    elif schema.ours:
        _run(connection, "migrate/open_schema", owner=sql.Identifier(schema.owner))
    elif not schema.usable:
        raise PublishedSideError(
            f"schema recs belongs to {schema.owner}, and recsys_writer cannot create tables in it "
            "and let others in; `ALTER SCHEMA recs OWNER TO recsys_writer`"
        )


@dataclass(frozen=True)
class _Schema:
    """The schema of the published side, which may be empty."""

    owner: str
    ours: bool
    """Whether this login may act as the owner."""
    usable: bool
    """Whether the writer can work in it and let others in."""


def _schema(connection: Connection) -> _Schema | None:
    with connection.cursor() as cursor:
        cursor.execute(statement("migrate/schema"))
        row = cursor.fetchone()
    return _Schema(*row) if row else None


def _installed(connection: Connection) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(statement("migrate/installed"))
        return cursor.fetchone() == (True,)


def _run(connection: Connection, name: str, **parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement(name)).format(**parts) if parts else statement(name))


def _applied(connection: Connection, ids: Ids) -> list[int]:
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
    """Reason why a database cannot take ids of these types; None where it can."""
    if published == ids:
        return None
    return (
        f"the database publishes {published.user} user ids and {published.item} item ids, [ids] "
        f"says {ids.user} and {ids.item}; correct [ids], or drop what is published and start over "
        "with `recsys migrate --recreate`"
    )


def install_lookup(connection: Connection, ids: Ids) -> None:
    """Replaces the functions of the lookup by their one present form."""
    _execute(connection, script("repeatable/lookup"), ids)


def install_views(connection: Connection, ids: Ids) -> None:
    """Replaces the views, and the comments on everything, by their one present form."""
    for name in ("repeatable/views", "repeatable/comments"):
        _execute(connection, script(name), ids)


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
