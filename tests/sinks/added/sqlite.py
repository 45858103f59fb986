"""Lists in an SQLite file: a whole sink, as one more file of `jobs.sinks` would be."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from jobs.lake.locks import by_file
from jobs.run.settings import folder_path
from jobs.sinks.base import RunRecord, RunTables, Staged
from recsys.errors import RunNotThereError
from recsys.ids import UserId
from recsys.sections.base import Name, Section

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS run (run_id INTEGER PRIMARY KEY, kept INTEGER DEFAULT 0, been_live INTEGER DEFAULT 0);
CREATE TABLE IF NOT EXISTS list (run_id INTEGER, user_id, items TEXT, PRIMARY KEY (run_id, user_id));
CREATE TABLE IF NOT EXISTS live (one INTEGER PRIMARY KEY, run_id INTEGER);
"""  # noqa: E501
LIVE: Final = "INSERT OR REPLACE INTO live VALUES (1, ?)"
RETIRE: Final = """
DELETE FROM run WHERE kept AND run_id NOT IN (SELECT run_id FROM live) AND run_id NOT IN (
    SELECT run_id FROM (
        SELECT run_id, row_number() OVER (PARTITION BY been_live ORDER BY run_id DESC) AS place
        FROM run WHERE kept
    ) WHERE place <= ?
)
"""


class Config(Section):
    """Where the file is."""

    path: Name


def open_sink(config: Config, record: SecretStr) -> "SqliteSink":
    del record
    return SqliteSink(Path(folder_path(config.path, "sinks.sqlite.path").path))


@dataclass(frozen=True)
class SqliteSink:
    folder: Path

    @contextmanager
    def connected(self) -> Iterator[sqlite3.Connection]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.folder / "lists.db", timeout=60)) as connection:
            connection.executescript(SCHEMA)
            with connection:
                yield connection

    @contextmanager
    def publication(self) -> Iterator["SqliteSink"]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with by_file(folder_path(str(self.folder), "folder")):
            with self.connected() as connection:
                connection.execute("DELETE FROM run WHERE NOT kept")
                connection.execute("DELETE FROM list WHERE run_id NOT IN (SELECT run_id FROM run)")
            yield self

    def stage(self, run_id: int, run: RunRecord, tables: RunTables) -> Staged:
        del run
        rows = tables.lists.to_table().to_pylist()
        with self.connected() as connection:
            connection.execute("INSERT INTO run (run_id) VALUES (?)", (run_id,))
            connection.executemany(
                "INSERT INTO list VALUES (?, ?, ?)",
                [(run_id, row["user_id"], json.dumps(row["item_ids"])) for row in rows],
            )
        return Staged(run_id, len(rows))

    def complete(self, staged: Staged, *, live: bool) -> None:
        with self.connected() as connection:
            number = (staged.run_id,)
            connection.execute("UPDATE run SET kept = 1 WHERE run_id = ?", number)
            if live:
                connection.execute("UPDATE run SET been_live = 1 WHERE run_id = ?", number)
                connection.execute(LIVE, number)

    def retire(self, keep: int) -> None:
        with self.connected() as connection:
            connection.execute(RETIRE, (keep,))

    def live(self) -> int | None:
        with self.connected() as connection:
            row = connection.execute("SELECT run_id FROM live").fetchone()
        return row[0] if row else None

    def runs(self) -> Sequence[int]:
        with self.connected() as connection:
            rows = connection.execute("SELECT run_id FROM run WHERE kept ORDER BY run_id DESC")
            return [run_id for (run_id,) in rows]

    def rollback(self, run_id: int | None = None) -> int:
        earlier = "SELECT max(run_id) FROM run WHERE kept AND been_live AND run_id < ?"
        with self.connected() as connection:
            (live,) = connection.execute("SELECT run_id FROM live").fetchone() or (0,)
            if run_id is None:
                (run_id,) = connection.execute(earlier, (live,)).fetchone()
            kept = connection.execute("SELECT 1 FROM run WHERE kept AND run_id = ?", (run_id,))
            if run_id is None or run_id == live or kept.fetchone() is None:
                raise RunNotThereError(f"{self.folder} cannot go back to run {run_id}")
            connection.execute("UPDATE run SET been_live = 1 WHERE run_id = ?", (run_id,))
            connection.execute(LIVE, (run_id,))
        return run_id

    def forget(self, users: Collection[UserId]) -> None:
        with self.connected() as connection:
            connection.executemany(
                "DELETE FROM list WHERE user_id = ?", [(user,) for user in users]
            )

    def mentions(self, user: UserId) -> int:
        with self.connected() as connection:
            found = connection.execute("SELECT count(*) FROM list WHERE user_id = ?", (user,))
            return int(found.fetchone()[0])
