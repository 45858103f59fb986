"""Which events are used as evidence, and what is said of the others."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.transforms import events as ev
from jobs.transforms import histories as hs
from recsys import columns as c
from recsys.config import Event, Ids
from recsys.schemas import RAW_EVENTS
from recsys.window import Window, midnight

AS_OF = date(2026, 1, 10)
END = midnight(AS_OF)
RULES = {
    "view": Event(weight=1.0, half_life_days=2.0),
    "rating": Event(weight=0.5, use_value=True, min_value=3.0),
    "buy": Event(weight=5.0, use_value=True, half_life_days=30.0),
}


def event(**values: Any) -> dict[str, Any]:
    usual = {c.USER_ID: 1, c.ITEM_ID: 1, c.EVENT_TYPE: "view", c.OCCURRED_AT: END}
    absent = {c.VALUE: None, c.ARRIVED_AT: None, c.REJECT_REASON: None, c.SOURCE_ROW: None}
    return usual | absent | values


def frame(spark: SparkSession, *rows: dict[str, Any]) -> DataFrame:
    schema = from_arrow_schema(RAW_EVENTS.arrow(Ids()))
    ordered = [tuple(row[name] for name in schema.names) for row in rows]
    return spark.createDataFrame(ordered, schema)


def test_rows_that_are_no_evidence_keep_their_reason(spark: SparkSession) -> None:
    rows = [
        event(item_id=1),
        event(item_id=2, occurred_at=END - timedelta(microseconds=1)),
        event(item_id=3, event_type="shrug", occurred_at=END - timedelta(days=1)),
        event(item_id=4, value=float("nan"), occurred_at=END - timedelta(days=1)),
        event(item_id=5, value=float("-inf"), occurred_at=END - timedelta(days=1)),
        event(item_id=6, reject_reason="user_id is null", source_row="{}"),
    ]
    judged = ev.judged(frame(spark, *rows), RULES, AS_OF).orderBy(c.ITEM_ID).collect()
    assert [row[c.REJECT_REASON] for row in judged] == [
        "occurred_at is in the future",
        None,
        "unknown event_type",
        "value is not finite",
        "value is not finite",
        "user_id is null",
    ]
    assert '"event_type":"shrug"' in judged[2][c.SOURCE_ROW]
    assert (judged[1][c.SOURCE_ROW], judged[5][c.SOURCE_ROW]) == (None, "{}")


def test_only_what_was_known_before_the_date_is_seen(spark: SparkSession) -> None:
    window = Window(END - timedelta(days=3), END)
    rows = [
        event(item_id=1, occurred_at=END - timedelta(days=1)),
        event(item_id=2, occurred_at=END - timedelta(days=1), arrived_at=END),
        event(item_id=3, occurred_at=END + timedelta(days=1), arrived_at=window.start),
        event(item_id=4, occurred_at=window.start - timedelta(seconds=1)),
        event(item_id=5, occurred_at=None, arrived_at=window.start, reject_reason="no date"),
    ]
    known = ev.known_before(frame(spark, *rows), window)
    assert sorted(row[c.ITEM_ID] for row in known.collect()) == [1, 3, 5]
    assert datetime(2026, 1, 10, tzinfo=UTC) == window.end


def test_evidence_has_the_place_of_its_type_and_times_in_microseconds(spark: SparkSession) -> None:
    at = END - timedelta(days=1)
    rows = [
        event(event_type="buy", occurred_at=at, arrived_at=END, value=2.5),
        event(event_type="view", occurred_at=at),
    ]
    found = ev.evidence(frame(spark, *rows), RULES).orderBy(hs.KIND).collect()
    micros = int(at.timestamp()) * 1_000_000
    assert [tuple(row) for row in found] == [
        (1, 1, 0, micros, micros, None),
        (1, 1, 2, micros, micros + 86_400_000_000, 2.5),
    ]
