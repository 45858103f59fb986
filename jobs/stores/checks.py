"""Contract checks in the lake: what earlier runs were like, and what a check came to."""

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from data_contracts.measures import type_violations
from data_contracts.rules import CheckResult, RuleViolation, shown
from jobs.lake.facts import CheckFacts, EventCheck, RuleFacts, ViolationFacts
from jobs.lake.files import content, parquet
from jobs.lake.partitions import Lake, Partition
from jobs.stores.stages import CONTRACTS, Stage, stage_partition
from recsys.as_of import AsOf
from recsys.errors import ContractError
from recsys.schemas import RAW, Table
from recsys.sections.ids import Ids

log = logging.getLogger(__name__)

RESULTS: Final = "results.json"


def earlier_rows(lake: Lake, table: str, as_of: AsOf, runs: int) -> list[int]:
    """Rows of the last `runs` partitions before an as-of, oldest first, out of their manifests."""
    earlier = [at for at in lake.instants(table) if at < as_of][-runs:]
    return [lake.as_of(table, at).manifest().rows for at in earlier]


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
    as_of: AsOf,
    results: Sequence[CheckResult],
    events: Mapping[str, EventCheck] | None = None,
) -> None:
    """Writes the results of a stage; then logs what is warned of and raises on what fails.

    Raises ContractError naming table, rule, observed value, limit, and what to do.
    """
    with stage_partition(lake, stage, as_of).replace() as draft:
        kept = json.dumps([each.result for each in results], indent=1, sort_keys=True)
        draft.write_text(RESULTS, kept, rows=len(results))
        found = tuple(_facts(each) for result in results for each in result.violations)
        rules = tuple(rule for result in results for rule in _rules(result))
        CheckFacts(violations=found, rules=rules, events=events or {}).note(draft)
    for violation in (each for result in results for each in result.of("warn")):
        log.warning("%s", violation)
    failed = [each for result in results for each in result.of("fail")]
    if failed:
        more = f" (and {len(failed) - 1} more, see make data-docs)" if failed[1:] else ""
        raise ContractError(f"{failed[0]}{more}")


def _facts(violation: RuleViolation) -> ViolationFacts:
    return ViolationFacts(
        table=violation.table,
        rule=violation.rule.name,
        severity=violation.rule.severity,
        observed=violation.observed,
        allowed=violation.rule.allowed,
    )


def _rules(result: CheckResult) -> Iterator[RuleFacts]:
    broken = {violation.rule.name for violation in result.violations}
    for rule in result.rules:
        yield RuleFacts(
            table=result.table,
            rule=rule.name,
            severity=rule.severity,
            observed=shown(result.figures[rule.name]),
            allowed=rule.allowed,
            passed=rule.name not in broken,
        )


def results(partition: Partition) -> list[dict[str, Any]]:
    """Great Expectations' results of a check, one a table."""
    (file,) = partition.files()
    kept: list[dict[str, Any]] = json.loads(content(file))
    return kept


def event_checks(lake: Lake, name: str, as_of: AsOf) -> Mapping[AsOf, EventCheck]:
    """Checks of an event source on other dates, by date, in order.

    A check that failed does not count: its events are looked at again.
    """
    others = [at for at in lake.instants(f"{CONTRACTS}/sources") if at != as_of]
    checks = {at: CheckFacts.of(stage_partition(lake, "sources", at)) for at in others}
    return {
        at: check.events[name]
        for at, check in checks.items()
        if name in check.events and not check.failed_tables
    }


def doubted_windows(lake: Lake, name: str) -> frozenset[str]:
    """Windows of an event source whose check failed, as folders below the lake, and which no check
    has passed: the source may have been incomplete when they were read."""
    failed, passed = set[str](), set[str]()
    for at in lake.instants(f"{CONTRACTS}/sources"):
        check = CheckFacts.of(stage_partition(lake, "sources", at))
        if name in check.events:
            windows = check.events[name].windows
            if RAW[name].name in check.failed_tables:
                failed.update(windows)
            elif not check.failed_tables:
                passed.update(windows)
    return frozenset(failed - passed)


def failed_tables(lake: Lake, stage: Stage, as_of: AsOf) -> frozenset[str]:
    """The tables that broke their contracts at an as-of; none where there was no check."""
    partition = stage_partition(lake, stage, as_of)
    return CheckFacts.of(partition).failed_tables if partition.exists() else frozenset()


def passed_before(lake: Lake, stage: Stage, before: AsOf) -> list[AsOf]:
    """The dates before one whose tables kept to their contracts, in order."""
    earlier = [at for at in lake.instants(f"{CONTRACTS}/{stage}") if at < before]
    return [
        at for at in earlier if not CheckFacts.of(stage_partition(lake, stage, at)).failed_tables
    ]
