"""A run and those before it, as the published side tells of them."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import Connection, connect
from jobs.db.statements import statement
from jobs.lake.facts import RuleFacts
from jobs.sinks.postgres.reasons import KeptReason
from recsys.as_of import AsOf
from recsys.errors import RunNotThereError
from recsys.evaluation.run_metrics import RunMetric
from recsys.sections.ids import Ids


@dataclass(frozen=True)
class ReportedRun:
    """A run whose publication came to its end, and what became of it."""

    run_id: int
    as_of: AsOf
    status: str
    config_hash: str
    code_version: str
    models: Sequence[str]
    lists: int
    checksum: str
    created_at: datetime
    published_at: datetime | None
    outcome: str
    """live, history, held or forced; see `recs.night`."""
    reason: str | None
    """Gates that were not passed."""
    live: bool
    compared_with: int | None
    available_items: int | None


@dataclass(frozen=True)
class SegmentShare:
    """Users of a segment by what answers them."""

    segment: str
    users: int
    fallback: float | None
    cold: float | None
    empty: float | None


@dataclass(frozen=True)
class ReasonedPlace:
    """One place of a user's list, and why it is there."""

    user_id: str
    place: int
    item_id: str
    title: str | None
    because_title: str | None
    reason: KeptReason


@contextmanager
def report_session(uri: SecretStr) -> Iterator[Connection]:
    """A session for all that follows."""
    with connect(uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute(statement("publish/become_writer"))
        yield connection


def reported_run(connection: Connection, run_id: int | None) -> ReportedRun:
    """A complete run; None: the newest. Raises RunNotThereError where there is none."""
    for number, as_of, *more in _rows(connection, "report/run", {"run_id": run_id}):
        return ReportedRun(number, AsOf(as_of), *more)
    which = "complete run" if run_id is None else f"complete run {run_id}"
    raise RunNotThereError(f"there is no {which}; `recsys runs` lists those that there are")


def earlier_runs(connection: Connection, run_id: int, n: int) -> dict[int, AsOf]:
    """As-of by run: a run and those published before it, n in all, oldest first."""
    rows = _rows(connection, "report/earlier", {"run_id": run_id, "n": n})
    return {number: AsOf(as_of) for number, as_of in rows}


def metrics_of(connection: Connection, run_ids: Sequence[int]) -> Mapping[int, Sequence[RunMetric]]:
    """The figures of runs."""
    found: dict[int, list[RunMetric]] = {run_id: [] for run_id in run_ids}
    for run_id, *row in _rows(connection, "report/metrics", {"run_ids": list(run_ids)}):
        found[run_id].append(RunMetric(*row))
    return found


def rules_of(connection: Connection, run_id: int) -> list[RuleFacts]:
    """Rules of contracts, broken ones first."""
    names = ("table", "rule", "severity", "observed", "allowed", "passed")
    rows = _rows(connection, "report/rules", {"run_id": run_id})
    return [RuleFacts(**dict(zip(names, row, strict=True))) for row in rows]


def segments_of(connection: Connection, run_id: int, n: int) -> list[SegmentShare]:
    """The largest segments."""
    rows = _rows(connection, "report/segments", {"run_id": run_id, "n": n})
    return [SegmentShare(*row) for row in rows]


def places_of(
    connection: Connection, ids: Ids, run_id: int, user_ids: Sequence[str], n: int
) -> list[ReasonedPlace]:
    """The first n places of some users' lists, in order of users."""
    values = {"run_id": run_id, "user_ids": list(user_ids), "n": n}
    rows = _rows(connection, "report/places", values, user_id=sql.SQL(ids.user))
    return [
        ReasonedPlace(user, place, item, title, because, KeptReason(*reason))
        for user, place, item, title, because, *reason in rows
    ]


def _rows(
    connection: Connection, name: str, values: Mapping[str, Any], **types: sql.Composable
) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL(statement(name)).format(**types), values)
        return cursor.fetchall()
