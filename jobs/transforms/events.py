"""From raw events to what can be used as evidence, and why the rest cannot."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from jobs.transforms.histories import KIND, KNOWN, OCCURRED
from recsys import columns as c
from recsys.config import Event
from recsys.interactions.histories import BLOCK
from recsys.window import Window, midnight

_IN_FUTURE: Final = f"{c.OCCURRED_AT} is in the future"


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


def evidence(events: DataFrame, kinds: Iterable[str]) -> DataFrame:
    """Usable events as `HistoryMaker` takes them, but with ids instead of row numbers."""
    kind = F.array_position(F.array(*map(F.lit, kinds)), F.col(c.EVENT_TYPE)) - 1
    return events.select(
        c.USER_ID,
        c.ITEM_ID,
        kind.cast("int").alias(KIND),
        F.unix_micros(c.OCCURRED_AT).alias(OCCURRED),
        F.unix_micros(F.coalesce(c.ARRIVED_AT, c.OCCURRED_AT)).alias(KNOWN),
        F.col(c.VALUE),
    )


def block_evidence(blocks: DataFrame) -> DataFrame:
    """Blocks in the form of `evidence`."""
    nothing = {KIND: F.lit(BLOCK), OCCURRED: F.lit(0).cast("long"), KNOWN: F.lit(0).cast("long")}
    columns = (column.alias(name) for name, column in nothing.items())
    return blocks.select(c.USER_ID, c.ITEM_ID, *columns, F.lit(None).cast("double").alias(c.VALUE))
