"""Contract checks in the lake: what earlier runs were like, and what a check came to."""

import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

import pyarrow as pa

from data_contracts.measures import type_violations
from data_contracts.rules import RuleViolation, Verdict
from jobs.lake.files import content, parquet
from jobs.lake.partitions import Lake, Partition
from recsys.errors import ContractError
from recsys.schemas import RAW, Table
from recsys.sections.ids import Ids

log = logging.getLogger(__name__)

CONTRACTS: Final = "contracts"
RESULTS: Final = "results.json"
#: When a table is checked: as it was read; before models are trained; before lists are published.
Stage = Literal["sources", "matrix", "lists"]
STAGES: Final[tuple[Stage, ...]] = ("sources", "matrix", "lists")


@dataclass(frozen=True)
class EventCheck:
    """What a check of an event source leaves to later ones."""

    windows: tuple[str, ...]
    """Windows that were checked, as folders below the lake."""
    mix: Mapping[str, float]
    newest: datetime | None

    def stats(self) -> dict[str, Any]:
        """As a manifest holds it."""
        newest = self.newest.isoformat() if self.newest else None
        return {"windows": list(self.windows), "mix": dict(self.mix), "newest": newest}

    @classmethod
    def from_stats(cls, stats: Mapping[str, Any]) -> "EventCheck":
        """Out of a manifest."""
        newest = datetime.fromisoformat(stats["newest"]) if stats["newest"] else None
        return cls(tuple(stats["windows"]), stats["mix"], newest)


def stage_partition(lake: Lake, stage: Stage, as_of: date) -> Partition:
    """Where the results of one stage of a date are kept."""
    return lake.as_of(f"{CONTRACTS}/{stage}", as_of)


def earlier_rows(lake: Lake, table: str, as_of: date, runs: int) -> list[int]:
    """Rows of the last `runs` partitions before a date, oldest first, out of their manifests."""
    earlier = [day for day in lake.days(table) if day < as_of][-runs:]
    return [lake.as_of(table, day).manifest().rows for day in earlier]


def read_present(
    partitions: Sequence[Partition], table: Table, ids: Ids, without: Collection[str] = ()
) -> tuple[pa.Table, pa.Schema]:
    """All rows but for the columns `without`, and the columns that the files have.

    Where a file's columns are not those of the table, it is given alone and as it is.
    """
    wanted = table.arrow(ids)
    names = [name for name in wanted.names if name not in without]
    schema = pa.schema([wanted.field(name) for name in names])
    parts = []
    for file in (file for partition in partitions for file in partition.files()):
        opened = parquet(file)
        found = opened.schema_arrow
        if type_violations(table, ids, found):
            return opened.read([name for name in names if name in found.names]), found
        parts.append(opened.read(names).cast(schema))
    return pa.concat_tables([schema.empty_table(), *parts]), wanted


def keep(
    lake: Lake,
    stage: Stage,
    as_of: date,
    verdicts: Sequence[Verdict],
    events: Mapping[str, EventCheck] | None = None,
) -> None:
    """Writes the results of a stage; then logs what is warned of and raises on what fails.

    Raises ContractError naming table, rule, observed value, limit, and what to do.
    """
    with stage_partition(lake, stage, as_of).replace() as draft:
        kept = json.dumps([v.result for v in verdicts], indent=1, sort_keys=True)
        draft.write_text(RESULTS, kept, rows=len(verdicts))
        draft.stats["violations"] = [_facts(each) for v in verdicts for each in v.violations]
        draft.stats["events"] = {name: check.stats() for name, check in (events or {}).items()}
    for violation in (each for verdict in verdicts for each in verdict.of("warn")):
        log.warning("%s", violation)
    failed = [each for verdict in verdicts for each in verdict.of("fail")]
    if failed:
        more = f" (and {len(failed) - 1} more, see make data-docs)" if failed[1:] else ""
        raise ContractError(f"{failed[0]}{more}")


def _facts(violation: RuleViolation) -> dict[str, Any]:
    return {
        "table": violation.table,
        "rule": violation.rule.name,
        "severity": violation.rule.severity,
        "observed": violation.observed,
        "allowed": violation.rule.allowed,
    }


def results(partition: Partition) -> list[dict[str, Any]]:
    """Great Expectations' results of a check, one a table."""
    (file,) = partition.files()
    kept: list[dict[str, Any]] = json.loads(content(file))
    return kept


def event_checks(lake: Lake, name: str, as_of: date) -> Mapping[date, EventCheck]:
    """What the checks of other dates say of an event source, by date, in order.

    A check that failed does not count: its events are looked at again.
    """
    others = [day for day in lake.days(f"{CONTRACTS}/sources") if day != as_of]
    stats = {day: stage_partition(lake, "sources", day).manifest().stats for day in others}
    return {
        day: EventCheck.from_stats(of_day["events"][name])
        for day, of_day in stats.items()
        if name in of_day["events"] and not _failed(of_day)
    }


def doubted_windows(lake: Lake, name: str) -> frozenset[str]:
    """Windows of an event source whose check failed, as folders below the lake, and which no check
    has passed: the source may have been incomplete when they were read."""
    failed, passed = set[str](), set[str]()
    for day in lake.days(f"{CONTRACTS}/sources"):
        stats = stage_partition(lake, "sources", day).manifest().stats
        if name in stats["events"]:
            windows = EventCheck.from_stats(stats["events"][name]).windows
            if RAW[name].name in _failed_tables(stats):
                failed.update(windows)
            elif not _failed(stats):
                passed.update(windows)
    return frozenset(failed - passed)


def failed_tables(lake: Lake, stage: Stage, as_of: date) -> frozenset[str]:
    """The tables that broke their contracts on a date; none where there was no check."""
    partition = stage_partition(lake, stage, as_of)
    return _failed_tables(partition.manifest().stats) if partition.exists() else frozenset()


def _failed_tables(stats: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(v["table"] for v in stats["violations"] if v["severity"] == "fail")


def passed_days(lake: Lake, stage: Stage, before: date) -> list[date]:
    """The dates before one whose tables kept to their contracts, in order."""
    days = [day for day in lake.days(f"{CONTRACTS}/{stage}") if day < before]
    return [d for d in days if not _failed(stage_partition(lake, stage, d).manifest().stats)]


def _failed(stats: Mapping[str, Any]) -> bool:
    return bool(_failed_tables(stats))
