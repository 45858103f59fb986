"""The data dictionary of the published side: what its catalog and its comments say of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement

BEGIN: Final = "<!-- generated from the comments of the published side by `make docs` -->"
END: Final = "<!-- end of the generated part -->"
#: View, and its column, by whose newest value dbt tells whether the live lists are fresh.
_FRESH_BY: Final = ("freshness", "published_at")
#: A night a day may be late by six hours, and fail once.
_WARN_HOURS: Final = 30
_ERROR_HOURS: Final = 54
_DBT_HEAD: Final = """\
# Generated from the comments of the published side by `make docs`; change those instead.
version: 2

sources:
  - name: recs
    schema: recs
    description: Published recommendations, and figures of how they were made.
    tables:"""


@dataclass(frozen=True)
class Column:
    """A column of a table or view."""

    name: str
    type: str
    meaning: str


@dataclass(frozen=True)
class Relation:
    """A table or a view."""

    name: str
    kind: str
    meaning: str
    readable: bool
    """Whether analysts may read it."""
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Function:
    """A function, and the roles that may call it."""

    name: str
    arguments: str
    meaning: str
    callers: tuple[str, ...]


@dataclass(frozen=True)
class Dictionary:
    """Everything that the published side has."""

    relations: tuple[Relation, ...]
    functions: tuple[Function, ...]

    def without_meaning(self) -> list[str]:
        """What no comment explains."""
        told = [(each.name, each.meaning) for each in self.relations]
        told += [(each.name, each.meaning) for each in self.functions]
        told += [(f"{r.name}.{c.name}", c.meaning) for r in self.relations for c in r.columns]
        return [name for name, meaning in told if not meaning]

    def page(self, text: str) -> str:
        """A page with its generated part as it must be."""
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        return f"{before}{BEGIN}\n\n{chr(10).join(self._page())}\n{END}{after}"

    def dbt_sources(self) -> str:
        """The relations that analysts read as a source of dbt, with what is fresh."""
        tables = (line for each in self.relations if each.readable for line in _dbt_table(each))
        return "\n".join([_DBT_HEAD, *tables, ""])

    def _page(self) -> Iterator[str]:
        groups = (
            ("Views", [r for r in self.relations if r.readable and r.kind == "view"]),
            ("Tables", [r for r in self.relations if r.readable and r.kind == "table"]),
            ("Tables that analysts do not read", [r for r in self.relations if not r.readable]),
        )
        for title, relations in groups:
            yield f"## {title}\n"
            for each in relations:
                yield from (f"### `recs.{each.name}`\n", f"{each.meaning}\n")
                yield from _rows(
                    ("column", "type", "meaning"),
                    [(f"`{c.name}`", c.type, c.meaning) for c in each.columns],
                )
        yield "## Functions\n"
        yield from _rows(
            ("function", "called by", "meaning"),
            [
                (f"`recs.{f.name}({f.arguments})`", ", ".join(f.callers) or "nobody", f.meaning)
                for f in self.functions
            ],
        )


def read_dictionary(uri: SecretStr) -> Dictionary:
    """What the catalog of a migrated database says; a meaning is empty where a comment lacks."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("dictionary/columns"))
        columns = [(relation, Column(*map(_text, told))) for relation, *told in cursor.fetchall()]
        cursor.execute(statement("dictionary/relations"))
        relations = tuple(
            Relation(name, kind, _text(meaning), readable, _of(name, columns))
            for name, kind, meaning, readable in cursor.fetchall()
        )
        cursor.execute(statement("dictionary/functions"))
        functions = tuple(
            Function(name, arguments, _text(meaning), tuple(callers))
            for name, arguments, meaning, callers in cursor.fetchall()
        )
    return Dictionary(relations, functions)


def _of(relation: str, columns: Sequence[tuple[str, Column]]) -> tuple[Column, ...]:
    return tuple(column for name, column in columns if name == relation)


def _text(value: str | None) -> str:
    return value or ""


def _rows(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
    yield ""


def _dbt_table(relation: Relation) -> Iterator[str]:
    """A table of dbt's sources as YAML, in which a JSON text is a text."""
    yield f"      - name: {relation.name}"
    yield f"        description: {_quoted(relation.meaning)}"
    view, loaded_at = _FRESH_BY
    if relation.name == view:
        yield "        config:"
        yield f"          loaded_at_field: {loaded_at}"
        yield "          freshness:"
        yield f"            warn_after: {{count: {_WARN_HOURS}, period: hour}}"
        yield f"            error_after: {{count: {_ERROR_HOURS}, period: hour}}"
    yield "        columns:"
    for column in relation.columns:
        yield f"          - name: {column.name}"
        yield f"            data_type: {column.type}"
        yield f"            description: {_quoted(column.meaning)}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
