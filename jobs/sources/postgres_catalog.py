"""The tables of Postgres that a login may read, with some rows of each."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import cursor
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from recsys.proposal.relations import ID_FAMILIES, Family, Relation, Row

ROWS: Final = 1_000
"""Rows of a relation that are looked at."""
_MOST: Final = 500
"""Relations."""
_COUNTED: Final = 100_000
"""Rows up to which they are counted, where the server has not."""
_LEAST: Final = 20
"""Rows with different values that make a key of a column without an index."""
_SHOWN: Final = 200
"""Characters of a value."""
_INTEGERS: Final = ("smallint", "integer", "bigint")
_FAMILIES: Final[Mapping[str, Family]] = {
    **dict.fromkeys(_INTEGERS, "integer"),
    **dict.fromkeys(("text", "character varying", "character", "name", "enum"), "text"),
    **dict.fromkeys(("numeric", "real", "double precision"), "number"),
    **dict.fromkeys(("timestamp with time zone", "timestamp without time zone", "date"), "instant"),
    **dict.fromkeys(("json", "jsonb"), "object"),
    "uuid": "uuid",
    "boolean": "flag",
}
_CASTS: Final[Mapping[Family, str]] = {"integer": "bigint", "uuid": "uuid", "text": "text"}

_LEFT_OUT: Final = (
    psycopg2.errors.InsufficientPrivilege,
    psycopg2.errors.UndefinedTable,
    psycopg2.errors.QueryCanceled,
    psycopg2.DataError,
)
"""What a relation may fail with that others need not: a view's own rights, its errors, its time."""

Column = tuple[str, str]


def relations(uri: SecretStr) -> list[Relation]:
    """Every table and view but those that cannot be read or take too long."""
    with connect(uri) as connection:
        with _transaction(connection) as asking:
            asking.execute(statement("catalog/relations"), {"most": _MOST})
            listed = asking.fetchall()
        found = [
            _relation(connection, schema, name, rows, keys)
            # A dot divides a place into schema and name.
            for schema, name, rows, keys in listed
            if "." not in name
        ]
    return [relation for relation in found if relation is not None]


def references(uri: SecretStr) -> list[tuple[Column, Column]]:
    """Columns that are declared to refer to others."""
    with connect(uri) as connection, _transaction(connection) as asking:
        asking.execute(statement("catalog/references"))
        return [((f"{a}.{b}", c), (f"{d}.{e}", f)) for a, b, c, d, e, f in asking.fetchall()]


def found(
    uri: SecretStr, target: Relation, key: str, wanted: Mapping[Column, Sequence[str]]
) -> dict[Column, int]:
    """How many of some columns' values are values of a key; nothing where that takes too long."""
    columns = list(wanted)
    pairs = [(n, value) for n, column in enumerate(columns) for value in wanted[column]]
    query = sql.SQL(statement("catalog/found")).format(
        relation=sql.Identifier(*target.place.split(".", 1)),
        key=sql.Identifier(key),
        type=sql.SQL(_CASTS[target.families[key]]),
    )
    values = {"numbers": [n for n, _ in pairs], "texts": [value for _, value in pairs]}
    with connect(uri) as connection:
        try:
            with _transaction(connection) as asking:
                asking.execute(query, values)
                return {columns[n]: count for n, count in asking.fetchall()}
        except _LEFT_OUT:
            return {}


@contextmanager
def _transaction(connection: Connection) -> Iterator[cursor]:
    """A transaction that changes nothing and ends soon."""
    try:
        with connection.cursor() as asking:
            asking.execute(statement("catalog/limits"))
            asking.execute(statement("extract/settings"))
            yield asking
    finally:
        connection.rollback()


def _relation(
    connection: Connection, schema: str, name: str, rows: int, keys: Sequence[str]
) -> Relation | None:
    place, relation = f"{schema}.{name}", sql.Identifier(schema, name)
    try:
        with _transaction(connection) as asking:
            types = _types(asking, relation.as_string(connection))
            sample = _sample(asking, relation, list(types))
            rows = rows if rows > 0 else _count(asking, relation)
    except _LEFT_OUT:
        return None
    families = {column: _family(type_, column, sample) for column, type_ in types.items()}
    chosen = keys or _distinct(families, sample)
    ids = tuple(key for key in chosen if families.get(key) in ID_FAMILIES)
    return Relation(place, "table", families, ids, rows, sample)


def _types(asking: cursor, quoted: str) -> dict[str, str]:
    """Types of the columns that may be read, domains resolved."""
    asking.execute(statement("catalog/readable"), {"relation": quoted})
    readable = {name for (name,) in asking.fetchall()}
    asking.execute(statement("extract/columns"), {"relation": quoted})
    return {name: base for name, _, base, _ in asking.fetchall() if name in readable}


def _sample(asking: cursor, relation: sql.Identifier, columns: Sequence[str]) -> list[Row]:
    listed = sql.SQL(", ").join(
        sql.SQL("left({name}::text, {most})").format(
            name=sql.Identifier(column), most=sql.Literal(_SHOWN)
        )
        for column in columns
    )
    query = sql.SQL(statement("catalog/sample"))
    asking.execute(query.format(columns=listed, relation=relation, most=sql.Literal(ROWS)))
    return [dict(zip(columns, row, strict=True)) for row in asking.fetchall()]


def _count(asking: cursor, relation: sql.Identifier) -> int:
    query = sql.SQL(statement("catalog/count"))
    asking.execute(query.format(relation=relation, most=sql.Literal(_COUNTED)))
    (rows,) = asking.fetchone() or (0,)
    return int(rows)


def _family(type_: str, column: str, sample: Sequence[Row]) -> Family:
    values = [value for row in sample if (value := row[column]) is not None]
    if type_.endswith("[]"):
        return "array"
    family = _FAMILIES.get(type_, "other")
    if type_ == "numeric" and values and all(value.lstrip("-").isdecimal() for value in values):
        return "integer"
    if family == "object" and values and all(value.startswith("[") for value in values):
        return "array"
    return family


def _distinct(families: Mapping[str, Any], sample: Sequence[Row]) -> list[str]:
    """Columns of which no two rows of a sample have the same value, where that says something."""
    if len(sample) < _LEAST:
        return []
    return [
        name
        for name in families
        if None not in (values := {row.get(name) for row in sample}) and len(values) == len(sample)
    ]
