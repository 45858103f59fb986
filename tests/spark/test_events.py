"""The Spark expressions against the numpy reference and against hand-made cases."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import from_arrow_schema

from jobs.transforms import events as ev
from recsys import columns as c
from recsys.config import Event, Ids
from recsys.interactions.weights import fixed_weights
from recsys.schemas import RAW_EVENTS
from recsys.window import Window, midnight

AS_OF = date(2026, 1, 10)
END = midnight(AS_OF)
EARLIER = date(2026, 1, 7)
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


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(RULES)),
            st.none() | st.floats(-10, 1e7),
            st.integers(1, 4_000_000_000),
        ),
        min_size=1,
        max_size=40,
    )
)
def test_weights_equal_the_numpy_reference(
    spark: SparkSession, drawn: list[tuple[str, float | None, int]]
) -> None:
    rows = [
        event(item_id=n, event_type=kind, value=value, occurred_at=END - timedelta(seconds=age))
        for n, (kind, value, age) in enumerate(drawn)
    ]
    pairs = ev.pair_weights(frame(spark, *rows), RULES, AS_OF, EARLIER)
    found = {row[c.ITEM_ID]: row[ev.FIXED] for row in pairs.collect()}
    for n, (kind, value, age) in enumerate(drawn):
        values = np.array([np.nan if value is None else value])
        expected = fixed_weights(values, np.array([age / 86_400]), RULES[kind])[0]
        assert found[n] == pytest.approx(expected, rel=1e-12, abs=1)


def test_an_event_delivered_twice_counts_once(spark: SparkSession) -> None:
    at = END - timedelta(days=2)
    twice = [event(occurred_at=at, arrived_at=at + timedelta(hours=h)) for h in (0, 5)]
    other = event(occurred_at=END - timedelta(days=4))
    (pair,) = ev.pair_weights(frame(spark, *twice, other), RULES, AS_OF, EARLIER).collect()
    assert pair[ev.FIXED] / 2**32 == pytest.approx(0.5 + 0.25)
    assert (pair[ev.EVENTS], pair[ev.DISTINCT_EVENTS]) == (3, 2)


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


def test_the_earlier_weight_is_of_what_was_known_by_then(spark: SparkSession) -> None:
    then = midnight(EARLIER)
    rows = [
        event(occurred_at=then - timedelta(days=2)),
        event(occurred_at=then - timedelta(days=1), arrived_at=then),
        event(occurred_at=then),
        event(item_id=2, occurred_at=then + timedelta(days=1)),
    ]
    pairs = ev.pair_weights(frame(spark, *rows), RULES, AS_OF, EARLIER).orderBy(c.ITEM_ID)
    both, late = pairs.collect()
    assert both[ev.EARLIER] / 2**32 == pytest.approx(0.5)
    assert (both[ev.AGE], late[ev.AGE]) == (5.0, 2.0)
    assert late[ev.EARLIER] is None
