"""The published side as apps and operators read it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2 import sql
from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement
from recsys.as_of import AsOf
from recsys.sections.ids import Ids


@dataclass(frozen=True)
class ListItem:
    """One place of a list."""

    rank: int
    item_id: str
    score: float
    source: str


@dataclass(frozen=True)
class Run:
    """One run of the pipeline."""

    run_id: int
    as_of: AsOf
    status: str
    live: bool
    users: int | None
    list_hash: str | None
    published_at: datetime | None
    stats: Mapping[str, Any]
    audit: Mapping[str, Any] | None

    @property
    def violations(self) -> tuple[str, ...]:
        """The gates that it did not pass, in words."""
        return tuple((self.audit or {}).get("violations", ()))

    @property
    def tuned_as_of(self) -> str | None:
        """As-of of the tuned parameters that it used."""
        return (self.stats.get("tuning") or {}).get("as_of")


@dataclass(frozen=True)
class LiveRun:
    """The run that lookups answer from."""

    run_id: int
    as_of: AsOf
    users: int
    since: datetime
    """When it went live."""
    places: int | None
    """Length of its lists; None where it has none."""


@dataclass(frozen=True)
class Sizes:
    """Bytes on the disk of the server."""

    published: int
    database: int


@dataclass(frozen=True)
class Switch:
    """One change of the live run: a publication, a rollback, a forced one."""

    run_id: int
    as_of: AsOf
    reason: str
    by_user: str
    switched_at: datetime


def top_n(uri: SecretStr, user_id: str, n: int, segment: str | None = None) -> list[ListItem]:
    """A user's list as the lookup function gives it; ids in text form.

    segment: whose list answers for a user without one, as `path=value`; else everybody's does.
    """
    values = {"user_id": user_id, "n": n, "segment": segment}
    return [ListItem(*row) for row in _rows(uri, "lookup/top_n", values)]


def runs(uri: SecretStr, n: int) -> list[Run]:
    """The newest runs, newest first."""
    rows = _rows(uri, "lookup/runs", {"n": n})
    return [Run(run_id, AsOf(as_of), *more) for run_id, as_of, *more in rows]


def live_run(uri: SecretStr) -> LiveRun | None:
    """The live run; None before the first."""
    for run_id, as_of, *more in _rows(uri, "lookup/live", {}):
        return LiveRun(run_id, AsOf(as_of), *more)
    return None


def sizes(uri: SecretStr) -> Sizes:
    """Room that the published side takes, and the database that it is in."""
    (row,) = _rows(uri, "lookup/sizes", {})
    return Sizes(*row)


def live_switch(uri: SecretStr) -> Switch | None:
    """The change that the live run became live by; None before the first publication."""
    rows = _rows(uri, "lookup/live_switch", {})
    return next((Switch(run_id, AsOf(as_of), *more) for run_id, as_of, *more in rows), None)


def segments(uri: SecretStr) -> list[str]:
    """The segments, as `path=value`, that the live run has a list for."""
    return [name for (name,) in _rows(uri, "lookup/segments", {})]


def titles(
    uri: SecretStr, ids: Ids, item_ids: Collection[str], run_ids: Sequence[int] | None = None
) -> dict[str, str]:
    """Titles by id in text form, of the items that have one.

    run_ids: runs that saw the items, of which the newest counts; None: the live run.
    """
    query = sql.SQL(statement("lookup/titles")).format(item_id=sql.SQL(ids.item))
    values = {
        "run_ids": None if run_ids is None else list(run_ids),
        "item_ids": list(item_ids),
    }
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        return dict(cursor.fetchall())


def published(uri: SecretStr, config_hash: str, first: AsOf, last: AsOf) -> Mapping[AsOf, bool]:
    """Every as-of that a configuration has published a run of, and whether one of them is live."""
    values = {"config_hash": config_hash, "first": first.instant, "last": last.instant}
    return {AsOf(as_of): live for as_of, live in _rows(uri, "lookup/published", values)}


def _rows(uri: SecretStr, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement(name), values)
        return cursor.fetchall()
