"""Lists into Postgres: staged beside the published ones, then live in one transaction."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.arrow import arrow_session
from jobs.db.liveness import streamed
from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.sinks.base import RunRecord, RunTables, Staged
from jobs.sinks.postgres import clearing
from jobs.sinks.postgres.analysis import RunAnalysis, add_analysis
from recsys.errors import IncompleteReadError
from recsys.sections.ids import Ids, IdType

_ROWS_PER_BATCH: Final = 8_192
_MOST_LOADERS: Final = 8
"""Connections that load at once, on a machine of many cores: the server has apps to answer too."""


class PostgresPublication:
    """A publication in progress, with the writer's rights.

    Until `complete` commits nothing of its run can be seen, and no reader is waited for.
    """

    def __init__(
        self, uri: SecretStr, ids: Ids, connection: Connection, still_alone: Callable[[], None]
    ) -> None:
        """still_alone: raises where the lock that lets only one publication run was lost."""
        self._uri, self._ids = uri, ids
        self._connection, self._still_alone = connection, still_alone

    def live(self) -> int | None:
        """The live run, which no other publication can change meanwhile."""
        return live_run(self._connection)

    def allocate(self, run: RunRecord) -> int:
        """Gives a run its number."""
        with self._connection:
            return _open_run(self._connection, run)

    def stage(self, run_id: int, run: RunRecord, tables: RunTables) -> Staged:
        """Loads lists into a table that nobody sees, and counts them.

        Raises IncompleteReadError where not all arrived.
        """
        del run  # noted by `allocate`
        _load(self._uri, self._connection, run_id, self._ids, tables.lists)
        if tables.quarantine is not None:
            _ingest(self._uri, "quarantined_row", run_id, _quarantined(tables.quarantine, run_id))
        expected = tables.lists.count_rows()
        with self._connection:
            loaded = _checked(self._connection, run_id, expected)
            _add_fallback(self._connection, run_id, self._ids, tables.fallback)
        return loaded

    def complete(
        self,
        staged: Staged,
        *,
        live: bool,
        held: bool = False,
        verdict: Mapping[str, Any] | None = None,
        analysis: RunAnalysis | None = None,
    ) -> None:
        """Attaches a run's lists and, with `live`, points lookups at them, in one transaction.

        held: whether the audit keeps the run from going live. verdict: what is kept of the audit.
        analysis: what analysts read beside the lists.
        """
        marks = {
            "run_id": staged.run_id,
            "users": staged.users,
            "list_hash": staged.list_hash,
            "status": "held" if held else "published",
            "audit": None if verdict is None else json.dumps(verdict),
        }
        parts = {"partition": _table(staged.run_id), "run_id": sql.Literal(staged.run_id)}
        self._still_alone()
        with self._connection, self._connection.cursor() as cursor:
            if analysis is not None:
                # It takes longest, so before anybody is kept waiting by the lock.
                add_analysis(self._connection, staged.run_id, analysis)
            cursor.execute(statement("publish/switch_lock"))
            _run(self._connection, "publish/attach", **parts)
            cursor.execute(statement("publish/complete"), marks)
            _run(self._connection, "publish/forget_listed", **parts)
            if live:
                switch(self._connection, staged.run_id, "published")

    def retire(self, keep: int) -> None:
        """Marks old runs as retired and removes what nobody uses of them."""
        clearing.retire(self._connection, keep)


@contextmanager
def publication(uri: SecretStr, ids: Ids) -> Iterator[PostgresPublication]:
    """A publication, while no other one and no migration runs.

    Another connection holds the lock, in a transaction of its own.
    """
    with connect(uri) as alone, connect(uri) as connection:
        for each in (alone, connection):
            _run(each, "publish/become_writer")
        connection.commit()
        _run(alone, "publish/lock")
        clearing.drop_loose(connection)
        yield PostgresPublication(uri, ids, connection, lambda: _run(alone, "publish/locked"))


def live_run(connection: Connection) -> int | None:
    """The run that lookups answer from; None before the first publication."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/live_run"))
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _open_run(connection: Connection, record: RunRecord) -> int:
    values = {
        **record.__dict__,
        "as_of": record.as_of.instant,
        "models": list(record.models),
        "stats": json.dumps(record.stats),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/new_run"), values)
        (run_id,) = cursor.fetchone() or (0,)
    return int(run_id)


def _table(run_id: int) -> sql.Identifier:
    return sql.Identifier(f"user_list_run_{run_id}")


def _load(uri: SecretStr, connection: Connection, run_id: int, ids: Ids, lists: ds.Dataset) -> None:
    partition, number = _table(run_id), sql.Literal(run_id)
    with connection:
        _run(connection, "publish/create_partition", partition=partition, run_id=number)
        _retype(connection, partition, _loadable(ids.user), _loadable(ids.item), ids)
    # What one of the files leaves behind where another fails is in no partition that anybody sees.
    with ThreadPoolExecutor(min(pa.cpu_count(), _MOST_LOADERS)) as loaders:
        files = lists.get_fragments()
        readers = (file.scanner(batch_size=_ROWS_PER_BATCH).to_reader() for file in files)
        list(loaders.map(partial(_ingest, uri, partition.strings[0], run_id), readers))
    with connection:
        _retype(connection, partition, ids.user, ids.item, ids)
        _run(connection, "publish/add_key", partition=partition)


def _ingest(uri: SecretStr, table: str, run_id: int, rows: pa.RecordBatchReader) -> None:
    """Adds rows to a table of the published side; all of them or none."""
    next(streamed(uri, _ingested(uri, table, run_id, rows)))


def _ingested(uri: SecretStr, table: str, run_id: int, rows: pa.RecordBatchReader) -> Iterator[int]:
    with arrow_session(uri, f"loading run {run_id}") as loader, loader.cursor() as cursor:
        cursor.execute(statement("publish/become_writer"))
        added = cursor.adbc_ingest(table, rows, mode="append", db_schema_name="recs")
        loader.commit()
        yield added


def _quarantined(rows: ds.Dataset, run_id: int) -> pa.RecordBatchReader:
    """The rows of a run as `recs.quarantined_row` has them: ids as text."""
    columns = {name: ds.field(name).cast(pa.string()) for name in rows.schema.names}
    columns["run_id"] = ds.scalar(run_id)
    return rows.scanner(columns, batch_size=_ROWS_PER_BATCH).to_reader()


def _loadable(id_type: IdType) -> IdType:
    return "text" if id_type == "uuid" else id_type


def _retype(
    connection: Connection, partition: sql.Identifier, user: IdType, item: IdType, ids: Ids
) -> None:
    """Only uuids need it: Arrow carries them as text."""
    if "uuid" in (ids.user, ids.item):
        types = {"user_id": sql.SQL(user), "item_id": sql.SQL(item)}
        _run(connection, "publish/load_ids_as_text", partition=partition, **types)


def _checked(connection: Connection, run_id: int, expected: int) -> Staged:
    with connection.cursor() as cursor:
        checksum = sql.SQL(statement("publish/checksum")).format(partition=_table(run_id))
        cursor.execute(checksum)
        users, list_hash = cursor.fetchone() or (0, "")
    if users != expected:
        raise IncompleteReadError(
            f"run {run_id}: Postgres holds {users} lists of {expected}; nothing was published, "
            "run the step again"
        )
    return Staged(run_id, int(users), str(list_hash))


def _add_fallback(connection: Connection, run_id: int, ids: Ids, fallback: pa.Table) -> None:
    insert = sql.SQL(statement("publish/add_fallback")).format(item_id=sql.SQL(ids.item))
    with connection.cursor() as cursor:
        for row in fallback.to_pylist():
            item_ids = [str(item) for item in row["item_ids"]]
            values = {"run_id": run_id, "segment": row["segment"]}
            cursor.execute(insert, values | {"item_ids": item_ids, "scores": row["scores"]})


def switch(connection: Connection, run_id: int, reason: str) -> None:
    """Points lookups at a run and records why."""
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/switch"), {"run_id": run_id, "reason": reason})


def _run(connection: Connection, name: str, **parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement(name)).format(**parts))
