"""Events that become visible after they have arrived are read, and counted once."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobs.db.postgres import connect
from jobs.lake.partitions import Lake
from jobs.run.entrypoint import RunArguments
from jobs.sandbox.seed import make_market
from jobs.sources.clocks import check_clocks
from jobs.sources.mongo import database
from jobs.steps import build_matrix, extract_sources
from jobs.stores.models import TrainingData
from jobs.stores.nights import alignment_since
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.errors import FutureDateError
from recsys.schemas import RAW
from recsys.window import Window
from tests.e2e.conftest import Pipeline

DAY = AsOf.parse("2026-01-01")
NEXT = DAY + timedelta(days=1)
#: An arrival of the last minute before the first night.
LATE = DAY.instant - timedelta(seconds=30)
SOMEBODY = "SELECT min(user_id), min(item_id) FROM market.users CROSS JOIN market.items"
INSERT = """
    INSERT INTO market.interactions (user_id, item_id, kind, created_at, received_at)
    VALUES (%(user)s, %(item)s, 'like', %(at)s, %(at)s)
"""


@pytest.fixture
def market(pipeline: Pipeline) -> Pipeline:
    pipeline.load(make_market(30, 24, 10, 400, 3, DAY))
    return pipeline


def two_hours_after(day: AsOf) -> datetime:
    return day.instant + timedelta(hours=2)


def extract(pipeline: Pipeline, as_of: AsOf, observed_at: datetime | None = None) -> None:
    at = observed_at or two_hours_after(as_of)
    extract_sources.main(RunArguments(as_of, pipeline.config, pipeline.settings, at))


def windows(pipeline: Pipeline, source: str) -> dict[Window, dict[str, Any]]:
    lake = Lake(pipeline.settings.lake)
    place = lake.events_of(RAW[source].name, pipeline.config.source_fingerprint(source))
    return {w: dict(lake.window(place, w).manifest().stats) for w in lake.windows(place)}


def arrivals(pipeline: Pipeline, source: str) -> Counter[datetime]:
    lake = Lake(pipeline.settings.lake)
    place = lake.events_of(RAW[source].name, pipeline.config.source_fingerprint(source))
    found = (lake.window(place, window) for window in lake.windows(place))
    parts = [window.read(RAW[source], pipeline.config.ids) for window in found]
    return Counter(at for part in parts for at in part[c.ARRIVED_AT].to_pylist())


def add(pipeline: Pipeline, at: datetime, count: int = 1) -> None:
    """Events of one arrival in both sources."""
    user, item = pipeline.query(SOMEBODY)[0]
    for _ in range(count):
        pipeline.query(f"{INSERT} RETURNING 1", {"user": user, "item": item, "at": at})
    with database(pipeline.settings.require_mongo()) as mongo:
        document = {"user_id": user, "item_id": item, "type": "view", "ts": at, "received_at": at}
        mongo["events"].insert_many([dict(document) for _ in range(count)])


def read_at(stats: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(stats["observed_at"])


def test_a_row_that_is_committed_after_the_read_is_read_the_next_night(market: Pipeline) -> None:
    uri = market.settings.require_postgres()
    user, item = market.query(SOMEBODY)[0]
    with connect(uri) as slow, slow.cursor() as cursor:
        cursor.execute(INSERT, {"user": user, "item": item, "at": LATE})
        extract(market, DAY)
        assert arrivals(market, "interactions")[LATE] == 0
    add(market, LATE + timedelta(seconds=1))
    extract(market, NEXT)
    assert arrivals(market, "interactions")[LATE] == 1
    for source in ("interactions", "events"):
        assert arrivals(market, source)[LATE + timedelta(seconds=1)] == 1
        assert arrivals(market, source).total() == len_of(market, source)


def len_of(pipeline: Pipeline, source: str) -> int:
    """Events of a source that arrived before the second night."""
    if source == "interactions":
        sql = "SELECT count(*) FROM market.interactions WHERE received_at < %s"
        return int(pipeline.query(sql, (NEXT.instant,))[0][0])
    with database(pipeline.settings.require_mongo()) as mongo:
        return int(mongo["events"].count_documents({"received_at": {"$lt": NEXT.instant}}))


def test_a_window_is_read_again_until_it_has_settled(market: Pipeline) -> None:
    extract(market, DAY)
    old, last = windows(market, "events")
    assert old.unbounded
    assert last == Window.day_from(DAY - timedelta(days=1))
    extract(market, NEXT)
    third = NEXT + timedelta(days=1)
    extract(market, third)
    read = {w: read_at(stats) for w, stats in windows(market, "events").items()}
    assert read == {
        old: two_hours_after(DAY),
        last: two_hours_after(NEXT),
        Window.day_from(DAY): two_hours_after(third),
        Window.day_from(NEXT): two_hours_after(third),
    }


def test_rows_that_a_source_has_lost_since_are_kept(market: Pipeline) -> None:
    add(market, LATE, 10)
    extract(market, DAY)
    before = arrivals(market, "interactions")
    market.query("DELETE FROM market.interactions WHERE received_at = %s RETURNING 1", (LATE,))
    extract(market, NEXT)
    assert before[LATE] == 10
    assert arrivals(market, "interactions") == before
    (_, stats, _) = windows(market, "interactions").values()
    assert read_at(stats) == two_hours_after(NEXT)


def test_a_clock_that_is_ahead_of_the_servers_loses_nothing(market: Pipeline) -> None:
    now = datetime.now(UTC)
    today = AsOf.midnight(now.date())
    extract(market, today, now)
    with pytest.raises(FutureDateError, match=r"Postgres says .* set this machine's clock"):
        extract(market, today + timedelta(days=1), now + timedelta(days=1))
    with pytest.raises(FutureDateError, match=r"MongoDB says .* set this machine's clock"):
        check_clocks(None, market.settings.require_mongo(), now + timedelta(days=1))
    assert all(w.end <= today.instant for w in windows(market, "events"))
    add(market, now, 25)
    assert arrivals(market, "events")[now] == 0


def test_between_full_nights_late_events_make_their_users_lists_anew(market: Pipeline) -> None:
    (user, item), *_ = market.query(
        "SELECT user_id, item_id FROM market.interactions ORDER BY received_at LIMIT 1"
    )
    for day in (DAY, NEXT):
        arguments = RunArguments(day, market.config, market.settings, two_hours_after(day))
        extract_sources.main(arguments)
        build_matrix.main(arguments)
        market.query(f"{INSERT} RETURNING 1", {"user": user, "item": item, "at": LATE})
    known = TrainingData(arguments)
    changed = alignment_since(arguments, known, DAY).changed
    assert changed[known.histories[c.USER_ID].to_pylist().index(user)]
    assert not changed.all()
