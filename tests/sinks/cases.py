"""Sinks under test, opened by name so that a process of its own can open the same one."""

import json
import os
import sqlite3
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, field
from io import BytesIO
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

import psycopg2
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pydantic import SecretStr
from upath import UPath

import jobs
import jobs.sinks
from jobs.sinks.base import RunRecord, RunTables, Sink
from jobs.sinks.postgres.sink import PostgresSink
from jobs.sinks.registry import open_sinks
from recsys.as_of import AsOf
from recsys.schemas import FALLBACK, LISTS
from recsys.sections.ids import Ids

ADDED: Final = str(Path(__file__).parent / "added")
PACKAGE: Final = str(Path(jobs.__file__).parent)
KILLED: Final = 9
USERS: Final = 30
RECORD: Final = RunRecord(AsOf.parse("2026-01-01"), "hash", "1", ("als",), {})
#: Clean processes are forked from one that has loaded these and has no threads.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.sinks.cases"])

Lists = Mapping[int, list[int]]
Step = Callable[[str], None]


def lists_of(item: int) -> Lists:
    """Lists by which it can be told what was published: every item of them is `item` and more."""
    return {user: [item * 1000 + place for place in range(user % 4 + 1)] for user in range(USERS)}


def tables_of(lists: Lists) -> RunTables:
    rows = [
        {
            "user_id": user,
            "item_ids": items,
            "scores": [1.0] * len(items),
            "sources": [0] * len(items),
            "propensities": [1.0] * len(items),
        }
        for user, items in lists.items()
    ]
    made = pa.Table.from_pylist(rows, schema=LISTS.arrow(Ids()))
    popular = [{"segment": "all", "item_ids": [1], "scores": [1.0]}]
    return RunTables(ds.dataset(made), pa.Table.from_pylist(popular, FALLBACK.arrow(Ids())))


@dataclass(frozen=True)
class Case:
    """A sink by what opens it."""

    name: str
    record: str
    """The URI of Postgres."""
    section: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    def open(self) -> Sink:
        if self.name == "postgres":
            return PostgresSink(SecretStr(self.record), Ids())
        os.environ.update(self.environment)
        if ADDED not in jobs.sinks.__path__:
            jobs.sinks.__path__.append(ADDED)
        return open_sinks({self.name: self.section}, SecretStr(self.record))[self.name]

    def read(self) -> dict[int, list[int]]:
        """The live lists, as an app reads them."""
        return self.reading()()

    def reading(self) -> Callable[[], dict[int, list[int]]]:
        """Begins to read the live lists; what it gives goes on to the end."""
        if self.name == "postgres":
            return self._reading_rows()
        if self.name == "files":
            return self._reading_files()
        return self._reading_sqlite()

    def _reading_rows(self) -> Callable[[], dict[int, list[int]]]:
        connection = psycopg2.connect(self.record)
        cursor = connection.cursor("reading")
        cursor.itersize = 1
        cursor.execute("SELECT user_id, item_ids FROM recs.user_list JOIN recs.live USING (run_id)")
        first = cursor.fetchmany(1)

        def rest() -> dict[int, list[int]]:
            with closing(connection):
                return dict([*first, *cursor])

        return rest

    def _reading_files(self) -> Callable[[], dict[int, list[int]]]:
        """As docs/operations.md tells readers to."""
        root = UPath(self.section["path"])
        root.fs.invalidate_cache()
        pointer = json.loads((root / "live.json").read_bytes())
        run = pointer["runs"][str(pointer["live"])]

        def rest() -> dict[int, list[int]]:
            tables = [pq.read_table(BytesIO((root / f["name"]).read_bytes())) for f in run["lists"]]
            rows = pa.concat_tables(tables).to_pylist()
            return {row["user_id"]: row["item_ids"] for row in rows}

        return rest

    def _reading_sqlite(self) -> Callable[[], dict[int, list[int]]]:
        run_id = self.open().live()

        def rest() -> dict[int, list[int]]:
            query = "SELECT user_id, items FROM list WHERE run_id = ?"
            with closing(sqlite3.connect(Path(self.section["path"]) / "lists.db")) as connection:
                rows = connection.execute(query, (run_id,)).fetchall()
            return {user: json.loads(items) for user, items in rows}

        return rest

    def publish(self, number: int, *, live: bool = True, keep: int = 7) -> int:
        """Publishes a run whose lists tell its number; gives its id."""
        return publish(self.open(), number, live=live, keep=keep)

    @property
    def as_json(self) -> str:
        return json.dumps(asdict(self))


def publish(
    sink: Sink, number: int, *, live: bool = True, keep: int = 7, step: Step = lambda _: None
) -> int:
    """step: told of each step before it, and of the end."""
    step("stage")
    with sink.publication() as publication:
        # Postgres numbers its runs itself.
        run_id = publication.allocate(RECORD) if hasattr(publication, "allocate") else number
        staged = publication.stage(run_id, RECORD, tables_of(lists_of(number)))
        assert staged.users == USERS
        step("complete")
        publication.complete(staged, live=live)
        step("retire")
        publication.retire(keep)
    step("end")
    return run_id


# --- processes that are killed ------------------------------------------------------------------


def killed_at(case: Case, number: int, step: str, call: int) -> None:
    """Publishes in another process, which dies within a step, at that call of a function."""
    assert _published_apart(case, number, step, call, "") in {0, KILLED}


def calls_of_steps(case: Case, number: int, folder: Path) -> dict[str, int]:
    """Publishes in another process; gives the calls of functions of `jobs` within each step."""
    told = folder / "steps.json"
    assert _published_apart(case, number, "", 0, str(told)) == 0
    before: dict[str, int] = json.loads(told.read_bytes())
    return {name: before[later] - before[name] for name, later in pairwise(before)}


def _published_apart(case: Case, number: int, step: str, call: int, told: str) -> int | None:
    arguments = (case.as_json, number, step, call, told)
    process = _PROCESSES.Process(target=_publish, args=arguments)
    process.start()
    process.join(120)
    return process.exitcode


def _publish(case: str, number: int, deadly_step: str, call: int, told: str) -> None:
    sink = Case(**json.loads(case)).open()
    counter, seen = _Counter(), {}

    def step(name: str) -> None:
        seen[name] = counter.calls
        if name == deadly_step:
            counter.deadly = counter.calls + call

    with counter.counting():
        publish(sink, number, step=step)
    if told:
        Path(told).write_text(json.dumps(seen), encoding="utf-8")


class _Counter:
    """Counts calls of functions of `jobs` in all threads, and ends the process at one of them."""

    def __init__(self) -> None:
        self.calls, self.deadly = 0, 0

    def counting(self) -> Any:
        return _Profiled(self)

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and _of_jobs(frame.f_code):
            self.calls += 1
            if self.calls == self.deadly:
                os._exit(KILLED)


def _of_jobs(code: CodeType) -> bool:
    return code.co_filename.startswith((PACKAGE, ADDED))


class _Profiled:
    def __init__(self, counter: _Counter) -> None:
        self._counter = counter

    def __enter__(self) -> None:
        threading.setprofile(self._counter)
        sys.setprofile(self._counter)

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)
