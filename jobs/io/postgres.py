"""Postgres: connections, statements from files, and reads of whole sources as Arrow batches."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg2
import pyarrow as pa
import pyarrow.compute as pc
from psycopg2 import sql
from psycopg2.extensions import connection
from pydantic import SecretStr
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from jobs.io.arrow import arrow_session
from jobs.io.liveness import Watch, frozen, streamed, watched
from jobs.io.postgres_errors import postgres_error
from jobs.io.postgres_uri import address
from jobs.io.statements import statement
from recsys import columns as c
from recsys.config import Ids, Source
from recsys.errors import MappingError
from recsys.raw_rows import AsRead, flatten, raw_batch
from recsys.schemas import TIMESTAMP, Table
from recsys.window import Window

PAGES_PER_READ: Final = 4_096
"""32 MB: large enough to amortise a connection, small enough to spread over executors."""

ATTEMPTS: Final = 4
CONNECT_SECONDS: Final = 10

Connection = connection


@contextmanager
def connect(uri: SecretStr) -> Iterator[Connection]:
    """A connection that commits on a clean exit, rolls back on an error, and closes.

    Connecting is tried again a few times. Raises PostgresUnavailableError where the server cannot
    be reached, goes away or stops answering, PostgresLockedError where another session is in the
    way for too long, PublishedSideError where a right or the schema is missing, DataError for
    values that Postgres does not take.
    """
    watch = Watch()
    try:
        with closing(_connected(uri)) as connected, watched(uri, connected, watch):
            yield connected
            connected.commit()
    except psycopg2.Error as error:
        known = frozen() if watch.frozen else postgres_error(error, waited_for=watch.blockers)
        if known is None:
            raise
        raise known from error


@retry(
    retry=retry_if_exception_type(psycopg2.OperationalError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_exponential(multiplier=0.25, max=5),
    reraise=True,
)
def _connected(uri: SecretStr) -> Connection:
    connected = psycopg2.connect(address(uri, CONNECT_SECONDS))
    connected.set_client_encoding("UTF8")
    with connected.cursor() as cursor:
        cursor.execute(statement("session/start"))
    connected.commit()
    return connected


@dataclass(frozen=True)
class PostgresRead:
    """A consistent read of one source, cut into queries that together return every row once."""

    queries: tuple[str, ...]
    prologue: tuple[str, ...]
    """What each connection says first, to read the state that the rows were counted in."""
    count: str
    """The query that counts the rows."""


@contextmanager
def snapshot(uri: SecretStr) -> Iterator["Snapshot"]:
    """One state of the database, kept for this and other connections until the context ends."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("extract/repeatable_read"))
        cursor.execute(statement("extract/export_snapshot"))
        (name,) = cursor.fetchone() or ("",)
        share = sql.SQL(statement("extract/use_snapshot")).format(snapshot=sql.Literal(name))
        prologue = (statement("extract/repeatable_read"), share.as_string(connection))
        yield Snapshot(connection, prologue)


@dataclass(frozen=True)
class Snapshot:
    """Plans reads of sources that all see the same state."""

    connection: Connection
    prologue: tuple[str, ...]

    def plan(
        self, source: Source, time: str | None, window: Window | None, *, outside: bool
    ) -> PostgresRead:
        """Plans the read of a table.

        window: only rows whose `time` column lies inside, or with `outside` only the others.
        Raises MappingError for a table or column that does not exist.
        """
        relation = _relation(self.connection, source)
        names = _check_columns(self.connection, relation, source, time)
        parts: dict[str, sql.Composable] = {
            "relation": relation,
            "columns": sql.SQL(", ").join(sql.Identifier(name) for name in names),
        }
        if time is not None and window is not None:
            parts |= {"time": sql.Identifier(time)}
            parts |= {"start": sql.Literal(window.start), "end": sql.Literal(window.end)}
        whole, paged = _templates(window, outside=outside)
        query = sql.SQL(statement(whole)).format(**parts)
        pages = self._pages(relation) if paged else 0
        queries = [query] if pages <= PAGES_PER_READ else _by_pages(paged or whole, parts, pages)
        count = sql.SQL(statement("extract/count")).format(rows=query)
        texts = tuple(q.as_string(self.connection) for q in queries)
        return PostgresRead(texts, self.prologue, count.as_string(self.connection))

    def rows(self, read: PostgresRead) -> int:
        """How many rows the server counts in the snapshot."""
        with self.connection.cursor() as cursor:
            cursor.execute(read.count)
            (count,) = cursor.fetchone() or (0,)
        return int(count)

    def _pages(self, relation: sql.Identifier) -> int:
        with self.connection.cursor() as cursor:
            quoted = relation.as_string(self.connection)
            cursor.execute(statement("extract/pages"), {"relation": quoted})
            (pages,) = cursor.fetchone() or (0,)
        return int(pages)


def _templates(window: Window | None, *, outside: bool) -> tuple[str, str | None]:
    """The statement for one read and, where reading by pages pays, the one for a page range."""
    if window is None:
        return "extract/all_rows", "extract/page_rows"
    if outside:
        return "extract/other_rows", "extract/other_page_rows" if window.endless else None
    return "extract/window_rows", "extract/window_page_rows" if window.unbounded else None


def _by_pages(name: str, parts: Mapping[str, sql.Composable], pages: int) -> list[sql.Composed]:
    """Queries over ranges of pages. The last range is open: the snapshot hides newer pages."""
    starts = range(0, pages, PAGES_PER_READ)
    ends = [f"({start},0)" for start in starts[1:]] + [f"({2**32 - 1},0)"]
    return [
        sql.SQL(statement(name)).format(
            **parts, first=sql.Literal(f"({start},0)"), last=sql.Literal(end)
        )
        for start, end in zip(starts, ends, strict=True)
    ]


def _relation(connection: Connection, source: Source) -> sql.Identifier:
    """A source's table with its schema, wherever the login finds it."""
    schema, _, name = source.place.rpartition(".")
    with connection.cursor() as cursor:
        cursor.execute(statement("extract/relation"), {"schema": schema or None, "name": name})
        row = cursor.fetchone()
    if row is None:
        raise MappingError(f"table {source.place} does not exist; correct it under [sources]")
    return sql.Identifier(*row)


def _check_columns(
    connection: Connection, relation: sql.Identifier, source: Source, time: str | None
) -> list[str]:
    """The distinct mapped columns, in order, after comparing them with the relation's own."""
    with connection.cursor() as cursor:
        quoted = relation.as_string(connection)
        cursor.execute(statement("extract/columns"), {"relation": quoted})
        found = dict(cursor.fetchall())
    mapped = list(dict.fromkeys(name for group in source.fields().values() for name in group))
    for name in (*mapped, *([time] if time is not None else [])):
        if name not in found:
            known = ", ".join(found)
            raise MappingError(
                f"table {source.place} has no column {name!r}; it has {known}; "
                "correct the mapping under [sources]"
            )
    if time is not None and not found[time].startswith("timestamp"):
        raise MappingError(
            f"column {source.place}.{time} is {found[time]}; map a timestamp column instead"
        )
    return mapped


def read_rows(
    uri: SecretStr, plan: PostgresRead, part: int, source: Source, table: Table, ids: Ids
) -> Iterator[pa.RecordBatch]:
    """The raw batches of one query of a plan; runs on executors."""
    for batch in streamed(uri, _batches(uri, plan, part)):
        yield _to_raw(batch, source, table, ids)


def _batches(uri: SecretStr, plan: PostgresRead, part: int) -> Iterator[pa.RecordBatch]:
    with arrow_session(uri) as session, session.cursor() as cursor:
        for sentence in (*plan.prologue, plan.queries[part]):
            cursor.execute(sentence)
        yield from cursor.fetch_record_batch()


def _to_raw(batch: pa.RecordBatch, source: Source, table: Table, ids: Ids) -> pa.RecordBatch:
    read = {
        column: _CONVERT.get(column, _first_native)([_plain(batch[name]) for name in names])
        for column, names in source.fields().items()
    }
    return raw_batch(table, ids, read, lambda i: batch.slice(i, 1).to_pylist()[0], batch.num_rows)


def _plain(values: pa.Array) -> pa.Array:
    """A column without the extension type of a database type that Arrow does not have."""
    if isinstance(values.type, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in values.to_pylist()], pa.string())
    return values.storage if isinstance(values.type, pa.BaseExtensionType) else values


def _first_native(arrays: list[pa.Array]) -> AsRead:
    (values,) = arrays
    if pa.types.is_timestamp(values.type) and values.type.tz is None:
        values = values.cast(pa.timestamp("us")).cast(TIMESTAMP)
    return AsRead.native(values)


def _joined_text(arrays: list[pa.Array]) -> AsRead:
    texts = [pc.fill_null(a.cast(pa.string()), "") for a in arrays]
    return AsRead.native(pc.binary_join_element_wise(*texts, "\n"))


def _joined_tags(arrays: list[pa.Array]) -> AsRead:
    rows = zip(*(a.to_pylist() for a in arrays), strict=True)
    tags = [[str(t) for v in row for t in _as_list(v) if t is not None] for row in rows]
    return AsRead.native(pa.array(tags, pa.list_(pa.string())))


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _joined_attributes(arrays: list[pa.Array]) -> AsRead:
    rows = zip(*(a.to_pylist() for a in arrays), strict=True)
    leaves = [[leaf for v in row if v for leaf in flatten(json.loads(v))] for row in rows]
    return AsRead.native(pa.array(leaves, pa.list_(pa.string())))


_CONVERT: Final[Mapping[str, Callable[[list[pa.Array]], AsRead]]] = {
    c.TEXT: _joined_text,
    c.TAGS: _joined_tags,
    c.ATTRIBUTES: _joined_attributes,
}
