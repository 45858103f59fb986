"""From raw events to one decayed weight a user and item."""

from collections.abc import Mapping
from datetime import date
from functools import reduce
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from recsys import columns as c
from recsys.config import Event
from recsys.interactions.weights import FRACTION_BITS, MAX_WEIGHT, SECONDS_PER_DAY
from recsys.window import Window, midnight

#: Total of an aggregated weight, in units of 2**-32.
FIXED: Final = "fixed_weight"
#: The same total as of an earlier date.
EARLIER: Final = "earlier_fixed_weight"
#: Days from a pair's first event to the as-of date.
AGE: Final = "age_days"
#: Number of events behind a row, copies delivered twice included.
EVENTS: Final = "events"
#: Number of distinct events behind a row.
DISTINCT_EVENTS: Final = "distinct_events"

_IN_FUTURE: Final = f"{c.OCCURRED_AT} is in the future"
_KNOWN_AT: Final = "known_at"
_IDENTITY: Final = (c.USER_ID, c.ITEM_ID, c.EVENT_TYPE, c.OCCURRED_AT, c.VALUE)


def known_before(events: DataFrame, window: Window) -> DataFrame:
    """The events that the source knew of before the window's end and that are not too old."""
    known_at = F.coalesce(c.ARRIVED_AT, c.OCCURRED_AT)
    recent = F.col(c.OCCURRED_AT) >= F.lit(window.start)
    too_old = F.lit(False) if window.unbounded else ~F.coalesce(recent, F.lit(True))
    return events.where(known_at < F.lit(window.end)).where(~too_old)


def judged(events: DataFrame, rules: Mapping[str, Event], as_of: date) -> DataFrame:
    """Events with `reject_reason` set on those that cannot be used as evidence."""
    value = F.col(c.VALUE)
    reason = F.coalesce(
        F.col(c.REJECT_REASON),
        F.when(~F.col(c.EVENT_TYPE).isin(*rules), F.lit(f"unknown {c.EVENT_TYPE}")),
        F.when(F.isnan(value) | (F.abs(value) == float("inf")), F.lit(f"{c.VALUE} is not finite")),
        F.when(F.col(c.OCCURRED_AT) >= F.lit(midnight(as_of)), F.lit(_IN_FUTURE)),
    )
    return _with_reason(events, reason)


def undated(events: DataFrame) -> DataFrame:
    """Events whose time is no usable instant, each with its reason."""
    return _with_reason(events, F.coalesce(F.col(c.REJECT_REASON), F.lit(_IN_FUTURE)))


def _with_reason(events: DataFrame, reason: Column) -> DataFrame:
    kept = [name for name in events.columns if name not in (c.REJECT_REASON, c.SOURCE_ROW)]
    row = F.when(reason.isNotNull(), F.coalesce(F.col(c.SOURCE_ROW), F.to_json(F.struct(*kept))))
    return events.withColumns({c.REJECT_REASON: reason, c.SOURCE_ROW: row})


def pair_weights(
    events: DataFrame, rules: Mapping[str, Event], as_of: date, earlier: date
) -> DataFrame:
    """One row a user and item: its summed weight, and how many events stand behind it.

    An event delivered twice, the same in all but its arrival, counts once. The weight as of the
    earlier date is that of the events known by then, null without any.
    """
    known_at = F.min(F.coalesce(c.ARRIVED_AT, c.OCCURRED_AT))
    distinct = events.groupBy(*_IDENTITY).agg(
        F.count("*").alias(EVENTS),
        F.greatest(known_at, F.col(c.OCCURRED_AT)).alias(_KNOWN_AT),
    )
    was_known = F.col(_KNOWN_AT) < F.lit(midnight(earlier))
    weighted = distinct.withColumn(FIXED, _fixed_weight(rules, as_of)).withColumn(
        EARLIER, F.when(was_known, _fixed_weight(rules, earlier))
    )
    return weighted.groupBy(c.USER_ID, c.ITEM_ID).agg(
        F.sum(FIXED).alias(FIXED),
        F.sum(EARLIER).alias(EARLIER),
        _age_days(F.min(c.OCCURRED_AT), as_of).cast("float").alias(AGE),
        F.sum(EVENTS).alias(EVENTS),
        F.count("*").alias(DISTINCT_EVENTS),
    )


def _age_days(time: Column, end: date) -> Column:
    micros = F.unix_micros(F.lit(midnight(end))) - F.unix_micros(time)
    return micros / F.lit(1e6 * SECONDS_PER_DAY)


def _fixed_weight(rules: Mapping[str, Event], as_of: date) -> Column:
    """The Spark form of `recsys.interactions.weights.fixed_weights`, over all event types."""
    age_days = _age_days(F.col(c.OCCURRED_AT), as_of)
    weight = reduce(
        lambda chain, rule: chain.when(F.col(c.EVENT_TYPE) == rule[0], _weight(rule[1], age_days)),
        rules.items(),
        F.when(F.lit(False), F.lit(0.0)),
    )
    inside = F.least(F.greatest(weight, F.lit(0.0)), F.lit(MAX_WEIGHT))
    return F.floor(inside * F.lit(2.0**FRACTION_BITS)).cast("long")


def _weight(event: Event, age_days: Column) -> Column:
    value = F.col(c.VALUE)
    weight = F.lit(event.weight)
    if event.use_value:
        weight = F.coalesce(weight * value, weight)
    if event.min_value is not None:
        weight = F.when(value < event.min_value, F.lit(0.0)).otherwise(weight)
    if event.half_life_days is not None:
        weight = weight * F.pow(F.lit(0.5), age_days / F.lit(event.half_life_days))
    return weight
