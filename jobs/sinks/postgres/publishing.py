"""Lists into Postgres: staged beside the published ones, audited, then live in one transaction."""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
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
from jobs.sinks.postgres import clearing
from recsys.errors import DataError, HeldError, IncompleteReadError
from recsys.evaluation.audit import AuditVerdict, Outcome
from recsys.sections.ids import Ids, IdType

_MODEL: Final = re.compile("[a-z][a-z0-9_]*")
_ROWS_PER_BATCH: Final = 8_192
_MOST_LOADERS: Final = 8
"""Connections that load at once, on a machine of many cores: the server has apps to answer too."""


@dataclass(frozen=True)
class RunRecord:
    """What `recs.run` says of a run from its start."""

    as_of: date
    config_hash: str
    code_version: str
    models: Sequence[str]
    stats: Mapping[str, Any]

    def __post_init__(self) -> None:
        """Raises DataError for a name that no generator can have: it comes from a file."""
        odd = [name for name in self.models if not _MODEL.fullmatch(name)]
        if odd:
            raise DataError(
                f"the lists of {self.as_of} name a model {odd[0]!r}, which is no identifier; make "
                "them again"
            )


@dataclass(frozen=True)
class RunTables:
    """What of a run goes into Postgres."""

    lists: ds.Dataset
    """The `lists` table."""
    fallback: pa.Table
    """The `fallback` table."""
    quarantine: ds.Dataset
    """The `quarantine` table."""


@dataclass(frozen=True)
class Published:
    """A run whose lists are complete in Postgres."""

    run_id: int
    users: int
    list_hash: str
    verdict: AuditVerdict

    @property
    def live(self) -> bool:
        return self.verdict.outcome is Outcome.LIVE


#: Judges the run whose lists are being loaded; it gets the id of the live run, None where none is.
Auditor = Callable[[int | None], AuditVerdict]


def publish(
    uri: SecretStr,
    ids: Ids,
    record: RunRecord,
    tables: RunTables,
    audit: Auditor,
    keep_runs: int,
) -> Published:
    """Loads a run's lists beside the published ones, audits them, and points lookups at them.

    audit: called in another thread while the lists are loaded.
    Until the last transaction commits nothing of the run can be seen, and no reader is waited for.
    Raises HeldError where the audit says so: the run is kept with its figures, and what was live
    stays live.
    """
    with _publisher(uri) as (connection, still_alone):
        clearing.drop_loose(connection)
        live = _live_run(connection)
        with connection:
            run_id = _open_run(connection, record)
        partition = sql.Identifier(f"user_list_run_{run_id}")
        # The audit reads the lake and the live lists, and the load waits for Postgres.
        with ThreadPoolExecutor(1) as auditor:
            audited = auditor.submit(audit, live)
            _load(uri, connection, partition, run_id, ids, tables.lists)
            _ingest(uri, "quarantined_row", run_id, _quarantined(tables.quarantine, run_id))
            verdict = audited.result()
        with connection:
            users, list_hash = _checked(connection, partition, run_id, tables.lists.count_rows())
        published = Published(run_id, users, list_hash, verdict)
        still_alone()
        with connection:
            _run(connection, "publish/switch_lock")
            _complete(connection, partition, published)
            _add_fallback(connection, run_id, ids, tables.fallback)
            gone = {"partition": partition, "run_id": sql.Literal(run_id)}
            _run(connection, "publish/forget_listed", **gone)
            if published.live:
                switch(connection, run_id, "published")
        clearing.retire(connection, keep_runs)
    if verdict.outcome is Outcome.HELD:
        raise HeldError(
            f"run {run_id} is held back, the live run stays: "
            f"{'; '.join(map(str, verdict.violations))}; look at `recsys diff`, then fix the cause "
            f'or `recsys publish {run_id} --force "reason"`'
        )
    return published


@contextmanager
def _publisher(uri: SecretStr) -> Iterator[tuple[Connection, Callable[[], None]]]:
    """A connection with the writer's rights, while no other publication or migration runs.

    Another connection holds the lock, in a transaction of its own; the function raises where that
    one was lost.
    """
    with connect(uri) as alone, connect(uri) as connection:
        for each in (alone, connection):
            _run(each, "publish/become_writer")
        connection.commit()
        _run(alone, "publish/lock")
        yield connection, lambda: _run(alone, "publish/locked")


def _open_run(connection: Connection, record: RunRecord) -> int:
    values = {**record.__dict__, "models": list(record.models), "stats": json.dumps(record.stats)}
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/new_run"), values)
        (run_id,) = cursor.fetchone() or (0,)
    return int(run_id)


def _load(
    uri: SecretStr,
    connection: Connection,
    partition: sql.Identifier,
    run_id: int,
    ids: Ids,
    lists: ds.Dataset,
) -> None:
    number = sql.Literal(run_id)
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


def _live_run(connection: Connection) -> int | None:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/live_run"))
        row = cursor.fetchone()
    return int(row[0]) if row else None


def _checked(
    connection: Connection, partition: sql.Identifier, run_id: int, expected: int
) -> tuple[int, str]:
    """Counts and sums up what was loaded; raises IncompleteReadError where that is not all."""
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement("publish/checksum")).format(partition=partition))
        users, list_hash = cursor.fetchone() or (0, "")
    if users != expected:
        raise IncompleteReadError(
            f"run {run_id}: Postgres holds {users} lists of {expected}; nothing was published, "
            "run the step again"
        )
    return int(users), str(list_hash)


def _complete(connection: Connection, partition: sql.Identifier, published: Published) -> None:
    """Attaches a run's lists: they are history from here on, live or not."""
    run_id = sql.Literal(published.run_id)
    _run(connection, "publish/attach", partition=partition, run_id=run_id)
    held = published.verdict.outcome is Outcome.HELD
    marks = {
        "run_id": published.run_id,
        "users": published.users,
        "list_hash": published.list_hash,
        "status": "held" if held else "published",
        "audit": json.dumps(published.verdict.as_dict()),
    }
    with connection.cursor() as cursor:
        cursor.execute(statement("publish/complete"), marks)


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
