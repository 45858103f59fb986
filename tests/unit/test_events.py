"""Which events are used as evidence, and what is said of the others."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from recsys import columns as c
from recsys.as_of import AsOf
from recsys.events import judging as ev
from recsys.schemas import RAW_EVENTS
from recsys.sections.events import Event
from recsys.sections.ids import Ids
from recsys.window import Window

AS_OF = AsOf.parse("2026-01-10")
END = AS_OF.instant
RULES = {
    "view": Event(weight=1.0, half_life_days=2.0),
    "rating": Event(weight=0.5, use_value=True, min_value=3.0),
    "buy": Event(weight=5.0, use_value=True, half_life_days=30.0),
}


def event(**values: Any) -> dict[str, Any]:
    usual = {c.USER_ID: 1, c.ITEM_ID: 1, c.EVENT_TYPE: "view", c.OCCURRED_AT: END}
    return usual | values


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), RAW_EVENTS.arrow(Ids()))


def test_rows_that_are_no_evidence_keep_their_reason() -> None:
    before = END - timedelta(days=1)
    rows = [
        event(item_id=1),
        event(item_id=2, occurred_at=END - timedelta(microseconds=1)),
        event(item_id=3, event_type="shrug", occurred_at=before),
        event(item_id=4, value=float("nan"), occurred_at=before),
        event(item_id=5, value=float("-inf"), occurred_at=before),
        event(item_id=6, value=float("nan"), event_type="shrug"),
        event(item_id=7, event_type=None, reject_reason="user_id is null", source_row="{}"),
        event(item_id=8, event_type=None, value=2.5, occurred_at=before),
    ]
    judged = ev.judged(table(*rows), RULES, AS_OF)
    assert judged[c.REJECT_REASON].to_pylist() == [
        "occurred_at is in the future",
        None,
        "unknown event_type",
        "value is not finite",
        "value is not finite",
        "unknown event_type",
        "user_id is null",
        None,
    ]


def test_a_value_beyond_any_weight_is_no_evidence() -> None:
    before, most = END - timedelta(days=1), 2.0**20
    rows = [
        event(event_type="buy", value=most / 5, occurred_at=before),
        event(event_type="buy", value=most, occurred_at=before),
        event(event_type="rating", value=most * 2, occurred_at=before),
        event(event_type="rating", value=most * 1000, occurred_at=before),
        event(event_type="view", value=1e300, occurred_at=before),
        event(event_type="buy", value=-1e300, occurred_at=before),
        event(event_type="buy", occurred_at=before),
        event(event_type="shrug", value=1e300, occurred_at=before),
    ]
    large = "value is too large to weigh"
    expected = [None, large, None, large, None, None, None, "unknown event_type"]
    assert ev.judged(table(*rows), RULES, AS_OF)[c.REJECT_REASON].to_pylist() == expected


def test_a_rejected_row_is_kept_as_json_that_any_reader_takes() -> None:
    rows = [
        event(item_id=3, event_type="shrug", value=float("nan"), reject_reason="unknown"),
        event(item_id=4),
        event(item_id=5, reject_reason="user_id is null", source_row='{"as": "read"}'),
    ]
    rejected = ev.rejected(table(*rows))
    assert rejected[c.ITEM_ID].to_pylist() == [3, 5]
    made, read = rejected[c.SOURCE_ROW].to_pylist()
    assert json.loads(made, parse_constant=lambda _: None) == {
        "user_id": 1,
        "item_id": 3,
        "event_type": "shrug",
        "value": "nan",
        "occurred_at": "2026-01-10 00:00:00+00:00",
        "arrived_at": None,
    }
    assert read == '{"as": "read"}'


def test_an_event_without_a_usable_time_is_in_the_future_unless_it_says_otherwise() -> None:
    rows = [event(), event(reject_reason="occurred_at is null", occurred_at=None)]
    reasons = ev.undated(table(*rows))[c.REJECT_REASON].to_pylist()
    assert reasons == ["occurred_at is in the future", "occurred_at is null"]


def test_only_what_was_known_before_the_date_is_seen() -> None:
    window = Window(END - timedelta(days=3), END)
    rows = [
        event(item_id=1, occurred_at=END - timedelta(days=1)),
        event(item_id=2, occurred_at=END - timedelta(days=1), arrived_at=END),
        event(item_id=3, occurred_at=END + timedelta(days=1), arrived_at=window.start),
        event(item_id=4, occurred_at=window.start - timedelta(seconds=1)),
        event(item_id=5, occurred_at=None, arrived_at=window.start, reject_reason="no date"),
        event(item_id=6, occurred_at=None, reject_reason="no date"),
    ]
    assert ev.known_before(table(*rows), window)[c.ITEM_ID].to_pylist() == [1, 3, 5]
    assert datetime(2026, 1, 10, tzinfo=UTC) == window.end
    everything = Window.before(AS_OF)
    assert ev.known_before(table(*rows), everything)[c.ITEM_ID].to_pylist() == [1, 3, 4, 5]


def test_evidence_has_the_place_of_its_type_and_times_in_microseconds() -> None:
    at = END - timedelta(days=1)
    rows = [
        event(event_type="buy", occurred_at=at, arrived_at=END, value=2.5),
        event(event_type="view", occurred_at=at),
    ]
    users, items = np.array([7, 8]), np.array([3, 4])
    found = ev.evidence(table(*rows), RULES, users, items)
    micros = int(at.timestamp()) * 1_000_000
    assert found.users.tolist() == [7, 8]
    assert found.items.tolist() == [3, 4]
    assert found.kinds.tolist() == [2, 0]
    assert found.occurred.tolist() == [micros, micros]
    assert found.known.tolist() == [micros + 86_400_000_000, micros]
    assert found.values[0] == 2.5
    assert np.isnan(found.values[1])
