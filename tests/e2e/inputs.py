"""Sources of a few rows, written down by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
from bson import Int64

from jobs.sandbox.market import BLOCKS, EVENTS, INTERACTIONS, ITEMS, USERS, Market
from jobs.sources.mongo import database
from recsys.as_of import AsOf
from recsys.schemas import TIMESTAMP
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2026-01-10")
Row = Mapping[str, Any]


def at(days: float) -> datetime:
    """An instant so many days before the as-of date."""
    return datetime(2026, 1, 10, tzinfo=UTC) - timedelta(days=days)


@dataclass(frozen=True)
class Inputs:
    """What the sources hold; events and interactions as (user, item, kind, value, days ago)."""

    users: Sequence[int] = (1, 2, 3)
    items: Sequence[int] = (10, 11, 12, 13)
    events: Sequence[tuple[Any, ...]] = ((1, 10, "view", None, 1.0), (2, 11, "view", None, 2.0))
    interactions: Sequence[tuple[Any, ...]] = ((1, 11, "like", None, 1.0),)
    blocks: Sequence[tuple[int, int]] = ()
    profiles: Sequence[Row] = (
        {"item_id": Int64(10), "title": "a", "text": "b", "tags": ["c"], "attributes": {"d": 1}},
    )
    stray: Sequence[dict[str, Any]] = ()
    stray_profiles: Sequence[dict[str, Any]] = ()
    available: bool = True

    def market(self) -> Market:
        return Market(
            users=table(USERS, [(u, f"user {u}", True, at(100)) for u in self.users]),
            items=table(ITEMS, [(i, f"item {i}", self.available, at(100)) for i in self.items]),
            interactions=table(INTERACTIONS, [timed(row) for row in self.interactions]),
            blocks=table(BLOCKS, [(u, i, at(50)) for u, i in self.blocks]),
            events=table(EVENTS, [timed(row) for row in self.events]),
            item_profiles=[dict(profile) for profile in self.profiles],
            user_profiles=[{"user_id": Int64(1), "text": "", "tags": ["c"], "attributes": {}}],
            as_of=DAY,
        )


def timed(row: tuple[Any, ...]) -> tuple[Any, ...]:
    *most, days = row
    return (*most, at(days), at(days))


TYPES = {
    "user_id": pa.int64(),
    "item_id": pa.int64(),
    "name": pa.string(),
    "title": pa.string(),
    "active": pa.bool_(),
    "available": pa.bool_(),
    "kind": pa.string(),
    "type": pa.string(),
    "value": pa.float64(),
}


def table(names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pa.Table:
    schema = pa.schema([(name, TYPES.get(name, TIMESTAMP)) for name in names])
    return pa.Table.from_pylist([dict(zip(names, r, strict=True)) for r in rows], schema=schema)


def stray(**values: Any) -> dict[str, Any]:
    """An event document as clients write them."""
    usual = {"user_id": Int64(2), "item_id": Int64(10), "type": "view"}
    return usual | {"ts": at(1), "received_at": at(1)} | values


USUAL = Inputs()


def fill(pipeline: Pipeline, inputs: Inputs) -> None:
    pipeline.load(inputs.market())
    with database(pipeline.settings.require_mongo()) as mongo:
        for name, documents in (("events", inputs.stray), ("item_profiles", inputs.stray_profiles)):
            if documents:
                mongo[name].insert_many(dict(document) for document in documents)
