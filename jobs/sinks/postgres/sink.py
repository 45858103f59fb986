"""Postgres as the sink of record, which the other sinks follow."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.arrow import arrow_session
from jobs.db.liveness import streamed
from jobs.db.postgres import connect
from jobs.db.statements import statement
from jobs.sinks.base import RunRecord, RunTables
from jobs.sinks.postgres import erasing, switching
from jobs.sinks.postgres.forgotten import forgotten
from jobs.sinks.postgres.published import kept_run, readable
from jobs.sinks.postgres.publishing import PostgresPublication, live_run, publication
from recsys.as_of import AsOf
from recsys.ids import UserId
from recsys.schemas import FALLBACK, LISTS
from recsys.sections.ids import Ids


@dataclass(frozen=True)
class PostgresSink:
    """The published side of a database."""

    uri: SecretStr
    ids: Ids

    def publication(self) -> AbstractContextManager[PostgresPublication]:
        return publication(self.uri, self.ids)

    def live(self) -> int | None:
        with connect(self.uri) as connection:
            return live_run(connection)

    def runs(self) -> Sequence[int]:
        return [int(run_id) for (run_id,) in self._rows("follow/kept", {})]

    def rollback(self, run_id: int | None = None) -> int:
        """Raises HeldError, too, where the audit has kept the run from going live."""
        return switching.rollback(self.uri, run_id)

    def forget(self, users: Collection[UserId]) -> None:
        """Deletes users' lists, and their quarantined rows; later lists of them are not used."""
        for user in users:
            erasing.forget(self.uri, user)

    def mentions(self, user: UserId) -> int:
        """Lists of a user, blocks and quarantined rows."""
        return erasing.mentions(self.uri, user)

    # --- what the other sinks are brought up to date with ---

    def forgotten(self) -> frozenset[UserId]:
        """Users whose lists no sink may have."""
        return forgotten(self.uri, self.ids)

    def record(self, run_id: int) -> RunRecord:
        """Facts of a run; raises RunNotThereError where its lists are not there."""
        with connect(self.uri) as connection:
            kept_run(connection, run_id)
        ((as_of, config_hash, code_version, models, stats),) = self._rows(
            "follow/run", {"run_id": run_id}
        )
        return RunRecord(AsOf(as_of), config_hash, code_version, tuple(models), stats)

    def tables(self, run_id: int) -> RunTables:
        """The lists of a run, as a stream that is read once, and its fallback lists."""
        number = {"run_id": sql.Literal(run_id)}
        user, item = (sql.SQL(readable(each)) for each in (self.ids.user, self.ids.item))
        lists = self._stream("follow/lists", LISTS.arrow(self.ids), user=user, item=item, **number)
        schema = FALLBACK.arrow(self.ids)
        fallback = self._stream("follow/fallback", schema, item=item, **number)
        return RunTables(ds.dataset(lists, schema=lists.schema), fallback.read_all())

    def _stream(
        self, name: str, schema: pa.Schema, **parts: sql.Composable
    ) -> pa.RecordBatchReader:
        with connect(self.uri) as connection:
            text = sql.SQL(statement(name)).format(**parts).as_string(connection)

        def batches() -> Iterator[pa.RecordBatch]:
            with (
                arrow_session(self.uri, "reading published lists") as session,
                session.cursor() as cursor,
            ):
                cursor.execute(text)
                for batch in cursor.fetch_record_batch():
                    yield from pa.Table.from_batches([batch]).cast(schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, streamed(self.uri, batches()))

    def _rows(self, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        with connect(self.uri) as connection, connection.cursor() as cursor:
            cursor.execute(statement(name), values)
            return cursor.fetchall()
