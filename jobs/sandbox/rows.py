"""Rows of a made-up market: what was drawn, under external ids, and rows that cannot be used."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import NAMESPACE_OID, uuid5

import pyarrow as pa

from jobs.sandbox.planting import Actions, Ints
from jobs.sources.documents import Document
from recsys.schemas import TIMESTAMP, arrow_id_type
from recsys.sections.ids import IdType

Id = int | str
FUTURE: Final = datetime(2999, 1, 1, tzinfo=UTC)


def external_ids(role: str, first: int, count: int, kind: IdType) -> pa.Array:
    """So many ids of one type, of different numbers from `first` on."""
    made: Mapping[IdType, Callable[[int], Id]] = {
        "bigint": int,
        "text": lambda number: f"{role}-{number:06}",
        "uuid": lambda number: str(uuid5(NAMESPACE_OID, f"{role}-{number}")),
    }
    return pa.array(map(made[kind], range(first, first + count)), arrow_id_type(kind))


def action_table(
    users: pa.Array, items: pa.Array, actions: Actions, columns: Sequence[str]
) -> pa.Table:
    """Events as rows. users, items: the ids by number. columns: names of the six columns."""
    arrays = [
        users.take(pa.array(actions.user)),
        items.take(pa.array(actions.item)),
        pa.array(actions.kind, pa.string()),
        pa.array(actions.value, from_pandas=True),
        instants(actions.at),
        instants(actions.received),
    ]
    return pa.table(arrays, names=list(columns))


def instants(milliseconds: Ints) -> pa.Array:
    """(n,) milliseconds since 1970 as instants."""
    return pa.array(milliseconds, pa.timestamp("ms", tz="UTC")).cast(TIMESTAMP)


def with_dirty(table: pa.Table, at: datetime, changes: Sequence[Document]) -> pa.Table:
    """The table, followed by copies of its first row, received at a time, each spoilt."""
    good = table.slice(0, 1).to_pylist()[0] | {"received_at": at}
    spoilt = [good | change for change in changes]
    return pa.concat_tables([table, pa.Table.from_pylist(spoilt, schema=table.schema)])


def stray_event(user: Id, item: Id, at: datetime) -> Document:
    """An event whose time is none."""
    ids = {"user_id": user, "item_id": item}
    return ids | {"type": "view", "ts": "a while ago", "received_at": at}
