"""Behavioural events as they were read: those of the windows that are new."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import sqrt
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract
from data_contracts.rules import Figures, Rule
from data_contracts.trailing import mix_shift
from recsys import columns as c
from recsys.schemas import RAW_EVENTS, TIMESTAMP

A_DAY: Final = "events a day"
A_DAY_MOST: Final = "events a day, against growth"
AGE: Final = "age of the newest event, in days"
UNKNOWN_TYPES: Final = f"share of unknown {c.EVENT_TYPE}"
NOT_FINITE: Final = f"share of {c.VALUE} that is not finite"
IN_FUTURE: Final = "share of events in the future"
MIX: Final = "shift of the event mix"
NEGATIVE: Final = f"share of negative {c.VALUE}"
ANCIENT: Final = "share of events before 1990"
ANCIENT_MOST: Final = "share of events before 1990, against a wrong unit"
TOO_EARLY: Final = "share of events that arrived a day before they occurred"

_IDENTITY: Final = (c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT, c.VALUE)
_ANCIENT: Final = datetime(1990, 1, 1, tzinfo=UTC)
_SKEW: Final = timedelta(days=1)


def rules(context: CheckContext) -> list[Rule]:
    """Volume, freshness, rows refused, ids, mix and ranges of events."""
    limits = context.limits
    refused, odd = (None, limits.max_rejected), (None, limits.max_odd)
    type_remedy = "weigh the type under [events], leave it out of the source, or raise"
    unit_remedy = "see in which unit and zone the source keeps times, or raise"
    time_remedy = f"{unit_remedy} contracts.max_odd"
    return [
        *_volume_rules(context),
        _freshness_rule(context),
        m.rejected_rule(limits),
        Rule(UNKNOWN_TYPES, "fail", refused, f"{type_remedy} contracts.max_rejected"),
        Rule(NOT_FINITE, "fail", refused, "correct the values, or raise contracts.max_rejected"),
        Rule(IN_FUTURE, "fail", refused, "see to the clocks, or raise contracts.max_rejected"),
        m.unknown_rule(c.USER_ID, limits),
        m.unknown_rule(c.ITEM_ID, limits),
        m.duplicate_rule(limits, "an event"),
        Rule(MIX, "warn", (None, limits.max_mix_shift), "see which type of event has changed"),
        Rule(NEGATIVE, "warn", odd, "a negative value counts as 0; or raise contracts.max_odd"),
        Rule(ANCIENT, "warn", odd, time_remedy),
        Rule(ANCIENT_MOST, "fail", refused, f"{unit_remedy} contracts.max_rejected"),
        Rule(TOO_EARLY, "warn", odd, time_remedy),
    ]


def _volume_rules(context: CheckContext) -> list[Rule]:
    limits, trailing = context.limits, context.trailing
    if not trailing.enough:
        return []
    few = (
        "see whether the source lost events or is written late; once it is whole, run the date "
        "again, which reads these windows again (recsys reread does so for any), or lower "
        "contracts.min_volume"
    )
    many = "see whether the source repeats events, or raise contracts.max_volume"
    return [
        Rule(A_DAY, "fail", (trailing.least_events(limits.min_volume), None), few),
        Rule(A_DAY_MOST, "warn", (None, trailing.most(limits.max_volume)), many),
    ]


def _freshness_rule(context: CheckContext) -> Rule:
    remedy = "see whether events still reach the source, or raise contracts.max_age_days"
    return Rule(AGE, context.trailing.severity, (None, context.limits.max_age_days), remedy)


def figures(rows: pa.Table, context: CheckContext) -> Figures:
    """The figures that the rules limit."""
    good = m.usable(rows)
    rejected = rows.num_rows - good.num_rows + context.undated
    return {
        m.REJECTED: m.share(rejected, rows.num_rows + context.undated),
        m.DUPLICATES: m.duplicate_share(good, _IDENTITY),
        **m.unknown_shares(
            good, [(c.USER_ID, context.related.users), (c.ITEM_ID, context.related.items)]
        ),
        **_volume(context),
        **_times(good, context),
        **_values(good[c.VALUE]),
        **_types(good, context),
    }


def mix(rows: pa.Table) -> dict[str, float]:
    """The share of each event type, by name."""
    counts = pc.value_counts(rows[c.EVENT_TYPE]).to_pylist()
    named = sorted((e["values"], e["counts"]) for e in counts if e["values"] is not None)
    return {name: m.share(count, rows.num_rows) for name, count in named}


def newest(rows: pa.Table, context: CheckContext) -> datetime | None:
    """The newest event before the as-of, of these or of an earlier run."""
    occurred = rows[c.OCCURRED_AT]
    past = occurred.filter(pc.less(occurred, _instant(context.as_of.instant)))
    known = (pc.max(past).as_py(), context.trailing.newest)
    return max((time for time in known if time is not None), default=None)


def _volume(context: CheckContext) -> Figures:
    """The quietest and the busiest window: a day that was lost must not hide behind others."""
    return {A_DAY: min(context.a_day), A_DAY_MOST: max(context.a_day)} if context.a_day else {}


def _times(rows: pa.Table, context: CheckContext) -> Figures:
    occurred, arrived = rows[c.OCCURRED_AT], rows[c.ARRIVED_AT]
    end = _instant(context.as_of.instant)
    late = pc.add(arrived, pa.scalar(_SKEW, pa.duration("us")))
    ancient = m.true_share(pc.less(occurred, _instant(_ANCIENT)))
    last = newest(rows, context)
    age = {} if last is None else {AGE: (context.as_of.instant - last) / timedelta(days=1)}
    return {
        IN_FUTURE: m.true_share(pc.greater_equal(occurred, end)),
        ANCIENT: ancient,
        ANCIENT_MOST: ancient,
        TOO_EARLY: m.true_share(pc.greater(occurred, late)),
        **age,
    }


def _values(values: pa.ChunkedArray) -> Figures:
    if values.null_count == len(values):
        return {NOT_FINITE: 0.0, NEGATIVE: 0.0}
    return {
        NOT_FINITE: m.true_share(pc.invert(pc.is_finite(values))),
        NEGATIVE: m.true_share(pc.less(values, 0.0)),
    }


def _types(rows: pa.Table, context: CheckContext) -> Figures:
    shares = mix(rows)
    unknown = sum(shares[kind] for kind in shares if kind not in context.event_types)
    return {UNKNOWN_TYPES: unknown, **_shift(shares, rows.num_rows, context)}


def _shift(shares: Mapping[str, float], rows: int, context: CheckContext) -> Figures:
    """The shift beyond what chance does to few events; none on a first run."""
    usual = context.trailing.mix
    if usual is None or not context.trailing.enough or not rows:
        return {}
    chance = chance_of_shift(len({*shares, *usual}), rows)
    return {MIX: max(0.0, mix_shift(shares, usual) - chance)}


def chance_of_shift(kinds: int, rows: int) -> float:
    """Shift of the mix that chance alone can make of so many events of some types."""
    return sqrt(kinds / rows)


def _instant(time: datetime) -> pa.Scalar:
    return pa.scalar(time, TIMESTAMP)


CONTRACT: Final = Contract(RAW_EVENTS, rules, figures)
