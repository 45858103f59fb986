"""Reads of whole sources in Postgres, as Arrow batches."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Final

import psycopg2
import pyarrow as pa
from psycopg2 import sql
from psycopg2.extensions import cursor
from pydantic import SecretStr

from jobs.db.arrow import arrow_session
from jobs.db.liveness import streamed
from jobs.db.postgres import Connection, connect
from jobs.db.postgres_errors import first_line
from jobs.db.statements import statement
from jobs.sources.postgres_rows import Layout, SourceColumn
from jobs.sources.source_types import POSTGRES, form_of, kind_of
from recsys import columns as c
from recsys.errors import (
    DataError,
    IncompleteReadError,
    MappingError,
    PostgresUnavailableError,
    RecsysError,
    SourceEncodingError,
    SourceRightsError,
)
from recsys.schemas import Table
from recsys.sections.ids import Ids
from recsys.sections.sources import Source
from recsys.window import Window

PAGES_PER_READ: Final = 4_096
"""32 MB: large enough to amortise a connection, small enough to spread over executors."""
NO_ENCODING: Final = "SQL_ASCII"
_ENDED: Final = ("canceling statement", "terminating connection", "conflict with recovery")
"""What the server says where it breaks off a read that was right."""


@dataclass(frozen=True)
class PostgresRead:
    """A consistent read of one source, cut into queries that together return every row once."""

    source: Source
    queries: tuple[str, ...]
    prologue: tuple[str, ...]
    """What each connection says first, to read the state that the rows were counted in."""
    count: str
    """The query that counts the rows."""
    layout: Layout


@contextmanager
def snapshot(uri: SecretStr, sources: Sequence[Source]) -> Iterator["Snapshot"]:
    """One state of some sources, kept for this and other connections until the context ends.

    Raises MappingError, SourceRightsError and SourceEncodingError.
    """
    files, before = _files(uri), _storage(uri, sources)
    with connect(uri) as asking, connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("extract/repeatable_read"))
        cursor.execute(statement("extract/export_snapshot"))
        (name,) = cursor.fetchone() or ("",)
        share = sql.SQL(statement("extract/use_snapshot")).format(snapshot=sql.Literal(name))
        prologue = (
            statement("extract/repeatable_read"),
            share.as_string(connection),
            statement("extract/settings"),
        )
        yield Snapshot(uri, connection, asking, prologue, before, files)


def _files(uri: SecretStr) -> Mapping[int, int]:
    """The file on disk of every table of the database."""
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement("extract/files"))
        return dict(cursor.fetchall())


Storage = Mapping[Source, tuple[tuple[int, int], ...]]
"""The tables that a source is read from, and the file on disk of each."""


def _storage(uri: SecretStr, sources: Sequence[Source]) -> Storage:
    """Raises SourceRightsError and SourceEncodingError for what cannot be read."""
    found = {}
    with connect(uri) as connection, connection.cursor() as cursor:
        _check_encoding(cursor)
        for source in sources:
            cursor.execute(statement("extract/settings"))
            relation, _ = _relation(connection, source)
            _run(cursor, source, sql.SQL(statement("extract/no_rows")).format(relation=relation))
            cursor.execute(statement("extract/storage"))
            found[source] = tuple(cursor.fetchall())
            connection.rollback()
    return found


def _check_encoding(on: cursor) -> None:
    on.execute(statement("extract/encoding"))
    if on.fetchone() == (NO_ENCODING,):
        raise SourceEncodingError(
            f"the database of RECSYS_POSTGRES_URI is {NO_ENCODING}, so nothing says what the "
            "bytes of its texts mean; copy it into one with an encoding (pg_dump, createdb "
            "--encoding=UTF8, restore)"
        )


def _run(on: cursor, source: Source, query: sql.Composable) -> None:
    """Raises SourceRightsError where the login may not run a query over a source."""
    try:
        on.execute(query)
    except psycopg2.errors.InsufficientPrivilege as error:
        raise rights_error(source, first_line(error)) from error


def rights_error(source: Source, said: str) -> SourceRightsError:
    """The error for a source that the login may not read, or not all rows of."""
    if "row-level security" in said:
        return SourceRightsError(
            f"table {source.place}: a policy of row-level security hides rows from the login "
            f"({said}); give the login BYPASSRLS, or map a view of somebody who has it"
        )
    return SourceRightsError(
        f"table {source.place}: the login may not read it ({said}); grant it SELECT on the mapped "
        "columns, and USAGE on the schema"
    )


@dataclass(frozen=True)
class Snapshot:
    """Plans reads of sources that all see the same state."""

    uri: SecretStr
    connection: Connection
    """Keeps the snapshot. It reads catalogs only: a lock that it kept on a table would hold up
    whoever wants to alter that, and then every read behind him."""
    asking: Connection
    """Reads tables, in transactions of their own."""
    prologue: tuple[str, ...]
    before: Storage
    files: Mapping[int, int]
    """The file of every table, before the snapshot was taken."""
    counted: dict[int, Source] = field(default_factory=dict)
    """The tables that were read to count the rows of a source, in functions of views too."""

    def check_kept(self) -> None:
        """Raises IncompleteReadError where rows of the snapshot may be gone.

        A snapshot does not see through TRUNCATE, nor through what rewrites or replaces a table: it
        finds it empty, and counts no row either. To lock tables against that would stop the reads
        themselves, which would wait behind whoever waits for the lock.
        """
        after, files = _storage(self.uri, list(self.before)), _files(self.uri)
        for source, storage in self.before.items():
            if after[source] != storage:
                raise _replaced(source)
        for table, source in self.counted.items():
            if table not in self.files or files.get(table) != self.files[table]:
                raise _replaced(source)

    def plan(
        self, source: Source, window: Window | None, ids: Ids, *, outside: bool
    ) -> PostgresRead:
        """Plans the read of a table.

        window: only rows whose time lies inside, or with `outside` only the others. Raises
        MappingError for a column that does not exist or has a type that is not taken,
        SourceRightsError for one that may not be read.
        """
        relation, is_view, types = self._columns(source)
        if found := mapping_faults(source, types, ids):
            raise MappingError(found[0])
        layout = _layout(source, types, ids, inside=window is not None and not outside)
        parts: dict[str, sql.Composable] = {"relation": relation, "columns": layout.selected()}
        if source.time is not None and window is not None:
            parts |= {"time": sql.Identifier(source.time)}
            parts |= {"start": sql.Literal(window.start), "end": sql.Literal(window.end)}
        whole, paged = _templates(window, outside=outside)
        query = sql.SQL(statement(whole)).format(**parts)
        pages = self._pages(relation) if paged else 0
        queries = [query] if pages <= PAGES_PER_READ else _by_pages(paged or whole, parts, pages)
        with self._asked(source, _first(query, 0)):
            pass
        counting = statement("extract/count_of_view" if is_view else "extract/count")
        count = sql.SQL(counting).format(rows=query)
        texts = tuple(q.as_string(self.connection) for q in queries)
        return PostgresRead(source, texts, self.prologue, count.as_string(self.connection), layout)

    def sample(self, read: PostgresRead, rows: int) -> PostgresRead:
        """A read of at most so many rows of another one."""
        text = _first(sql.SQL(read.queries[0]), rows).as_string(self.connection)
        return replace(read, queries=(text,))

    def faults(self, source: Source, ids: Ids) -> list[str]:
        """Everything that is wrong with the mapping of a source."""
        *_, types = self._columns(source)
        return mapping_faults(source, types, ids)

    def rows(self, read: PostgresRead) -> int:
        """Number of rows that the server counts in the snapshot."""
        with self._asked(read.source, sql.SQL(read.count)) as cursor:
            (count,) = cursor.fetchone() or (0,)
            cursor.execute(statement("extract/tables_read"))
            self.counted.update((table, read.source) for (table,) in cursor.fetchall())
        return int(count)

    @contextmanager
    def _asked(self, source: Source, query: sql.Composable) -> Iterator[cursor]:
        """Runs a query in the snapshot, in a transaction of its own."""
        with self.asking.cursor() as cursor:
            for sentence in self.prologue:
                cursor.execute(sentence)
            _run(cursor, source, query)
            yield cursor
        self.asking.rollback()

    def _columns(self, source: Source) -> tuple[sql.Identifier, bool, Mapping[str, "ColumnType"]]:
        """Its name, whether it is a view, and the types of its columns."""
        relation, is_view = _relation(self.connection, source)
        with self.connection.cursor() as cursor:
            quoted = relation.as_string(self.connection)
            cursor.execute(statement("extract/columns"), {"relation": quoted})
            types = {name: ColumnType(*rest) for name, *rest in cursor.fetchall()}
        if not types:  # a table that is younger than the snapshot
            raise _replaced(source)
        return relation, is_view, types

    def _pages(self, relation: sql.Identifier) -> int:
        with self.connection.cursor() as cursor:
            quoted = relation.as_string(self.connection)
            cursor.execute(statement("extract/pages"), {"relation": quoted})
            (pages,) = cursor.fetchone() or (0,)
        return int(pages)


def _replaced(source: Source) -> IncompleteReadError:
    return IncompleteReadError(
        f"table {source.place} was emptied, rewritten or replaced while it was read; nothing of "
        "it was kept, run the extraction again when that is done"
    )


@dataclass(frozen=True)
class ColumnType:
    """The type of a column of Postgres."""

    declared: str
    base: str
    """Without domains; `enum` for any enum."""
    by_bytes: bool
    """Whether values that are equal are the same bytes."""


def mapping_faults(source: Source, types: Mapping[str, ColumnType], ids: Ids) -> list[str]:
    """Everything that is wrong with the mapped columns of a table, as messages."""
    faults = []
    for column, name in _mapped(source):
        place = f"{source.place}.{name}"
        kind = kind_of(column, ids)
        if name not in types:
            faults.append(f"table {source.place} has no column {name!r}; it has {', '.join(types)}")
        elif form_of(column, types[name].base, ids) is None:
            taken = ", ".join(POSTGRES[kind])
            declared = types[name].declared
            faults.append(f"column {place} is {declared}, but {column} takes one of {taken}")
        elif column in (c.USER_ID, c.ITEM_ID) and not types[name].by_bytes:
            faults.append(
                f"column {place} has a collation under which different ids are equal, which lists "
                f"do not know; map {column} to a column with another collation"
            )
    return [f"{fault}; correct the mapping under [sources]" for fault in dict.fromkeys(faults)]


def _mapped(source: Source) -> list[tuple[str, str]]:
    """Each column of the lake with each column of the source that it is made of."""
    pairs = [(column, name) for column, names in source.fields().items() for name in names]
    if source.time is None or source.time in (name for _, name in pairs):
        return pairs
    return [*pairs, (c.CREATED_AT, source.time)]


def _layout(source: Source, types: Mapping[str, ColumnType], ids: Ids, *, inside: bool) -> Layout:
    """inside: whether the query keeps to rows whose time lies in a window."""
    columns: dict[SourceColumn, int] = {}
    fields = {}
    for column, names in source.fields().items():
        places = []
        for name in names:
            form = form_of(column, types[name].base, ids) or "plain"
            if form == "instant" and inside and name == source.time:
                form = "within"
            places.append(columns.setdefault(SourceColumn(name, form), len(columns)))
        fields[column] = tuple(places)
    return Layout(tuple(columns), fields)


def _first(query: sql.Composable, rows: int) -> sql.Composed:
    text = sql.SQL(statement("extract/first_rows"))
    return text.format(rows=query, most=sql.Literal(rows))


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


def _relation(connection: Connection, source: Source) -> tuple[sql.Identifier, bool]:
    """A source's table with its schema, wherever the login finds it, and whether it is a view."""
    schema, _, name = source.place.rpartition(".")
    with connection.cursor() as cursor:
        cursor.execute(statement("extract/relation"), {"schema": schema or None, "name": name})
        row = cursor.fetchone()
    if row is None:
        raise MappingError(f"table {source.place} does not exist; correct it under [sources]")
    *path, is_view = row
    return sql.Identifier(*path), is_view


def read_rows(
    uri: SecretStr, plan: PostgresRead, part: int, source: Source, table: Table, ids: Ids
) -> Iterator[pa.RecordBatch]:
    """The raw batches of one query of a plan; runs on executors.

    Raises DataError where the server cannot compute a row, PostgresUnavailableError where it is
    lost.
    """
    for batch in streamed(uri, _batches(uri, plan, part, source)):
        yield plan.layout.raw(batch, table, ids)


def _batches(
    uri: SecretStr, plan: PostgresRead, part: int, source: Source
) -> Iterator[pa.RecordBatch]:
    with arrow_session(uri, f"the read of {source.place}") as session, session.cursor() as cursor:
        for sentence in plan.prologue:
            cursor.execute(sentence)
        try:
            cursor.execute(plan.queries[part])
            yield from cursor.fetch_record_batch()
        except OSError as error:  # once rows stream, the driver has no other
            raise _broken_off(source, str(error)) from error


def _broken_off(source: Source, said: str) -> RecsysError:
    """The error for a read that the server ended, or that ended with it."""
    mark = next((mark for mark in ("FATAL:", "ERROR:") if mark in said), "")
    detail = (said.partition(mark)[2] if mark else said).strip().splitlines()[0]
    if mark != "ERROR:" or any(text in detail for text in _ENDED):
        return PostgresUnavailableError(
            f"the read of {source.place} broke off ({detail}); run again"
        )
    if "permission denied" in detail or "row-level security" in detail:
        return rights_error(source, detail)
    return DataError(
        f"{source.place}: Postgres stopped the read at a row ({detail}); correct the row, or the "
        "view that computes it"
    )
