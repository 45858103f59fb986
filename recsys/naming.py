"""Users that a row names, by its id or in the row as its source gave it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.ids import ids_named
from recsys.sections.ids import Ids, IdType
from recsys.sections.sources import Sources

_LISTS_OF_ITEMS: Final = (c.ITEM_IDS, c.BECAUSE_IDS)


@dataclass(frozen=True)
class Naming:
    """Names of users in rows, under a configuration."""

    id_type: IdType
    fields: frozenset[str]
    """Names under which rows as read may hold a user's id: the sources' and the lake's own."""
    of_people: bool = False
    """Whether items are users too."""

    @classmethod
    def of(cls, ids: Ids, sources: Sources) -> Self:
        roles = [c.USER_ID] if sources.people is None else [c.USER_ID, c.ITEM_ID]
        mapped = [source.fields() for source in sources.configured().values()]
        fields = (fields.get(role, ()) for fields in mapped for role in roles)
        names = frozenset({*roles, *(name for names in fields for name in names)})
        return cls(ids.user, names, len(roles) > 1)

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
        roles = [c.USER_ID, c.ITEM_ID] if self.of_people else [c.USER_ID]
        for role in (role for role in roles if role in table.column_names):
            found = pc.or_(found, pc.fill_null(pc.equal(table[role], user), False))
        if self.of_people:
            for name in (name for name in _LISTS_OF_ITEMS if name in table.column_names):
                found = pc.or_(found, _holding(table[name], user))
        quoted = [user in users for users in self._quoted(table)]
        return pc.or_(found, pa.chunked_array([pa.array(quoted, pa.bool_())]))

    def without(self, table: pa.Table, users: frozenset[int | str]) -> pa.Table:
        """The rows that name none of some users."""
        if not users:
            return table
        known = [set[Any]((user,)) for user in table[c.USER_ID].to_pylist()]
        if self.of_people:
            others = table[c.ITEM_ID].to_pylist()
            known = [one | {other} for one, other in zip(known, others, strict=True)]
        named = zip(known, self._quoted(table), strict=True)
        kept = [not (ids | quoted) & users for ids, quoted in named]
        return table.filter(pa.array(kept, pa.bool_()))

    def _quoted(self, table: pa.Table) -> Iterator[set[Any]]:
        if c.SOURCE_ROW not in table.column_names:
            return iter([set()] * table.num_rows)
        return map(self.users, table[c.SOURCE_ROW].to_pylist())


def _holding(lists: pa.ChunkedArray, user: int | str) -> pa.ChunkedArray:
    """(rows,) bool, whether a list holds a user."""
    held = np.zeros(len(lists), np.bool_)
    entries = pc.fill_null(pc.equal(pc.list_flatten(lists), user), False)
    held[pc.list_parent_indices(lists).filter(entries).to_numpy()] = True
    return pa.chunked_array([pa.array(held)])


def _at(row: Any, path: str) -> Any:
    for step in path.split("."):
        row = row.get(step) if isinstance(row, Mapping) else None
    return row
