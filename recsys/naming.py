"""Users that a row names, by its id or in the row as its source gave it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.ids import ids_named
from recsys.sections.ids import Ids, IdType
from recsys.sections.sources import Sources


@dataclass(frozen=True)
class Naming:
    """Names of users in rows, under a configuration."""

    id_type: IdType
    fields: frozenset[str]
    """Names under which rows as read may hold a user's id: the sources' and the lake's own."""

    @classmethod
    def of(cls, ids: Ids, sources: Sources) -> Self:
        mapped = sources.configured().values()
        fields = (source.fields().get(c.USER_ID, ()) for source in mapped)
        return cls(ids.user, frozenset({c.USER_ID, *(name for names in fields for name in names)}))

    def users(self, source_row: str | None) -> set[Any]:
        """The users that a row as read, as JSON, may mean, however it writes their ids."""
        row: Any = {}
        if source_row:
            with suppress(ValueError, RecursionError):
                row = json.loads(source_row)
        values = (_at(row, field) for field in self.fields)
        return {user for value in values for user in ids_named(value, self.id_type)}

    def rows_of(self, table: pa.Table, user: int | str) -> pa.ChunkedArray:
        """(rows,) bool, whether a row names a user."""
        found = pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
        if c.USER_ID in table.column_names:
            found = pc.fill_null(pc.equal(table[c.USER_ID], user), False)
        quoted = [user in users for users in self._quoted(table)]
        return pc.or_(found, pa.chunked_array([pa.array(quoted, pa.bool_())]))

    def without(self, table: pa.Table, users: frozenset[int | str]) -> pa.Table:
        """The rows that name none of some users."""
        if not users:
            return table
        known = table[c.USER_ID].to_pylist()
        named = zip(known, self._quoted(table), strict=True)
        kept = [user not in users and not quoted & users for user, quoted in named]
        return table.filter(pa.array(kept, pa.bool_()))

    def _quoted(self, table: pa.Table) -> Iterator[set[Any]]:
        if c.SOURCE_ROW not in table.column_names:
            return iter([set()] * table.num_rows)
        return map(self.users, table[c.SOURCE_ROW].to_pylist())


def _at(row: Any, path: str) -> Any:
    for step in path.split("."):
        row = row.get(step) if isinstance(row, Mapping) else None
    return row
