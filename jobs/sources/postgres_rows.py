"""Columns of Postgres tables: how a query asks for them, and raw rows out of the answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql

from jobs.sources.source_types import Form
from recsys import columns as c
from recsys.events.raw_rows import AsRead, joined, raw_batch
from recsys.nested import flatten, parsed, texts
from recsys.schemas import Table
from recsys.sections.ids import Ids

_EXPRESSIONS: Final[Mapping[Form, str]] = {
    "plain": "{name}",
    "text": "{name}::text",
    "whole": "trim_scale({name})::text",
    "instant": "CASE WHEN {usable} THEN {name}::timestamptz END",
    "within": "{name}::timestamptz",
    "json": "to_json({name})::text",
}
_USABLE: Final = "{name} >= '0001-01-01' AND {name} < '10000-01-01'"
_UNUSABLE: Final = "CASE WHEN NOT ({usable}) THEN {name}::text END"


@dataclass(frozen=True)
class SourceColumn:
    """A column of a source and how it is read."""

    name: str
    form: Form

    def expressions(self, place: int) -> list[sql.Composed]:
        """Select list of one column: its value as `v<place>`, an instant that has none as text."""
        name = sql.Identifier(self.name)
        usable = sql.SQL(_USABLE).format(name=name)
        wanted = [(f"v{place}", _EXPRESSIONS[self.form])]
        if self.form == "instant":
            wanted.append((f"s{place}", _UNUSABLE))
        return [
            sql.SQL("{value} AS {alias}").format(
                value=sql.SQL(text).format(name=name, usable=usable), alias=sql.Identifier(alias)
            )
            for alias, text in wanted
        ]

    def values(self, batch: pa.RecordBatch, place: int) -> AsRead:
        """The column out of a batch; a value that no instant of the lake can be is present only."""
        values = batch[f"v{place}"]
        if isinstance(values.type, pa.BaseExtensionType):
            values = values.storage
        said = f"s{place}"
        if said not in batch.schema.names:
            return AsRead.native(values)
        return AsRead(values, pc.or_(values.is_valid(), batch[said].is_valid()))


@dataclass(frozen=True)
class Layout:
    """The columns of a read and what they become."""

    columns: tuple[SourceColumn, ...]
    fields: Mapping[str, tuple[int, ...]]
    """Places in `columns` of each column of the lake."""

    def selected(self) -> sql.Composed:
        """Select list of the read's queries."""
        columns = enumerate(self.columns)
        return sql.SQL(", ").join(e for n, column in columns for e in column.expressions(n))

    def raw(self, batch: pa.RecordBatch, table: Table, ids: Ids) -> pa.RecordBatch:
        """The raw rows of a batch."""
        read = {}
        for column, places in self.fields.items():
            values = [self.columns[n].values(batch, n) for n in places]
            convert = _JOINED.get(column)
            json = [self.columns[n].form == "json" for n in places]
            read[column] = convert([v.values for v in values], json) if convert else values[0]
        return raw_batch(table, ids, read, lambda i: self._row(batch, i), batch.num_rows)

    def _row(self, batch: pa.RecordBatch, number: int) -> dict[str, Any]:
        """A row under the source's own names."""
        (row,) = batch.slice(number, 1).to_pylist()
        names = ((column.name, f"v{n}", f"s{n}") for n, column in enumerate(self.columns))
        return {name: row.get(said) or row[value] for name, value, said in names}


def _joined_text(arrays: list[pa.Array], _: list[bool]) -> AsRead:
    filled = [pc.fill_null(a.cast(pa.string()), "") for a in arrays]
    return AsRead.native(pc.binary_join_element_wise(*filled, "\n"))


def _joined_tags(arrays: list[pa.Array], json: list[bool]) -> AsRead:
    return _leaves(arrays, json, texts)


def _joined_attributes(arrays: list[pa.Array], json: list[bool]) -> AsRead:
    return _leaves(arrays, json, flatten)


def _leaves(arrays: list[pa.Array], json: list[bool], leaves: Callable[[Any], list[str]]) -> AsRead:
    """Lists of the leaves of several columns; `json` says which of them are JSON."""

    def of_row(row: Sequence[Any]) -> list[str]:
        pairs = ((v, is_json) for v, is_json in zip(row, json, strict=True) if v is not None)
        return [leaf for v, is_json in pairs for leaf in leaves(parsed(v) if is_json else v)]

    return joined(zip(*(a.to_pylist() for a in arrays), strict=True), of_row)


_JOINED: Final[Mapping[str, Callable[[list[pa.Array], list[bool]], AsRead]]] = {
    c.TEXT: _joined_text,
    c.TAGS: _joined_tags,
    c.ATTRIBUTES: _joined_attributes,
}
