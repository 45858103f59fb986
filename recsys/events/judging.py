"""From raw events to what can be used as evidence, and why the rest cannot."""

from collections.abc import Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from recsys import columns as c
from recsys.arrays import Ints
from recsys.as_of import AsOf
from recsys.events.histories import BLOCK, Evidence
from recsys.events.raw_rows import as_json
from recsys.events.weights import MAX_WEIGHT
from recsys.schemas import TIMESTAMP
from recsys.sections.events import Event
from recsys.window import Window

_IN_FUTURE: Final = f"{c.OCCURRED_AT} is in the future"


def known_before(events: pa.Table, window: Window) -> pa.Table:
    """The events that the source knew of before the window's end and that are not too old."""
    known_at = pc.coalesce(events[c.ARRIVED_AT], events[c.OCCURRED_AT])
    kept = pc.less(known_at, pa.scalar(window.end, TIMESTAMP))
    if not window.unbounded:
        recent = pc.greater_equal(events[c.OCCURRED_AT], pa.scalar(window.start, TIMESTAMP))
        kept = pc.and_(kept, pc.fill_null(recent, True))
    return events.filter(kept)


def judged(events: pa.Table, rules: Mapping[str, Event], as_of: AsOf) -> pa.Table:
    """Events with `reject_reason` set on those that cannot be used as evidence.

    rules: what each type of event is worth.
    """
    kind, value = events[c.EVENT_TYPE], events[c.VALUE]
    unknown = pc.and_(kind.is_valid(), pc.invert(pc.is_in(kind, pa.array(rules, pa.string()))))
    endless = pc.or_(pc.is_nan(value), pc.is_inf(value))
    future = pc.greater_equal(events[c.OCCURRED_AT], pa.scalar(as_of.instant, TIMESTAMP))
    wrong = {
        f"unknown {c.EVENT_TYPE}": unknown,
        f"{c.VALUE} is not finite": endless,
        f"{c.VALUE} is too large to weigh": _too_large(kind, value, rules),
        _IN_FUTURE: future,
    }
    reasons = events[c.REJECT_REASON]
    for reason, rows in wrong.items():
        if pc.any(rows).as_py():
            reasons = pc.coalesce(reasons, pc.if_else(rows, reason, pa.scalar(None, pa.string())))
    return _replaced(events, c.REJECT_REASON, reasons)


def _too_large(
    kind: pa.ChunkedArray, value: pa.ChunkedArray, rules: Mapping[str, Event]
) -> pa.ChunkedArray:
    """Events whose value alone would make them worth more than any event may be."""
    limits = {name: MAX_WEIGHT / rule.weight for name, rule in rules.items() if _by_value(rule)}
    if not limits:
        return pc.is_in(kind, pa.array([], pa.string()))
    places = pc.index_in(kind, pa.array(limits, pa.string()))
    return pc.fill_null(pc.greater(value, pa.array(limits.values()).take(places)), False)


def _by_value(rule: Event) -> bool:
    return rule.use_value and rule.weight > 0


def undated(events: pa.Table) -> pa.Table:
    """Events whose time is no usable instant, each with its reason."""
    reasons = pc.fill_null(events[c.REJECT_REASON], _IN_FUTURE)
    return _replaced(events, c.REJECT_REASON, reasons)


def rejected(rows: pa.Table) -> pa.Table:
    """The rows of a raw table that have a reason, each as JSON in `source_row`."""
    wrong = rows.filter(rows[c.REJECT_REASON].is_valid())
    kept = wrong.drop_columns([c.REJECT_REASON, c.SOURCE_ROW]).to_pylist()
    pairs = zip(wrong[c.SOURCE_ROW].to_pylist(), kept, strict=True)
    texts = pa.array([as_json(row) if text is None else text for text, row in pairs], pa.string())
    return _replaced(wrong, c.SOURCE_ROW, texts)


def evidence(events: pa.Table, kinds: Mapping[str, Event], users: Ints, items: Ints) -> Evidence:
    """Usable events as `histories` takes them.

    kinds: the types of events in their order.
    users, items: (n,) row numbers of the events' users and items.
    """
    known = pc.coalesce(events[c.ARRIVED_AT], events[c.OCCURRED_AT])
    return Evidence(
        users=users,
        items=items,
        kinds=_ints(pc.index_in(events[c.EVENT_TYPE], pa.array(kinds, pa.string()))),
        occurred=_ints(events[c.OCCURRED_AT].cast(pa.int64())),
        known=_ints(known.cast(pa.int64())),
        values=np.asarray(events[c.VALUE].to_numpy(), np.float64),
    )


def block_evidence(users: Ints, items: Ints) -> Evidence:
    """Blocks in the form of `evidence`."""
    nothing = np.zeros(len(users), np.int64)
    kinds, values = np.full(len(users), BLOCK, np.int64), np.full(len(users), np.nan)
    return Evidence(users, items, kinds, nothing, nothing, values)


def _ints(values: pa.ChunkedArray) -> Ints:
    return np.asarray(values.to_numpy(), np.int64)


def _replaced(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)
