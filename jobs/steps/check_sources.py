"""Checks what was read from the sources against the data contracts (plain Python).

Of events only the windows are read that no other date's check has passed; their history is known
from the manifests. A rule that fails stops the run; one that warns is logged.
"""

import argparse
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from data_contracts import (
    blocks,
    events,
    interactions,
    item_profiles,
    items,
    user_profiles,
    users,
)
from data_contracts import measures as m
from data_contracts.contract import CheckContext, Contract, RelatedTables
from data_contracts.rules import CheckResult
from data_contracts.trailing import Trailing
from jobs.lake.facts import EventCheck, ReadFacts
from jobs.lake.partitions import Lake
from jobs.night_log import night_step
from jobs.run.entrypoint import RunArguments, job_parser, run
from jobs.stores.checks import (
    earlier_rows,
    event_checks,
    keep,
    passed_before,
    read_present,
)
from jobs.stores.population import available_items
from jobs.stores.run_stats import no_events
from recsys import columns as c
from recsys.as_of import AsOf
from recsys.schemas import EVENT_SOURCES, ITEMS, RAW, RAW_BLOCKS, TIMESTAMP
from recsys.window import Window, by_day

log = logging.getLogger(__name__)

A_DAY: Final = timedelta(days=1)
_CONTRACTS: Final[Mapping[str, Contract]] = {
    "items": items.CONTRACT,
    "users": users.CONTRACT,
    "interactions": interactions.CONTRACT,
    "events": events.CONTRACT,
    "blocks": blocks.CONTRACT,
    "item_profiles": item_profiles.CONTRACT,
    "user_profiles": user_profiles.CONTRACT,
}
_UNREAD: Final = (c.SOURCE_ROW,)

#: The rows of a table, and the columns that its files have.
SourceRows = tuple[pa.Table, pa.Schema]


def arg_parser() -> argparse.ArgumentParser:
    return job_parser(__doc__)


@night_step("check_sources")
def main(arguments: RunArguments) -> None:
    configured = arguments.config.sources.configured()
    names = [name for name in _CONTRACTS if name in configured]
    read = {n: _snapshot(arguments, n) for n in names if n not in EVENT_SOURCES}
    related = RelatedTables(
        users=_ids(read, "users", c.USER_ID), items=_ids(read, "items", c.ITEM_ID)
    )
    if "blocks" in configured:
        related = _with_blocks_before(arguments, related)
    results, checks = [], {}
    for name in names:
        if name in EVENT_SOURCES:
            result, checks[name] = _check_events(arguments, name, related)
        else:
            context = _context(arguments, _sizes(arguments, name), related)
            rows, found = read.pop(name)
            result = _CONTRACTS[name].check(rows, context, found)
        results.append(result)
    if all(check.newest is None for check in checks.values()):
        raise no_events(arguments)
    keep(arguments.lake, "sources", arguments.as_of, results, checks)
    rules = sum(len(result.figures) for result in results)
    log.info("%d tables keep to their contracts, %d figures", len(results), rules)


def _snapshot(arguments: RunArguments, name: str) -> SourceRows:
    partition = arguments.lake.as_of(RAW[name].name, arguments.as_of)
    return read_present([partition], RAW[name], arguments.config.ids, _UNREAD)


def _ids(read: Mapping[str, SourceRows], name: str, column: str) -> pa.Array | None:
    """The ids of users or items; None where there is no such source or it lacks the column."""
    rows = read[name][0] if name in read else pa.table({})
    return pc.drop_null(pc.unique(rows[column])) if column in rows.column_names else None


def _with_blocks_before(arguments: RunArguments, related: RelatedTables) -> RelatedTables:
    """Adds the blocks of the last run before this one whose sources kept to their contracts,
    where there is one and its ids are of the same types."""
    lake, ids, as_of = arguments.lake, arguments.config.ids, arguments.as_of
    for earlier in reversed(passed_before(lake, "sources", as_of)):
        partition = lake.as_of(RAW_BLOCKS.name, earlier)
        if partition.exists() and partition.intact():
            rows, found = read_present([partition], RAW_BLOCKS, ids, _UNREAD)
            if m.type_violations(RAW_BLOCKS, ids, found):
                return related
            between = _read_at(lake, as_of) - _read_at(lake, earlier)
            return replace(related, blocks=rows, blocks_days=max(1.0, between / A_DAY))
    return related


def _read_at(lake: Lake, as_of: AsOf) -> datetime:
    """Instant of the read of a run's blocks; a day after its as-of where nobody noted it."""
    noted = ReadFacts.of(lake.as_of(RAW_BLOCKS.name, as_of)).observed_at
    return noted or (as_of + A_DAY).instant


def _context(arguments: RunArguments, trailing: Trailing, related: RelatedTables) -> CheckContext:
    config = arguments.config
    return CheckContext(
        as_of=arguments.as_of,
        limits=config.contracts,
        ids=config.ids,
        trailing=trailing,
        related=related,
        event_types=tuple(config.event_rules()),
    )


def _sizes(arguments: RunArguments, name: str) -> Trailing:
    limits = arguments.config.contracts
    rows = earlier_rows(arguments.lake, RAW[name].name, arguments.as_of, limits.trailing_runs)
    available = _available(arguments) if name == "items" else ()
    return Trailing(rows=rows, available=available, runs_needed=limits.needed_runs)


def _available(arguments: RunArguments) -> Sequence[int]:
    """Items that could be recommended on the last dates before this one, oldest first."""
    lake, limits = arguments.lake, arguments.config.contracts
    days = [day for day in lake.instants(ITEMS.name) if day < arguments.as_of][
        -limits.trailing_runs :
    ]
    return [available_items(lake, day) for day in days]


# --- events ---------------------------------------------------------------------------------------


def _check_events(
    arguments: RunArguments, name: str, related: RelatedTables
) -> tuple[CheckResult, EventCheck]:
    lake, config, as_of = arguments.lake, arguments.config, arguments.as_of
    place = lake.events_of(RAW[name].name, config.source_fingerprint(name))
    others = event_checks(lake, name, as_of)
    windows = _unchecked(arguments, place, others.values())
    partitions = [lake.window(place, window) for window in windows]
    rows, found = read_present(partitions, RAW[name], config.ids, _UNREAD)
    if any(window.end > as_of.instant for window in windows):
        rows = _known_before(rows, as_of)
    a_day, earlier = _events_a_day(arguments, place, windows, rows.num_rows)
    trailing = _trailing(arguments, earlier, others)
    context = replace(
        _context(arguments, trailing, related),
        a_day=a_day,
        undated=_undated(lake, place, as_of),
    )
    result = _CONTRACTS[name].check(rows, context, found)
    names = tuple(_label(lake, place, window) for window in windows)
    if m.type_violations(RAW[name], config.ids, found):
        return result, EventCheck(windows=names, mix={}, newest=trailing.newest)
    return result, EventCheck(
        windows=names, mix=events.mix(rows), newest=events.newest(rows, context)
    )


def _unchecked(arguments: RunArguments, place: str, others: Iterable[EventCheck]) -> list[Window]:
    """The windows of the run that hold the last day or that no other check has passed."""
    lake, wanted = arguments.lake, arguments.config.window.before(arguments.as_of)
    passed = {label for check in others for label in check.windows}
    return [
        window
        for window in lake.windows(place)
        if window.start < wanted.end
        and window.end > wanted.start
        and (window.end >= wanted.end or _label(lake, place, window) not in passed)
    ]


def _label(lake: Lake, place: str, window: Window) -> str:
    return lake.place(lake.window(place, window).path)


def _trailing(
    arguments: RunArguments, a_day: Sequence[float], others: Mapping[AsOf, EventCheck]
) -> Trailing:
    limits, as_of = arguments.config.contracts, arguments.as_of
    earlier = [check for at, check in others.items() if at < as_of][-limits.trailing_runs :]
    newest = (check.newest for check in earlier if check.newest is not None)
    return Trailing(
        rows=a_day,
        mix=_mean([check.mix for check in earlier if check.mix]),
        newest=max(newest, default=None),
        runs_needed=limits.needed_runs,
    )


def _mean(mixes: Sequence[Mapping[str, float]]) -> Mapping[str, float] | None:
    kinds = sorted({kind for mix in mixes for kind in mix})
    return {k: sum(mix.get(k, 0.0) for mix in mixes) / len(mixes) for k in kinds} or None


def _events_a_day(
    arguments: RunArguments, place: str, new: Collection[Window], rows: int
) -> tuple[list[float], list[float]]:
    """Events a day: of the days that hold a new window, and of those before them, oldest first.

    Shorter windows are counted by the day, because an hour of the night has fewer events.
    rows: of all new windows before the as-of; a window that it cuts has what the others leave.
    """
    lake, end = arguments.lake, arguments.as_of.instant
    whole = {w: lake.window(place, w).manifest().rows for w in new if w.end <= end}

    def rate(day: Sequence[Window]) -> float:
        counts = (
            rows - sum(whole.values()) if w.end > end else lake.window(place, w).manifest().rows
            for w in day
        )
        return sum(counts) / (sum((min(w.end, end) - w.start for w in day), timedelta()) / A_DAY)

    bounded = [w for w in lake.windows(place) if w.start < end and not w.unbounded]
    days = by_day(bounded, end)
    earlier = [day for day in days if not any(w in new for w in day)]
    checked = [day for day in days if any(w in new for w in day)]
    trailing = earlier[-arguments.config.contracts.trailing_runs :]
    return [rate(day) for day in checked], [rate(day) for day in trailing]


def _undated(lake: Lake, place: str, as_of: AsOf) -> int:
    """Events whose time cannot be used, beyond those that the run before had."""
    table = f"{place}/undated"
    before = sum(earlier_rows(lake, table, as_of, 1))
    return max(0, lake.as_of(table, as_of).manifest().rows - before)


def _known_before(rows: pa.Table, as_of: AsOf) -> pa.Table:
    """The events that the source knew of before an as-of."""
    if not {c.ARRIVED_AT, c.OCCURRED_AT} <= set(rows.column_names):
        return rows
    known_at = pc.coalesce(rows[c.ARRIVED_AT], rows[c.OCCURRED_AT])
    before = pc.less(known_at, pa.scalar(as_of.instant, TIMESTAMP))
    return rows.filter(pc.fill_null(before, True))


if __name__ == "__main__":
    run(arg_parser(), main)
