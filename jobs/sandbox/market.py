"""The demo marketplace: its form in memory, and the loader that puts it into the source databases.

The tables are those of `sql/market.sql`, the collections those that `recsys.toml` names.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.csv
from bson import Int64
from pymongo.collection import Collection
from pymongo.database import Database

from jobs.db.postgres import Connection
from jobs.db.statements import statement
from jobs.sinks.postgres.migrations import with_id_types
from jobs.sources.documents import Document
from recsys.as_of import AsOf
from recsys.errors import ConfigError, SettingsError
from recsys.sections.ids import Ids, IdType

USERS: Final = ("user_id", "name", "active", "created_at")
ITEMS: Final = ("item_id", "title", "available", "created_at")
INTERACTIONS: Final = ("user_id", "item_id", "kind", "value", "created_at", "received_at")
BLOCKS: Final = ("user_id", "item_id", "created_at")
EVENTS: Final = ("user_id", "item_id", "type", "value", "ts", "received_at")

ROWS_PER_COPY: Final = 100_000
DOCUMENTS_PER_INSERT: Final = 5_000
_COPY: Final = {
    "users": ("market/copy_users", USERS),
    "items": ("market/copy_items", ITEMS),
    "interactions": ("market/copy_interactions", INTERACTIONS),
    "blocks": ("market/copy_blocks", BLOCKS),
}
COLLECTIONS: Final = ("events", "item_profiles", "user_profiles")
SCHEMA: Final = "market"
_MARKER: Final = "recsys_demo"


class Progress(Protocol):
    """Told how far the loading of one table or collection is."""

    def __call__(self, what: str, done: int, total: int) -> None: ...


@dataclass(frozen=True)
class Market:
    """Everything the source databases hold. Ids are int64, or strings for uuid and text ids."""

    users: pa.Table
    """One member: columns USERS."""
    items: pa.Table
    """One item of the catalogue: columns ITEMS."""
    interactions: pa.Table
    """One explicit interaction, for Postgres: columns INTERACTIONS."""
    blocks: pa.Table
    """One user's wish never to see one item: columns BLOCKS."""
    events: pa.Table
    """One behavioural event, for MongoDB: columns EVENTS; a null `value` is left out."""
    item_profiles: Sequence[Document]
    user_profiles: Sequence[Document]
    as_of: AsOf
    """The first midnight after every usable event."""
    stray_events: Sequence[Document] = ()
    """Event documents that do not fit the columns, stored as they are."""

    def sizes(self) -> Mapping[str, int]:
        """Rows by table and documents by collection, in the order they are loaded."""
        tables = {name: getattr(self, name).num_rows for name in _COPY}
        events = self.events.num_rows + len(self.stray_events)
        profiles = {name: len(getattr(self, name)) for name in COLLECTIONS[1:]}
        return tables | {"events": events} | profiles


def load(
    market: Market,
    ids: Ids,
    connection: Connection,
    database: Database[Document],
    progress: Progress,
) -> None:
    """Replaces the demo data of both databases; Postgres changes when the caller commits.

    Raises ConfigError where the data's ids are not of the configured types, SettingsError where
    a database already holds tables or collections of these names that are not demo data.
    """
    _check_ids(market, ids)
    _refuse_foreign(connection, database)
    _load_postgres(market, ids, connection, progress)
    _load_mongo(market, ids, database, progress)


def _check_ids(market: Market, ids: Ids) -> None:
    pairs = (
        ("user", market.users["user_id"], ids.user),
        ("item", market.items["item_id"], ids.item),
    )
    for role, column, kind in pairs:
        integers = pa.types.is_integer(column.type)
        if integers != (kind == "bigint") and kind != "text":
            found = "integers" if integers else "no integers"
            fitting = '"bigint"' if integers else '"text" or "uuid"'
            raise ConfigError(
                f'field ids.{role}: the {role} ids of this data are {found}, got "{kind}"; '
                f"set {role} = {fitting} under [ids] in recsys.toml"
            )


def _refuse_foreign(connection: Connection, database: Database[Document]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement("market/foreign_tables"))
        (tables,) = cursor.fetchone() or (0,)
    if tables:
        raise SettingsError(
            "RECSYS_POSTGRES_URI: the database has a schema market that is not demo data and "
            "would be dropped; point it at another database"
        )
    if database[_MARKER].find_one() is not None:
        return
    for name in COLLECTIONS:
        if database[name].find_one() is not None:
            raise SettingsError(
                f"RECSYS_MONGO_URI: database {database.name} has a collection {name} that is not "
                "demo data and would be dropped; name another database in the URI"
            )


def _load_postgres(market: Market, ids: Ids, connection: Connection, progress: Progress) -> None:
    with connection.cursor() as cursor:
        cursor.execute(with_id_types(statement("market/create"), ids))
        for name, (copy, columns) in _COPY.items():
            table = getattr(market, name).select(list(columns))
            progress(name, 0, table.num_rows)
            for start in range(0, table.num_rows, ROWS_PER_COPY):
                part = table.slice(start, ROWS_PER_COPY)
                cursor.copy_expert(statement(copy), _csv(part))
                progress(name, start + part.num_rows, table.num_rows)


def _csv(table: pa.Table) -> io.BytesIO:
    buffer = io.BytesIO()
    options = pyarrow.csv.WriteOptions(include_header=False)
    pyarrow.csv.write_csv(table, buffer, options)
    buffer.seek(0)
    return buffer


def _load_mongo(market: Market, ids: Ids, database: Database[Document], progress: Progress) -> None:
    database[_MARKER].replace_one({"_id": "market"}, {"_id": "market"}, upsert=True)
    for name in COLLECTIONS:
        database.drop_collection(name)
        if name not in database.list_collection_names():
            database.create_collection(name)
    encode = _encoder(ids)
    events = (encode(document) for document in _event_documents(market))
    _insert(database["events"], events, market.sizes()["events"], progress)
    database["events"].create_index("received_at")
    for name in COLLECTIONS[1:]:
        profiles = getattr(market, name)
        _insert(database[name], map(encode, profiles), len(profiles), progress)


def _event_documents(market: Market) -> Iterator[Document]:
    for batch in market.events.to_batches(DOCUMENTS_PER_INSERT):
        for row in batch.to_pylist():
            if row["value"] is None:
                del row["value"]
            yield row
    yield from market.stray_events


def _insert(
    collection: Collection[Document],
    documents: Iterator[Document],
    total: int,
    progress: Progress,
) -> None:
    done = 0
    progress(collection.name, done, total)
    while batch := list(islice(documents, DOCUMENTS_PER_INSERT)):
        collection.insert_many(batch, ordered=False)
        done += len(batch)
        progress(collection.name, done, total)


def _encoder(ids: Ids) -> Callable[[Document], Document]:
    """Gives documents their ids in the types that MongoDB keeps apart."""
    codecs = {"user_id": _BSON[ids.user], "item_id": _BSON[ids.item]}

    def encode(document: Document) -> Document:
        converted = {
            name: codec(value)
            for name, codec in codecs.items()
            if (value := document.get(name)) is not None
        }
        return {**document, **converted}

    return encode


_BSON: Final[Mapping[IdType, Callable[[Any], Any]]] = {
    "bigint": Int64,
    # As text: the embedded server forgets that bytes are a uuid.
    "uuid": str,
    "text": str,
}
