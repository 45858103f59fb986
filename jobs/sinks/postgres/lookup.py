"""The published side as apps and operators read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pydantic import SecretStr

from jobs.db.postgres import connect
from jobs.db.statements import statement


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
    as_of: date
    status: str
    live: bool
    users: int | None
    list_hash: str | None
    published_at: datetime | None
    stats: Mapping[str, Any]


def top_n(uri: SecretStr, user_id: str, n: int, segment: str | None = None) -> list[ListItem]:
    """A user's list as the lookup function gives it; ids in text form.

    segment: whose list answers for a user without one, as `path=value`; else everybody's does.
    """
    values = {"user_id": user_id, "n": n, "segment": segment}
    return [ListItem(*row) for row in _rows(uri, "lookup/top_n", values)]


def runs(uri: SecretStr, n: int) -> list[Run]:
    """The newest runs, newest first."""
    return [Run(*row) for row in _rows(uri, "lookup/runs", {"n": n})]


def segments(uri: SecretStr) -> list[str]:
    """The segments, as `path=value`, that the live run has a list for."""
    return [name for (name,) in _rows(uri, "lookup/segments", {})]


def published(uri: SecretStr, config_hash: str, first: date, last: date) -> Mapping[date, bool]:
    """The dates that one configuration has published, and whether a run of the date is live."""
    values = {"config_hash": config_hash, "first": first, "last": last}
    return dict(_rows(uri, "lookup/published", values))


def _rows(uri: SecretStr, name: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(statement(name), values)
        return cursor.fetchall()
