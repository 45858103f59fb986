"""Lists into Postgres: staged beside the published ones, then live in one transaction."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import pyarrow as pa
import pyarrow.dataset as ds
from adbc_driver_manager import Error as AdbcError
from adbc_driver_postgresql import dbapi
from psycopg2 import sql
from pydantic import SecretStr

from jobs.io.postgres import Connection, connect
from jobs.io.statements import statement
from recsys.config import Ids, IdType
from recsys.errors import IncompleteReadError, PostgresUnavailableError

_ROWS_PER_BATCH: Final = 8_192


@dataclass(frozen=True)
class RunRecord:
    """What `recs.run` says of a run."""

    as_of: date
    config_hash: str
    code_version: str
    models: Sequence[str]
    stats: Mapping[str, Any]


@dataclass(frozen=True)
class Published:
    """A run that has gone live."""

    run_id: int
    users: int
    list_hash: str


def publish(
    uri: SecretStr,
    ids: Ids,
    record: RunRecord,
    lists: ds.Dataset,
    fallback: pa.Table,
    keep_runs: int,
) -> Published:
    """Loads a run's lists beside the published ones and points lookups at them.

    lists: the `topn` table. fallback: the `fallback` table.
    Until the last transaction commits nothing of the run can be seen; whatever an earlier
    publication left behind is removed first.
    """
    with _publisher(uri) as connection:
        _remove_abandoned(connection)
        with connection:
            run_id = _open_run(connection, record)
        partition = sql.Identifier(f"user_list_run_{run_id}")
        _load(uri, connection, partition, run_id, ids, lists)
        with connection:
            users, list_hash = _go_live(connection, partition, run_id, ids, fallback)
            if users != (expected := lists.count_rows()):
                raise IncompleteReadError(
                    f"run {run_id}: Postgres holds {users} lists of {expected}; nothing was "
                    "published, run the step again"
                )
        _retire(connection, keep_runs)
    return Published(run_id, users, list_hash)


@contextmanager
def _publisher(uri: SecretStr) -> Iterator[Connection]:
    """A connection with the writer's rights that holds the publication lock."""
    with connect(uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement("publish/become_writer"))
            cursor.execute(statement("publish/lock"))
        connection.commit()
        yield connection


def _remove_abandoned(connection: Connection) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/abandoned"))
        for (name,) in cursor.fetchall():
            _run(connection, "publish/drop_table", partition=sql.Identifier(name))
        cursor.execute(statement("publish/forget_staged"))


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
    reader = lists.scanner(batch_size=_ROWS_PER_BATCH).to_reader()
    try:
        with dbapi.connect(uri.get_secret_value()) as loader, loader.cursor() as cursor:
            cursor.execute(statement("publish/become_writer"))
            name = partition.strings[0]
            cursor.adbc_ingest(name, reader, mode="append", db_schema_name="recs")
            loader.commit()
    except AdbcError as error:
        message = f"loading the lists of run {run_id} broke off ({error}); run the step again"
        raise PostgresUnavailableError(message) from error
    with connection:
        _retype(connection, partition, ids.user, ids.item, ids)
        _run(connection, "publish/add_key", partition=partition)


def _loadable(id_type: IdType) -> IdType:
    return "text" if id_type == "uuid" else id_type


def _retype(
    connection: Connection, partition: sql.Identifier, user: IdType, item: IdType, ids: Ids
) -> None:
    """Only uuids need it: Arrow carries them as text."""
    if "uuid" in (ids.user, ids.item):
        types = {"user_id": sql.SQL(user), "item_id": sql.SQL(item)}
        _run(connection, "publish/load_ids_as_text", partition=partition, **types)


def _go_live(
    connection: Connection, partition: sql.Identifier, run_id: int, ids: Ids, fallback: pa.Table
) -> tuple[int, str]:
    _run(connection, "publish/attach", partition=partition, run_id=sql.Literal(run_id))
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement("publish/checksum")).format(partition=partition))
        users, list_hash = cursor.fetchone() or (0, "")
        for row in fallback.to_pylist():
            item_ids = [str(item) for item in row["item_ids"]]
            values = {"run_id": run_id, "segment": row["segment"]}
            values |= {"item_ids": item_ids, "scores": row["scores"]}
            insert = sql.SQL(statement("publish/add_fallback")).format(item_id=sql.SQL(ids.item))
            cursor.execute(insert, values)
        marks = {"run_id": run_id, "users": users, "list_hash": list_hash}
        cursor.execute(statement("publish/mark_published"), marks)
        cursor.execute(statement("publish/go_live"), marks)
    return int(users), str(list_hash)


def _retire(connection: Connection, keep_runs: int) -> None:
    """Drops the lists of the oldest runs. Readers of the others do not wait for it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement("publish/surplus"), {"keep": keep_runs})
        surplus = [run_id for (run_id,) in cursor.fetchall()]
    for run_id in surplus:
        partition = sql.Identifier(f"user_list_run_{run_id}")
        connection.autocommit = True
        _run(connection, "publish/detach", partition=partition)
        connection.autocommit = False
        with connection, connection.cursor() as cursor:
            _run(connection, "publish/drop_table", partition=partition)
            cursor.execute(statement("publish/mark_retired"), {"run_id": run_id})


def _run(connection: Connection, name: str, **parts: sql.Composable) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement(name)).format(**parts))
